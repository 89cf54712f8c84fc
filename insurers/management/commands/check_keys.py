from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from insurers.lists.key_check import expected_keys, faults_of_settings, faults_of_store


class Command(BaseCommand):
    help = "Open every key that must exist; exit other than 0 and name those lost or wrong."
    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's name; faults are ours to tell)

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "worker":
            raise CommandError("Les clés sont celles du worker : PORTAL_ROLE=worker.")
        faults = faults_of_settings() or list(faults_of_store())
        for fault in faults:
            self.stderr.write(str(fault))
        if faults:
            raise CommandError("Des clés manquent ou sont fausses.", returncode=2)
        self.stdout.write(f"{sum(1 for _ in expected_keys())} clés attendues : toutes s’ouvrent.")
