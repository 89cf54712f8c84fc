from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifications.evidence.keys import published_keys


class Command(BaseCommand):
    help = (
        "Print the fingerprint (SHA-256) and the public key that evidence and the trail's heads"
        " are signed with; give it to auditors by another way than the evidence."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        keys = published_keys()
        if not keys:
            raise CommandError("There is no key yet: a worker makes it in its first minute.")
        for key in keys:
            self.stdout.write(f"{key.number} {key.created_at:%Y-%m-%d} {key.fingerprint}")
            self.stdout.write(key.pem)
