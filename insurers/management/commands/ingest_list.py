"""Take a file of affected people from the command line, through the code an upload takes."""

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.db.models import Model, QuerySet
from django.utils import timezone

from insurers.lists.acceptance import accept
from insurers.lists.ingestion import (
    OperatorsNotAffiliatedError,
    Report,
    ingest_list,
    operators_for,
    register_list,
)
from insurers.lists.refusing import why_refused
from insurers.lists.uploads import SealedUpload, erase_chunks, seal_file
from insurers.models import AffectedList, Breach, Insurer, ListState, Operator, Population

BAR_WIDTH = 30
Found = TypeVar("Found", bound=Model)


class Command(BaseCommand):
    help = "Read a CSV file of affected people into a list; prints one JSON object."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the CSV file")
        parser.add_argument("--breach", required=True, metavar="SLUG")
        parser.add_argument("--insurer", required=True, metavar="SLUG")
        parser.add_argument(
            "--operator",
            action="append",
            metavar="CODE",
            help="may be repeated; default: the insurer's affiliations",
        )
        parser.add_argument("--population", default="insured_people", metavar="CODE")
        parser.add_argument("--accept", action="store_true", help="accept what was read")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "worker":
            raise CommandError("Lancez cette commande avec PORTAL_ROLE=worker.")
        started = time.monotonic()
        affected_list = self._register(options)
        try:
            ingest_list(
                list_id=affected_list.pk,
                now=timezone.now(),
                wait=True,
                report=self._progress_bar(affected_list),
            )
            affected_list.refresh_from_db()
        except (InterfaceError, OperationalError) as error:
            raise CommandError(
                f"PostgreSQL ne répond plus. La liste n° {affected_list.pk} sera reprise par le "
                "worker ; suivez-la dans l’espace."
            ) from error
        if refusal := why_refused(affected_list):
            raise CommandError(
                f"Liste n° {affected_list.pk} refusée. {refusal.what} {refusal.to_do}"
            )
        if options["accept"] and affected_list.state == ListState.REVIEW:
            accept(affected_list=affected_list, decided_by=None, now=timezone.now())
        summary = _summary(affected_list, time.monotonic() - started)
        self.stdout.write(json.dumps(summary))

    def _register(self, options: dict[str, Any]) -> AffectedList:
        breach = _one(Breach.objects.filter(slug=options["breach"]), "violation")
        insurer = _one(Insurer.objects.filter(slug=options["insurer"]), "organisme")
        population = _one(Population.objects.filter(code=options["population"]), "population")
        operators = operators_for(breach=breach, insurer=insurer)
        if codes := options["operator"]:
            operators = [_one(Operator.objects.filter(code=code), "opérateur") for code in codes]
        upload = _seal(options["file"])
        try:
            return register_list(
                breach=breach,
                insurer=insurer,
                operators=operators,
                population=population,
                upload=upload,
                uploaded_by=None,
                now=timezone.now(),
            )
        except OperatorsNotAffiliatedError as error:
            erase_chunks(upload.upload_id)
            raise CommandError(
                "L’organisme n’est rattaché à aucun opérateur de cette violation, ou pas à ceux "
                "qui sont donnés : complétez l’annuaire, ou corrigez --operator."
            ) from error

    def _progress_bar(self, affected_list: AffectedList) -> Report | None:
        if not sys.stderr.isatty():
            return None

        def show(bytes_read: int) -> None:
            share = bytes_read / max(affected_list.size_bytes, 1)
            bar = "█" * int(share * BAR_WIDTH)
            end = "\n" if bytes_read >= affected_list.size_bytes else ""
            self.stderr.write(f"\r{bar:░<{BAR_WIDTH}} {share:4.0%}{end}", ending="")

        return show


def _seal(path: Path) -> SealedUpload:
    try:
        if path.stat().st_size > settings.UPLOAD_MAX_BYTES:
            raise CommandError("Le fichier dépasse UPLOAD_MAX_BYTES : découpez-le.")
        return seal_file(path)
    except OSError as error:
        raise CommandError(f"Le fichier ne peut pas être lu : {error.strerror}.") from error


def _one(rows: QuerySet[Found], kind: str) -> Found:
    found = rows.first()
    if found is None:
        raise CommandError(f"Aucun enregistrement « {kind} » de ce nom : vérifiez le code donné.")
    return found


def _summary(affected_list: AffectedList, seconds: float) -> dict[str, Any]:
    """Rows are accepted, rejected, duplicates or already listed: they add up."""
    return {
        "list": affected_list.pk,
        "state": affected_list.state,
        "rows": affected_list.rows,
        "accepted": affected_list.members,
        "rejected": affected_list.rows_rejected,
        "duplicates": affected_list.rows_duplicate + affected_list.rows_conflicting,
        "conflicting": affected_list.rows_conflicting,
        "already_listed": affected_list.rows_already_listed,
        "without_contact": affected_list.members_without_contact,
        "seconds": round(seconds, 3),
    }
