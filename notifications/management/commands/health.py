from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from django.utils import timezone

from notifications.watching.heartbeats import PROCESSES, SILENCE, silence_of


class Command(BaseCommand):
    help = "Say whether a worker, or beat, lives; exit other than 0 where it does not."
    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's name)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("process", choices=PROCESSES)

    def handle(self, *args: Any, process: str, **options: Any) -> None:
        try:
            silence = silence_of(process=process, now=timezone.now())
        except Error as error:
            raise CommandError("PostgreSQL ne répond pas.", returncode=2) from error
        if silence is None:
            raise CommandError(f"{process} : aucun signe de vie.", returncode=1)
        seconds = int(silence.total_seconds())
        if silence > SILENCE:
            raise CommandError(f"{process} : silencieux depuis {seconds} s.", returncode=1)
        self.stdout.write(f"{process} : vivant, il y a {seconds} s.")
