"""No export holds a cell that a spreadsheet program would execute."""

import csv
import io
from collections.abc import Callable

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.error_file import error_file
from insurers.lists.spreadsheets import inert_cell, live_cell
from insurers.models import Insurer
from lookup.open_data import directory_csv
from tests import cast
from tests.conftest import WebClient
from tests.insurers.lists.files import LISE, csv_file, read

FORMULAS = ["=1+1", "+33", "-2", "@SUM(A1)", "\tx", "\rx", "\nx", "  =1+1", "＝1+1", "\t=1"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_cell_that_spreadsheets_execute_is_made_inert(cell: str) -> None:
    assert inert_cell(cell) == "'" + cell
    assert inert_cell("a" + cell) == "a" + cell


@given(st.text() | st.text("'=+-@\t\r a1", max_size=8))
def test_a_cell_comes_back_as_it_was(cell: str) -> None:
    assert live_cell(inert_cell(cell)) == cell


def test_an_apostrophe_typed_before_a_phone_number_goes() -> None:
    assert live_cell("'+33199000001") == "+33199000001"
    assert live_cell("'t Hooft") == "'t Hooft"


def admin_export() -> str:
    client = cast.sign_in(WebClient(), cast.odile())
    return str(client.get(reverse("admin:insurers_insurer_export")).content.decode())


@pytest.mark.django_db
@pytest.mark.parametrize("export", [directory_csv, admin_export], ids=["open data", "admin"])
@pytest.mark.parametrize("formula", FORMULAS[:6])
def test_an_export_of_the_directory_holds_no_formula(
    export: Callable[[], str], formula: str
) -> None:
    Insurer.objects.filter(pk=cast.phare().pk).update(name=formula)
    cells = [cell for row in csv.reader(io.StringIO(export(), newline="")) for cell in row]
    assert "'" + formula in cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


@pytest.mark.django_db
def test_what_the_admin_exports_comes_back_as_it_was() -> None:
    Insurer.objects.filter(pk=cast.phare().pk).update(contact_phone="+33 1 99 00 00 01")
    client = cast.sign_in(WebClient(), cast.odile())
    exported = io.BytesIO(admin_export().encode())
    exported.name = "organismes.csv"
    page = client.post(
        reverse("admin:insurers_insurer_import"), {"format": "0", "import_file": exported}
    )
    assert 'class="skip"' in page.content.decode()
    assert "'+33" in exported.getvalue().decode()


@pytest.mark.django_db
def test_the_error_file_holds_no_formula_of_the_list() -> None:
    affected_list = read(csv_file(LISE, "=1+1;@x;+x;-x;=l@;-1"))
    cells = csv.reader(io.StringIO("".join(error_file(affected_list))), delimiter=";")
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in cells for cell in row)
