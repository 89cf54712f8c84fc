"""Postal addresses: their columns, their one form, what is wrong with them, where they are kept."""

import polars as pl
import pytest

from insurers.lists.contacts import HAS_POSTAL_ADDRESS, Contact, decode, encode, open_contacts
from insurers.lists.headers import POSTAL, ColumnsUnclearError, check_choice, read_layout
from insurers.lists.postal import PostalAddress, postal_addresses
from insurers.lists.problems import Field, Problem
from insurers.models import AffectedList
from tests.insurers.lists.files import accepted, csv_file, members_of

USUAL = ["N° adhérent", "Né le", "Nom", "Prénom", "Mail"]
ADDRESS = {
    Field.ADDRESS: "12 rue des Lilas",
    Field.POSTCODE: "75001",
    Field.CITY: "Paris",
}


def read(
    cells: dict[Field, str], *, name: str = "Phare", refuses_nir: bool = True
) -> tuple[str, Problem | None]:
    column = postal_addresses(
        {field: pl.Series([cell]) for field, cell in cells.items()},
        names=pl.Series([name]),
        refuses_nir=refuses_nir,
    )
    return column.values[0], column.bad.get(0)


# Which columns.


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        (["Adresse", "CP", "Ville"], "address postcode city"),
        (["Adresse postale", "Code postal", "Commune", "Pays"], "address postcode city country"),
        (["ADR1", "ADR2", "ADR3", "CP", "VILLE"], "address address_2 address_3 postcode city"),
        (
            ["N° et voie", "Complément d’adresse", "Code Postal", "Localité"],
            "address address_complement postcode city",
        ),
        (
            ["Address Line 1", "Address Line 2", "Postcode", "Town", "Country"],
            "address address_2 postcode city country",
        ),
        (["Street address", "ZIP code", "City"], "address postcode city"),
        (
            ["Adresse de l’assuré", "Code postal de l’assuré", "Ville de l’assuré"],
            "address postcode city",
        ),
    ],
)
def test_the_columns_of_an_address_are_known(headers: list[str], fields: str) -> None:
    columns = read_layout([*USUAL, *headers]).columns
    found = sorted((place, field) for field, place in columns.items() if field in POSTAL)
    assert " ".join(field.value for _place, field in found) == fields


@pytest.mark.parametrize(
    "headers", [["Ville"], ["Adresse", "CP"], ["CP", "Ville", "Pays"], ["Ville de naissance"]]
)
def test_half_an_address_is_passed_over(headers: list[str]) -> None:
    assert not set(read_layout([*USUAL, *headers]).columns) & set(POSTAL)


def test_two_towns_are_no_reason_to_ask_people() -> None:
    columns = read_layout([*USUAL, "Adresse", "CP", "Ville", "Commune"]).columns
    assert Field.CITY not in columns
    assert Field.ADDRESS not in columns


def test_an_address_of_e_mail_stays_one() -> None:
    columns = read_layout(
        ["N° adhérent", "Né le", "Adresse mail", "Adresse", "CP", "Ville"]
    ).columns
    assert (columns[Field.EMAIL], columns[Field.ADDRESS]) == (2, 3)


def test_whoever_chooses_an_address_is_told_what_lacks() -> None:
    chosen = [Field.MEMBER_NUMBER, Field.BIRTH_DATE, Field.EMAIL, Field.ADDRESS]
    with pytest.raises(ColumnsUnclearError) as unclear:
        check_choice(dict(enumerate(chosen)))
    assert unclear.value.missing == ("postcode", "city")


# In one form.


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        (ADDRESS, "12 rue des Lilas\n75001 Paris\n"),
        (ADDRESS | {Field.ADDRESS_COMPLEMENT: "Bât. B", Field.ADDRESS_2: "Les Prés"},
         "Bât. B\n12 rue des Lilas\nLes Prés\n75001 Paris\n"),
        (ADDRESS | {Field.ADDRESS: "\t12\x00  rue\u00a0des\r\nLilas\u200b "},
         "12 rue des Lilas\n75001 Paris\n"),
        (ADDRESS | {Field.POSTCODE: "1000", Field.CITY: "Bourg-en-Bresse"},
         "12 rue des Lilas\n01000 Bourg-en-Bresse\n"),
        (ADDRESS | {Field.POSTCODE: "75 001"}, "12 rue des Lilas\n75001 Paris\n"),
        (ADDRESS | {Field.POSTCODE: "75001.0"}, "12 rue des Lilas\n75001 Paris\n"),
        (ADDRESS | {Field.COUNTRY: "france"}, "12 rue des Lilas\n75001 Paris\n"),
        (ADDRESS | {Field.POSTCODE: "1000", Field.CITY: "Bruxelles", Field.COUNTRY: "BE"},
         "12 rue des Lilas\n1000 Bruxelles\nBelgique"),
        (ADDRESS | {Field.POSTCODE: "", Field.CITY: "Dakar", Field.COUNTRY: "Sénégal"},
         "12 rue des Lilas\nDakar\nSénégal"),
    ],
)  # fmt: skip
def test_an_address_has_one_form(cells: dict[Field, str], kept: str) -> None:
    assert read(cells) == (kept, None)


