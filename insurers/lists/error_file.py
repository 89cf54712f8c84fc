"""The error file of a list: for each problem a place, a reason and what to do, no value."""

import csv
import heapq
import io
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import chain, islice
from operator import itemgetter

from django.utils.translation import gettext as _

from insurers.lists.problems import Problem, column_name, explain_problem
from insurers.lists.spreadsheets import inert_cell
from insurers.models import AffectedList, Severity

LINES_AT_ONCE = 2_000
ERASED_AT_ONCE = 10_000
BOM = "\ufeff"

Line = tuple[int, tuple[str, str, str]]
"""A row of the file; the column, severity and code of a problem there."""


def error_file(affected_list: AffectedList) -> Iterator[str]:
    """Yield a list's error file in pieces: `;` and a mark, so that Excel opens it as it is."""
    yield BOM + _csv_line(_("ligne"), _("colonne"), _("gravité"), _("problème"), _("que faire"))
    said = cache(_said)  # In the reader's language, which another thread may not share.
    lines = heapq.merge(_problems(affected_list), _listed_already(affected_list), key=itemgetter(0))
    while some := list(islice(lines, LINES_AT_ONCE)):
        yield "".join(f"{row};{said(problem)}" for row, problem in some)


def erase_problems(*, affected_list: AffectedList, now: datetime) -> int:
    """Erase what the file is made of, some thousands of rows at a time; return how many.

    How many of each kind there were stays with the list's report. Can be killed and run again.
    """
    erased = 0
    for rows in (affected_list.problems, affected_list.listed_already):
        while some := list(rows.order_by("pk").values_list("pk", flat=True)[:ERASED_AT_ONCE]):
            erased += rows.filter(pk__in=some).delete()[0]
    affected_list.problems_erased_at = now
    affected_list.save(update_fields=["problems_erased_at"])
    return erased


def _said(problem: tuple[str, str, str]) -> str:
    """Return what the file says of a problem, after its row."""
    column, severity, code = problem
    explained = explain_problem(code)
    return _csv_line(
        column_name(column), str(Severity(severity).label), explained.what, explained.to_do
    )


def _problems(affected_list: AffectedList) -> Iterator[Line]:
    problems = affected_list.problems.order_by("row", "pk")
    found = problems.values_list("row", "column", "severity", "code")
    for row, *problem in found.iterator(chunk_size=LINES_AT_ONCE):
        yield row, (problem[0], problem[1], problem[2])


def _listed_already(affected_list: AffectedList) -> Iterator[Line]:
    problem = ("", Severity.WARNING.value, Problem.ALREADY_LISTED.value)
    parts = affected_list.listed_already.order_by("pk").values_list("rows", flat=True)
    for row in chain.from_iterable(parts.iterator(chunk_size=1)):
        yield row, problem


def _csv_line(*cells: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerow([inert_cell(cell) for cell in cells])
    return text.getvalue()
