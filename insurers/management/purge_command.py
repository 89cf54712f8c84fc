"""What `purge_list` and `purge_contacts` share."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from insurers.lists.purging import PurgeRefusedError, run_purge
from insurers.lists.rewriting import TableBusyError
from insurers.models import AffectedList, ListPurge


class PurgeCommand(BaseCommand):
    """Ask for a purge and run it; killed, the workers' sweep finishes it."""

    ask: Callable[..., ListPurge]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("list", type=int, help="the number of the list")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "worker":
            raise CommandError("Le worker seul efface : PORTAL_ROLE=worker.")
        affected_list = AffectedList.objects.filter(pk=options["list"]).first()
        if affected_list is None:
            raise CommandError("Aucune liste de ce numéro.")
        try:
            purge = type(self).ask(
                affected_list=affected_list, requested_by=None, now=timezone.now()
            )
            run_purge(purge_id=purge.pk, now=timezone.now())
        except PurgeRefusedError as error:
            raise CommandError(str(error.message)) from error
        except TableBusyError as error:
            raise CommandError(
                "La clé est détruite ; les lignes le seront par un worker."
            ) from error
        purge.refresh_from_db()
        self.stdout.write(
            f"Liste {affected_list.pk} : {purge.members} personnes, {purge.contacts} contacts, "
            f"clé {purge.key_name} détruite."
            if purge.finished_at
            else "Un worker s’en occupe déjà."
        )