def test_what_was_kept_is_read_back() -> None:
    address = PostalAddress.of("Bât. B\n12 rue des Lilas\n1000 Bruxelles\nBelgique")
    assert address.lines == ("Bât. B", "12 rue des Lilas")
    assert (address.locality, address.country) == ("1000 Bruxelles", "Belgique")
    assert "Lilas" not in repr(address)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({Field.ADDRESS: ""}, Problem.ADDRESS_INCOMPLETE),
        ({Field.CITY: " "}, Problem.ADDRESS_INCOMPLETE),
        ({Field.POSTCODE: ""}, Problem.ADDRESS_INCOMPLETE),
        ({Field.POSTCODE: "7500"}, None),
        ({Field.POSTCODE: "750"}, Problem.ADDRESS_INCOMPLETE),
        ({Field.POSTCODE: "2A004"}, Problem.ADDRESS_INCOMPLETE),
        ({Field.ADDRESS: "rue " * 40}, Problem.ADDRESS_CHARACTERS),
        ({Field.CITY: "東京"}, Problem.ADDRESS_CHARACTERS),
        ({Field.ADDRESS_2: "2 84 05 88 134 121 83"}, Problem.ADDRESS_NIR),
    ],
)
def test_a_bad_address_is_left_out_and_said(
    changed: dict[Field, str], problem: Problem | None
) -> None:
    value, found = read(ADDRESS | changed)
    assert found == problem
    assert (value == "") == (problem is not None)


def test_nobody_writes_to_whoever_has_no_name() -> None:
    assert read(ADDRESS, name="") == ("", Problem.ADDRESS_WITHOUT_NAME)


def test_no_address_at_all_is_no_fault() -> None:
    assert read(dict.fromkeys(ADDRESS, " ")) == ("", None)


# Where it is kept.


def test_a_contact_without_address_takes_the_bytes_it_took() -> None:
    contact = Contact("Camille", "Phare", "camille@exemple.fr", "", "fr")
    assert encode(contact) == b"\x01Camille\x1fPhare\x1fcamille@exemple.fr\x1f\x1ffr"
    assert decode(encode(contact)) == contact


def test_an_address_goes_the_way_of_the_contact() -> None:
    contact = Contact("Camille", "Phare", address="12 rue des Lilas\n75001 Paris\n")
    assert decode(encode(contact)) == contact


HEADER = "N° adhérent;Né le;Nom;Prénom;Mail;Adresse;CP;Ville"
ROWS = (
    "000000001;12/03/1980;Phare;Camille;;12 rue des Lilas;75001;Paris",
    "000000002;12/03/1980;Phare;Dominique;d@exemple.fr;;;",
    "000000003;12/03/1980;Phare;Claude;;3 rue Haute;750;Paris",
    "zéro;12/03/1980;Phare;Alix;;3 rue Haute;75001;Paris",
    "000000004;12/03/1980;Phare;Alix;;4 rue Haute;1000;Bourg",
)


def taken(*rows: str) -> AffectedList:
    return accepted(csv_file(*rows, header=HEADER))


def kept(found: AffectedList) -> list[str]:
    opener = open_contacts(found)
    return [opener.open(member.ordinal, member.contact).address for member in members_of(found)]


@pytest.mark.django_db
def test_addresses_are_sealed_with_the_contacts() -> None:
    found = taken(*ROWS)
    assert kept(found) == [
        "12 rue des Lilas\n75001 Paris\n",
        "",
        "",
        "4 rue Haute\n01000 Bourg\n",
    ]
    flags = [member.contact_flags & HAS_POSTAL_ADDRESS > 0 for member in members_of(found)]
    assert flags == [True, False, False, True]


@pytest.mark.django_db
def test_a_bad_address_keeps_the_person_and_is_reported() -> None:
    found = taken(*ROWS)
    assert (found.members, found.rows_rejected) == (4, 1)
    problems = found.problems.values_list("row", "column", "code", "severity")
    assert (4, "address", "address_incomplete", "warning") in problems


@pytest.mark.django_db
def test_of_two_rows_without_e_mail_the_one_with_an_address_stays() -> None:
    found = taken(ROWS[0], "000000001;12/03/1980;Phare;Camille;;;;")
    assert kept(found) == ["12 rue des Lilas\n75001 Paris\n"]
