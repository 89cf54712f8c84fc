from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from insurers.lists.keystore import KeyNotFoundError, StoreUnreachableError, WrongKeyError
from notifications.evidence.heads import replace_key
from notifications.evidence.keys import published_keys


class Command(BaseCommand):
    help = (
        "Print the fingerprint (SHA-256) and the public half of each key that signs or signed"
        " evidence and the trail's heads, the present one first; give it to auditors by another"
        " way than the evidence."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--replace",
            action="store_true",
            help="sign with a new key from now on (worker role); tell auditors its fingerprint",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["replace"]:
            self._replace()
        keys = published_keys()
        if not keys:
            raise CommandError("There is no key yet: a worker makes it in its first minute.")
        for key in keys:
            self.stdout.write(f"{key.number} {key.created_at:%Y-%m-%d} {key.fingerprint}")
            self.stdout.write(key.pem)

    def _replace(self) -> None:
        if settings.ROLE != "worker":
            raise CommandError("The key store is the worker's: PORTAL_ROLE=worker.")
        try:
            replaced = replace_key(now=timezone.now())
        except (KeyNotFoundError, StoreUnreachableError, WrongKeyError) as error:
            raise CommandError(f"The key store does not give {error}: nothing changed.") from error
        except OSError as error:
            raise CommandError(
                f"TRAIL_HEADS_DIR: {error.strerror}. The key was not replaced: the heads have to"
                " leave once more under the present one. Mend the folder, then run this again."
            ) from error
        if replaced is None:
            raise CommandError("The heads are being signed this moment: run it again.")
