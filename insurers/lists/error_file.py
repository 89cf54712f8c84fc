"""The error file of a list: for each problem a place, a reason and what to do, no value."""

import csv
import io
from collections.abc import Iterator
from itertools import islice

from django.utils.translation import gettext as _

from insurers.lists.problems import column_name, explain_problem
from insurers.lists.spreadsheets import inert_cell
from insurers.models import AffectedList, ListProblem

LINES_AT_ONCE = 500
BOM = "\ufeff"


def error_lines(problem: ListProblem) -> list[str]:
    """Return the cells of one problem."""
    said = explain_problem(problem.code)
    cells = (
        str(problem.row),
        column_name(problem.column),
        str(problem.get_severity_display()),
        said.what,
        said.to_do,
    )
    return [inert_cell(cell) for cell in cells]


def error_file(affected_list: AffectedList) -> Iterator[str]:
    """Yield a list's error file in pieces: `;` and a mark, so that Excel opens it as it is."""
    yield BOM + _csv([[_("ligne"), _("colonne"), _("gravité"), _("problème"), _("que faire")]])
    problems = affected_list.problems.order_by("row", "pk").iterator(chunk_size=LINES_AT_ONCE)
    while some := list(islice(problems, LINES_AT_ONCE)):
        yield _csv([error_lines(problem) for problem in some])


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(rows)
    return text.getvalue()
