"""The directory as open data."""

import csv
import io

import pytest
from django.test import Client

from insurers.models import Affiliation, Insurer
from lookup.open_data import COLUMNS, LICENCE, directory_rows
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def _cast_of_a_file_with_a_database() -> None:
    """Nobody stands in the directory that these tests begin with."""


def rows_of(client: Client) -> list[dict[str, str]]:
    text = client.get("/organismes.csv").content.decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_the_csv_says_who_is_concerned_and_according_to_whom(client: Client) -> None:
    cast.phare()
    (row,) = rows_of(client)
    assert row["insurer"] == "mutuelle-du-phare"
    assert (row["breach"], row["operator"]) == ("alphapay-betapay-2026", "alphapay")
    assert (row["status"], row["announced_on"]) == ("concerned", "2026-02-21")
    assert row["statement_source"] == row["affiliation_source"] == cast.source().url
    assert (row["is_fictional"], row["licence"]) == ("true", LICENCE)


def test_the_columns_are_stable(client: Client) -> None:
    header = client.get("/organismes.csv").content.decode().split("\r\n")[0]
    assert header == ",".join(COLUMNS)
    assert header.startswith("insurer,insurer_name,other_names,amc_numbers,successor,breach,")


def test_json_and_csv_hold_the_same_rows(client: Client) -> None:
    cast.phare()
    cast.dune()
    content = client.get("/organismes.json").json()
    assert content["rows"] == rows_of(client)
    assert content["licence"] == LICENCE
    assert client.get("/organismes.csv")["Link"].endswith('rel="license"')


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_csv_cell_is_a_formula(client: Client, start: str) -> None:
    Insurer.objects.create(slug="formule", name=f"{start}cmd|' /C calc'!A0")
    (row,) = rows_of(client)
    assert row["insurer_name"].startswith("'" + start)


def test_an_insurer_of_which_nothing_is_known_is_unknown() -> None:
    Insurer.objects.create(slug="inconnue", name="Mutuelle inconnue")
    (row,) = directory_rows()
    assert (row["status"], row["breach"], row["operator"]) == ("unknown", "", "")


def test_two_periods_with_an_operator_are_two_rows() -> None:
    Affiliation.objects.create(
        insurer=cast.phare(),
        operator=cast.operator(),
        source=cast.source(),
        valid_until_date="2020-12-31",
    )
    assert sorted(row["valid_until"] for row in directory_rows()) == ["", "2020-12-31"]
