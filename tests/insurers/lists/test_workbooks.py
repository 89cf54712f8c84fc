"""Workbooks give the same people as a CSV with the same cells."""

import gzip
from collections.abc import Callable
from datetime import date

import openpyxl
import pytest

from insurers.lists.contacts import open_contacts
from insurers.lists.problems import Problem, Refusal
from insurers.lists.refusing import why_refused
from insurers.models import AffectedList, ListState
from tests.insurers.lists.files import accepted, csv_file, members_of, read
from tests.insurers.lists.workbooks import HEADER, LISE, OMAR, ods, piped_zip, xls, xlsx, zipped

pytestmark = pytest.mark.django_db

AS_CSV = csv_file(
    "A00123;31/12/1980;Marin;Lise;lise@courrier.example.fr;06 39 98 00 01",
    "A00124;06/05/1979;Belair;Omar;omar@courrier.example.fr;",
)
ROWS = (HEADER, LISE, OMAR)


def people(affected_list: AffectedList) -> list[tuple[object, ...]]:
    contacts = open_contacts(affected_list)
    return [
        (member.ordinal, member.fingerprint, contacts.open(member.ordinal, member.contact))
        for member in members_of(affected_list)
    ]


def problems(affected_list: AffectedList) -> list[tuple[int, str]]:
    return list(affected_list.problems.order_by("row").values_list("row", "code"))


@pytest.mark.parametrize(
    "content",
    [
        xlsx(*ROWS),
        xls(*ROWS),
        ods(*ROWS),
        gzip.compress(xlsx(*ROWS)),
        zipped({"liste.xlsx": xlsx(*ROWS)}),
        zipped({"liste.xls": xls(*ROWS)}),
        gzip.compress(ods(*ROWS)),
        gzip.compress(AS_CSV),
        zipped({"liste.csv": AS_CSV, "__MACOSX/._liste.csv": b"x"}),
    ],
    ids=["xlsx", "xls", "ods", "xlsx.gz", "xlsx.zip", "xls.zip", "ods.gz", "csv.gz", "csv.zip"],
)
def test_the_same_people_are_read_from_any_format(content: bytes) -> None:
    found = people(accepted(content))
    assert len(found) == 2
    AffectedList.objects.all().delete()
    # The same operator: the fingerprints are those of the CSV.
    assert [row[:2] for row in found] == [row[:2] for row in people(accepted(AS_CSV))]
    assert [row[2].phone for row in found] == ["+33639980001", ""]  # type: ignore[attr-defined]


def test_rows_keep_the_numbers_of_the_sheet() -> None:
    title, blank = ("Liste du 3 mai", None), (None,)
    wrong = ("A00125", "31/02/1980", "Roux", "Ana", "ana@courrier.example.fr", None)
    content = xlsx(title, blank, HEADER, LISE, blank, wrong)
    affected_list = read(content)
    assert (affected_list.rows, affected_list.rows_rejected) == (2, 1)
    assert problems(affected_list) == [(6, Problem.BIRTH_DATE_IMPOSSIBLE)]


@pytest.mark.parametrize("write", [xlsx, xls, ods])
def test_hidden_rows_are_read_counted_and_named(write: object) -> None:
    affected_list = read(write(*ROWS, hidden=[2, 3]))  # type: ignore[operator]
    assert affected_list.members == 2
    assert (affected_list.hidden_rows, affected_list.first_hidden_rows) == (2, [2, 3])


def test_a_header_of_two_rows_is_read() -> None:
    def merge(book: openpyxl.Workbook) -> None:
        for cells in ("A1:A2", "B1:B2", "C1:F1"):
            book.worksheets[0].merge_cells(cells)

    top, below = (*HEADER[:2], "Contact", *[None] * 3), (None, None, *HEADER[2:])
    wrong = ("A00125", "31/02/1980", *OMAR[2:])
    affected_list = read(xlsx(top, below, LISE, OMAR, wrong, change=merge))
    assert affected_list.members == 2
    assert problems(affected_list) == [(5, Problem.BIRTH_DATE_IMPOSSIBLE)]


@pytest.mark.parametrize("text", ["1,23457E+11", "1.23457E+11", "123457.0"])
def test_a_member_number_in_scientific_notation_is_refused(text: str) -> None:
    affected_list = read(xlsx(HEADER, (text, *LISE[1:]), OMAR))
    assert problems(affected_list) == [(2, Problem.MEMBER_NUMBER_SPREADSHEET)]


