"""Take a file of affected people from the command line, through the code an upload takes."""

import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.db.models import Model, QuerySet
from django.utils import timezone

from insurers.lists.acceptance import accept
from insurers.lists.columns import NoSuchColumnError, choose_columns, find_columns
from insurers.lists.headers import ColumnsUnclearError
from insurers.lists.ingestion import (
    OperatorsNotAffiliatedError,
    Report,
    ingest_list,
    operators_for,
    register_list,
)
from insurers.lists.problems import Field, Refusal, column_name
from insurers.lists.refusing import erase_refused, refuse_list, why_refused
from insurers.lists.rejected import correctable_lists
from insurers.lists.states import AWAITING
from insurers.lists.uploads import SealedUpload, erase_chunks, seal_file
from insurers.models import (
    AffectedList,
    Breach,
    Insurer,
    ListEffect,
    ListState,
    Operator,
    Population,
)

BAR_WIDTH = 30
Found = TypeVar("Found", bound=Model)


class Command(BaseCommand):
    help = (
        "Read a file of affected people into a list (CSV, XLSX, XLS or ODS, also inside .gz "
        "or a .zip of one file); prints one JSON object."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file, whatever its name")
        parser.add_argument("--breach", required=True, metavar="SLUG")
        parser.add_argument("--insurer", required=True, metavar="SLUG")
        parser.add_argument(
            "--operator",
            action="append",
            metavar="CODE",
            help="may be repeated; default: the insurer's affiliations",
        )
        parser.add_argument("--population", default="insured_people", metavar="CODE")
        parser.add_argument(
            "--effect",
            choices=ListEffect.values,
            default=ListEffect.ADD.value,
            help="what accepting the list does to those before it; default: add",
        )
        parser.add_argument(
            "--corrects",
            type=int,
            metavar="LIST",
            help="the number of the accepted list whose rejected rows this file brings again",
        )
        parser.add_argument(
            "--column",
            action="append",
            type=_column,
            default=[],
            metavar="FIELD=HEADER",
            help="which column is which, by header or #number (from 1); may be repeated. Fields: "
            + ", ".join(field.value for field in Field if field != Field.NIR),
        )
        parser.add_argument("--accept", action="store_true", help="accept what was read")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ROLE != "worker":
            raise CommandError("Lancez cette commande avec PORTAL_ROLE=worker.")
        started = time.monotonic()
        affected_list = self._register(options)
        try:
            self._read(affected_list)
            self._settle_columns(affected_list, dict(options["column"]))
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

    def _read(self, affected_list: AffectedList) -> None:
        ingest_list(
            list_id=affected_list.pk,
            now=timezone.now(),
            wait=True,
            report=self._progress_bar(affected_list),
        )
        affected_list.refresh_from_db()

    def _settle_columns(self, affected_list: AffectedList, named: dict[Field, str]) -> None:
        """Read again with the columns that are named; without them an unclear file is refused.

        It is refused rather than left waiting, so that the same command, completed, takes it.
        """
        if affected_list.state not in AWAITING or not (
            named or affected_list.state == ListState.COLUMNS
        ):
            return
        try:
            columns = find_columns(affected_list=affected_list, named=named)
            choose_columns(
                affected_list=affected_list, columns=columns, chosen_by=None, now=timezone.now()
            )
        except (ColumnsUnclearError, NoSuchColumnError) as error:
            said = _what_is_unclear(affected_list, error)
            code = Refusal.COLUMNS_UNCLEAR
            refuse_list(affected_list=affected_list, code=code, now=timezone.now())
            erase_refused(affected_list=affected_list)
            raise CommandError(f"Liste n° {affected_list.pk} refusée. {said}") from None
        self._read(affected_list)

    def _register(self, options: dict[str, Any]) -> AffectedList:
        breach = _one(Breach.objects.filter(slug=options["breach"]), "violation")
        insurer = _one(Insurer.objects.filter(slug=options["insurer"]), "organisme")
        if breach.is_closed(timezone.localdate()):
            raise CommandError("Le dossier de cette violation est clos.")
        population = _one(Population.objects.filter(code=options["population"]), "population")
        operators = operators_for(breach=breach, insurer=insurer)
        if codes := options["operator"]:
            operators = [_one(Operator.objects.filter(code=code), "opérateur") for code in codes]
        corrects = None
        if (number := options["corrects"]) is not None:
            corrects = _to_correct(breach, insurer, number)
        upload = _seal(options["file"])
        try:
            return register_list(
                breach=breach,
                insurer=insurer,
                operators=operators,
                population=population,
                upload=upload,
                uploaded_by=None,
                effect=ListEffect(options["effect"]),
                corrects=corrects,
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
            size = (affected_list.text or {}).get("size_bytes", affected_list.size_bytes)
            share = min(1.0, bytes_read / max(size, 1))
            bar = "█" * int(share * BAR_WIDTH)
            end = "\n" if bytes_read >= size else ""
            self.stderr.write(f"\r{bar:░<{BAR_WIDTH}} {share:4.0%}{end}", ending="")

        return show


def _column(text: str) -> tuple[Field, str]:
    """Return the field and the column of `FIELD=HEADER` or `FIELD=#NUMBER`."""
    field, _equals, name = text.partition("=")
    if field not in Field.values or field == Field.NIR or not name.strip():
        raise ArgumentTypeError("give FIELD=HEADER or FIELD=#NUMBER, with a field that is read")
    return Field(field), name


def _to_correct(breach: Breach, insurer: Insurer, number: int) -> AffectedList:
    found = correctable_lists(breach=breach, insurer=insurer).filter(pk=number).first()
    if found is None:
        raise CommandError(
            f"La liste n° {number} n’est pas une liste acceptée de cet organisme et de cette "
            "violation avec des lignes rejetées : corrigez --corrects."
        )
    return found


def _what_is_unclear(
    affected_list: AffectedList, error: ColumnsUnclearError | NoSuchColumnError
) -> str:
    if isinstance(error, NoSuchColumnError):
        said = ["--column nomme une colonne que le fichier n’a pas, ou que plusieurs portent."]
    else:
        said = [f"Aucune colonne connue pour : {column_name(code)}." for code in error.missing]
        said += [f"Plusieurs colonnes pour : {field.label}." for field in error.ambiguous]
    shown = ", ".join(
        f"#{column.place + 1} {column.header or '(intitulé masqué ou vide)'}"
        for column in affected_list.columns.all()
    )
    return (
        f"{' '.join(said)} Colonnes du fichier : {shown}. Indiquez-les, par exemple "
        '--column member_number="N° Police" ou --column member_number=#3.'
    )


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
        "effect": affected_list.effect,
        "rows": affected_list.rows,
        "accepted": affected_list.members,
        "rejected": affected_list.rows_rejected,
        "duplicates": affected_list.rows_duplicate + affected_list.rows_conflicting,
        "conflicting": affected_list.rows_conflicting,
        "already_listed": affected_list.rows_already_listed,
        "without_contact": affected_list.members_without_contact,
        "seconds": round(seconds, 3),
    }
