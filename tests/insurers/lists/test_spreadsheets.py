"""No export holds a cell that a spreadsheet program would execute."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.admin import site
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from import_export.admin import ExportMixin

from insurers.admin.directory_csv import DirectoryResource
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


# What is written there is read by the portal itself, or invented for the demonstration.
NOT_EXPORTS = {"insurers/lists/sheet_child.py", "insurers/lists/preparing.py"}
NOT_EXPORTS |= {"breachportal/embedded/members.py"}


def test_whatever_writes_a_csv_makes_its_cells_inert() -> None:
    apps = ("audit", "breachportal", "insurers", "lookup", "notifications")
    writers = {
        str(path): path.read_text()
        for app in apps
        for path in Path(app).rglob("*.py")
        if re.search(r"csv\.(Dict)?[wW]riter|\.write_csv\(|openpyxl|xlsxwriter", path.read_text())
    }
    assert writers.keys() >= NOT_EXPORTS
    bare = {name for name, text in writers.items() if "inert_cell(" not in text}
    assert bare == NOT_EXPORTS


def test_every_table_that_the_admin_exports_makes_its_cells_inert() -> None:
    exporting = [one for one in site._registry.values() if isinstance(one, ExportMixin)]
    resources = [found for one in exporting for found in one.get_export_resource_classes(None)]
    assert resources
    assert all(issubclass(found, DirectoryResource) for found in resources)


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
