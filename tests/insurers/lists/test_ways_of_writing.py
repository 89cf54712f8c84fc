"""A value written in each way that is known is one value, for whole files as for single cells."""

import pytest

from insurers.lists.contacts import Contact, open_contacts
from insurers.lists.problems import Problem
from insurers.models import AffectedList
from tests.insurers.lists.files import accepted, csv_file, members_of

pytestmark = pytest.mark.django_db

DATES = ("1980-12-31", "31/12/1980", "31121980", "31-12-1980", "31.12.1980")
PHONES = (
    "0639980001",
    "639980001",
    "06 39 98 00 01",
    "06.39.98.00.01",
    "06-39-98-00-01",
    "+33639980001",
    "+33 6 39 98 00 01",
    "+33 (0)6 39 98 00 01",
    "0033639980001",
)
HEADERS = (
    "N° adhérent;Né(e) le;Courriel;Portable",
    "Numéro d’assuré;Date de naissance;E-mail;Mobile",
    "NUMERO ADHERENT;DATE NAISSANCE;ADRESSE MAIL;TEL PORTABLE",
    "member number;date of birth;email;mobile phone",
    ' "N° Adhérent" ; "NÉ LE" ;MAIL; Téléphone mobile ',
)


def contacts(affected_list: AffectedList) -> list[Contact]:
    opener = open_contacts(affected_list)
    return [opener.open(member.ordinal, member.contact) for member in members_of(affected_list)]


def problems(affected_list: AffectedList) -> list[tuple[int, str, str]]:
    found = affected_list.problems.order_by("row", "pk")
    return [(problem.row, problem.column, problem.code) for problem in found]


def test_a_birth_date_is_one_however_it_is_written() -> None:
    rows = [f"A1;{date};Marin;Lise;l@example.fr;" for date in DATES]
    affected_list = accepted(csv_file(*rows))
    assert (affected_list.members, affected_list.rows_duplicate) == (1, len(DATES) - 1)


def test_a_column_of_excel_s_days_gives_the_same_people() -> None:
    by_day = accepted(csv_file("A1;29586;Marin;Lise;;", "A2;29587;Marin;Zoé;;"))
    in_words = accepted(csv_file("A1;31/12/1980;Marin;Lise;;", "A2;01/01/1981;Marin;Zoé;;"))
    assert by_day.members == 2
    assert in_words.rows_already_listed == 2


def test_a_mobile_number_is_one_however_it_is_written() -> None:
    affected_list = accepted(csv_file(*(f"A{n};31121980;;;;{p}" for n, p in enumerate(PHONES))))
    assert {contact.phone for contact in contacts(affected_list)} == {"+33639980001"}
    assert len({member.phone_fingerprint for member in members_of(affected_list)}) == 1
    assert problems(affected_list) == []


def test_a_member_number_is_one_whatever_separates_its_parts() -> None:
    numbers = ("00123 45", "0012345", "00-123-45", "00.123.45")
    affected_list = accepted(csv_file(*(f"{number};31/12/1980;;;;" for number in numbers)))
    assert (affected_list.members, affected_list.rows_duplicate) == (1, 3)
    other = accepted(csv_file("12345;31/12/1980;;;;"))
    assert members_of(other)[0].fingerprint != members_of(affected_list)[0].fingerprint


@pytest.mark.parametrize("header", HEADERS)
def test_a_column_is_recognised_however_it_is_called(header: str) -> None:
    content = csv_file("A1;31/12/1980;zoe@example.fr;0639980001", header=header)
    (contact,) = contacts(accepted(content))
    assert contact == Contact(email="zoe@example.fr", phone="+33639980001")


def test_cells_that_spreadsheets_execute_are_data_or_rejected_never_run() -> None:
    """What an export writes of them is held by test_spreadsheets.py."""
    affected_list = accepted(
        csv_file(
            "A1;31/12/1980;=1+1;@Lise;+l@example.fr;+33639980001",
            "=A2;31/12/1980;;;;",
            "A3;=31/12/1980;;;;",
        )
    )
    (contact,) = contacts(affected_list)
    assert (contact.email, contact.phone) == ("+l@example.fr", "+33639980001")
    assert [(row, column) for row, column, _code in problems(affected_list)] == [
        (3, "member_number"),
        (4, "birth_date"),
    ]


def test_newlines_and_returns_in_quotes_are_spaces() -> None:
    content = csv_file(
        'A1;31/12/1980;"Marin\r\nBelair";"Lise\nAnne";"l@example.fr\r\n";"0639980001\n"'
    )
    assert contacts(accepted(content)) == [
        Contact("Lise Anne", "Marin Belair", "l@example.fr", "+33639980001")
    ]


def test_what_cannot_be_one_value_is_named_by_row_and_column() -> None:
    affected_list = accepted(
        csv_file(
            "A1;31/12/80;;;;",
            "A2;12/31/1980;;;;",
            "A3;31/12/1980;;;;06 39 98",
            "A4;31/12/1980;;;;6,39980001E+08",
            "1,23457E+11;31/12/1980;;;;",
        )
    )
    assert problems(affected_list) == [
        (2, "birth_date", Problem.BIRTH_DATE_TWO_DIGIT_YEAR),
        (3, "birth_date", Problem.BIRTH_DATE_IMPOSSIBLE),
        (4, "phone", Problem.PHONE_FORMAT),
        (5, "phone", Problem.PHONE_FORMAT),
        (6, "member_number", Problem.MEMBER_NUMBER_SPREADSHEET),
    ]
