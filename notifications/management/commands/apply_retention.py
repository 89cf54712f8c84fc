"""Erase what has been kept as long as it may, or say what would go."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.formats import date_format

from insurers.lists.purging import run_purge
from insurers.models import AffectedList, Breach
from notifications.retention.closing import close_what_is_due, hindrances
from notifications.retention.due import Due, due_of
from notifications.retention.erasing import erase_what_is_due


class Command(BaseCommand):
    """Do now what the worker does each hour; `--dry-run` changes nothing."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go, and when")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "worker":
            raise CommandError("Le worker seul efface : PORTAL_ROLE=worker.")
        now = timezone.now()
        lists = AffectedList.objects.select_related("report", "insurer").order_by("pk")
        for due in due_of(lists):
            self.stdout.write(_line(due, is_over=due.is_over(now)))
        for breach in Breach.objects.exclude(closing_date=None):
            self.stdout.write(f"{breach.slug} : dossier clos le {breach.closing_date:%d/%m/%Y}.")
            for hindrance in hindrances(breach=breach):
                self.stdout.write(f"  empêché : {hindrance.insurer}. {hindrance.what}")
        if options["dry_run"]:
            return
        for purge in erase_what_is_due(now=now):
            run_purge(purge_id=purge.pk, now=now)
        close_what_is_due(now=now)


def _line(due: Due, *, is_over: bool) -> str:
    found = due.affected_list
    when = due.hindrance
    if due.at is not None:
        day = date_format(timezone.localtime(due.at), "d/m/Y")
        when = f"échu depuis le {day}" if is_over else f"le {day}"
    return (
        f"{found.insurer.name}, liste n° {found.pk} : {due.subject.label}"
        f" ({due.rows} lignes), {when}"
    )
