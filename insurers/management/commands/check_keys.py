from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from insurers.lists.key_check import (
    destroyed_keys,
    expected_keys,
    faults_of_settings,
    faults_of_store,
)


class Command(BaseCommand):
    help = "Open every key that must exist; exit other than 0 and name those lost or wrong."
    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's name; faults are ours to tell)

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "worker":
            raise CommandError("Les clés sont celles du worker : PORTAL_ROLE=worker.")
        faults = faults_of_settings() or faults_of_store()
        for fault in faults:
            self.stderr.write(str(fault))
        if faults:
            raise CommandError("Des clés manquent ou sont fausses.", returncode=2)
        for name in destroyed_keys():
            self.stdout.write(
                f"{name} : détruite exprès, après la sauvegarde d’où vient cette base. Ce qu’elle "
                "scellait reste illisible ; relancez purge_contacts pour cette liste."
            )
        count = sum(1 for _ in expected_keys())
        self.stdout.write(f"{count} clés attendues : aucune ne manque.")
