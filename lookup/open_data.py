"""The directory as open data: one row per insurer, operator and breach, with its sources.

The columns are stable: new ones are added at the end only.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

from insurers.lists.spreadsheets import inert_cell
from insurers.models import Affiliation, ImpactReport, Insurer
from lookup.answers import Answer, Ground, answers_of_all

LICENCE = "CC-BY-4.0"
LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
COLUMNS = (
    "insurer",
    "insurer_name",
    "other_names",
    "amc_numbers",
    "successor",
    "breach",
    "operator",
    "status",
    "scope_fr",
    "scope_en",
    "valid_from",
    "valid_until",
    "announced_on",
    "statement_source",
    "statement_publisher",
    "statement_kind",
    "statement_date",
    "statement_note_fr",
    "statement_note_en",
    "affiliation_source",
    "affiliation_publisher",
    "affiliation_kind",
    "affiliation_date",
    "affiliation_note_fr",
    "affiliation_note_en",
    "confirmed_by",
    "confirmed_on",
    "is_fictional",
    "licence",
)


def directory_rows() -> Iterator[dict[str, str]]:
    """Return every row, in a fixed number of queries; absent values are empty texts."""
    for insurer, answers in answers_of_all():
        grounds = [(answer, ground) for answer in answers for ground in answer.grounds]
        for answer, ground in grounds:
            rows: list[Affiliation | None] = [*ground.affiliations] or [None]
            for affiliation in rows:
                yield _row(insurer, answer, ground, affiliation)
        if not grounds:
            yield _row(insurer, None, None, None)


def directory_csv() -> str:
    """Return the rows as CSV (RFC 4180), cells made harmless for spreadsheets."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in directory_rows():
        writer.writerow([inert_cell(row[column]) for column in COLUMNS])
    return out.getvalue()


def _row(
    insurer: Insurer,
    answer: Answer | None,
    ground: Ground | None,
    affiliation: Affiliation | None,
) -> dict[str, str]:
    values: dict[str, Any] = {
        "insurer": insurer.slug,
        "insurer_name": insurer.name,
        "other_names": "|".join(alias.name for alias in insurer.aliases.all()),
        "amc_numbers": "|".join(amc.number for amc in insurer.amc_numbers.all()),
        "successor": insurer.successor.slug if insurer.successor else "",
        "status": ground.status.value if ground else "unknown",
        "is_fictional": "true" if insurer.is_demo else "false",
        "licence": LICENCE,
    }
    if answer:
        values["breach"] = answer.breach.slug
    if ground and ground.operator:
        values["operator"] = ground.operator.code
    values |= _statement(ground.report if ground else None) | _relationship(affiliation)
    return {column: _text(values.get(column)) for column in COLUMNS}


def _statement(report: ImpactReport | None) -> dict[str, Any]:
    if report is None:
        return {}
    return {
        "announced_on": report.announced_date,
        "statement_source": report.source.url,
        "statement_publisher": report.source.publisher,
        "statement_kind": report.source.kind,
        "statement_date": report.source.published_date,
        "statement_note_fr": report.note_fr,
        "statement_note_en": report.note_en,
    }


def _relationship(affiliation: Affiliation | None) -> dict[str, Any]:
    if affiliation is None:
        return {}
    return {
        "scope_fr": affiliation.scope_fr,
        "scope_en": affiliation.scope_en,
        "valid_from": affiliation.valid_from_date,
        "valid_until": affiliation.valid_until_date,
        "affiliation_source": affiliation.source.url,
        "affiliation_publisher": affiliation.source.publisher,
        "affiliation_kind": affiliation.source.kind,
        "affiliation_date": affiliation.source.published_date,
        "affiliation_note_fr": affiliation.note_fr,
        "affiliation_note_en": affiliation.note_en,
        "confirmed_by": affiliation.confirmed_by,
        "confirmed_on": affiliation.confirmed_date,
    }


def _text(value: Any) -> str:
    return "" if value is None else str(value)