@pytest.mark.parametrize("write", [xlsx, xls, ods])
def test_a_whole_column_that_a_spreadsheet_made_numbers_is_refused_with_the_reason(
    write: Callable[..., bytes],
) -> None:
    """Nothing is left of a refused file but this sentence: no report, no error file."""
    rows = [(123_456_789_012 + n, "31/12/1980", *OMAR[2:]) for n in range(3)]
    affected_list = read(write(HEADER, *rows))
    said = why_refused(affected_list)
    assert (affected_list.refusal_code, affected_list.refusal_row) == (Refusal.NO_VALID_ROW, 2)
    assert said is not None
    assert "le tableur a transformé le numéro d’adhérent en nombre" in said.what
    assert "format «\u00a0Texte\u00a0»" in said.to_do


def test_a_workbook_in_a_piped_zip_is_read() -> None:
    assert read(piped_zip("liste.xlsx", xlsx(*ROWS))).members == 2


def test_the_sheet_with_known_headers_is_read() -> None:
    content = xlsx(("Mode d’emploi",), ("Lisez ceci",), Liste=list(ROWS))
    assert read(content).members == 2


def test_a_sheet_without_known_headers_waits_for_its_columns() -> None:
    header = ("Clé interne", "Jour", "Adresse de messagerie perso")
    affected_list = read(xlsx(header, ("A00123", "31/12/1980", "lise@courrier.example.fr")))
    assert affected_list.state == ListState.COLUMNS


@pytest.mark.parametrize("number", [123456789012, 1234567890123456789])
def test_a_number_too_long_for_a_spreadsheet_is_no_member_number(number: int) -> None:
    affected_list = read(xlsx(HEADER, (number, *LISE[1:]), OMAR))
    assert problems(affected_list) == [(2, Problem.MEMBER_NUMBER_SPREADSHEET)]


def test_a_short_number_is_the_member_number_that_it_shows() -> None:
    content = xlsx(HEADER, (300123, *LISE[1:]))
    (member,) = members_of(accepted(content))
    AffectedList.objects.all().delete()
    row = "300123;31/12/1980;Marin;Lise;lise@courrier.example.fr;"
    assert member.fingerprint == members_of(accepted(csv_file(row)))[0].fingerprint


def test_a_numeric_column_of_social_security_numbers_refuses_the_file() -> None:
    rows = [(*LISE, 180127512345600 + n) for n in range(3)]
    keyed = [(*row[:-1], row[-1] // 100 * 100 + 97 - (row[-1] // 100) % 97) for row in rows]
    affected_list = read(xlsx((*HEADER, "Zorg"), *keyed))
    assert affected_list.refusal_code == Refusal.NIR_COLUMN


def test_a_serial_number_is_a_birth_date() -> None:
    days = (date(1980, 12, 31) - date(1899, 12, 30)).days
    (member,) = members_of(accepted(xlsx(HEADER, (LISE[0], days, *LISE[2:]))))
    AffectedList.objects.all().delete()
    assert member.fingerprint == members_of(accepted(xlsx(HEADER, LISE)))[0].fingerprint


def test_a_formula_without_a_result_is_an_empty_cell() -> None:
    affected_list = read(xlsx(HEADER, LISE, ("=1+1", *OMAR[1:])))
    assert problems(affected_list) == [(3, Problem.MEMBER_NUMBER_MISSING)]


def test_empty_columns_at_the_end_are_passed_over() -> None:
    assert read(xlsx((*HEADER, "", ""), (*LISE, "", " "), OMAR)).members == 2


def test_newlines_in_cells_do_not_change_row_numbers() -> None:
    bad = ("A00125", "x", "Ro\r\nux", "A\rna", "ana@courrier.example.fr", None)
    affected_list = read(xlsx(HEADER, (*LISE[:3], "Li\nse", *LISE[4:]), bad, OMAR))
    assert (affected_list.members, problems(affected_list)) == (2, [(3, Problem.BIRTH_DATE_FORMAT)])


def test_an_empty_workbook_is_refused() -> None:
    assert read(xlsx()).refusal_code == Refusal.NO_SHEET
