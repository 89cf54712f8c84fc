"""Headers as French spreadsheets write them."""

import pytest

from insurers.lists.headers import read_layout
from insurers.lists.problems import Field, Refusal
from insurers.lists.refusal import FileRefusedError


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("N° adhérent", Field.MEMBER_NUMBER),
        ("NUMERO_ADHERENT", Field.MEMBER_NUMBER),
        ("Numéro d’assuré", Field.MEMBER_NUMBER),
        ("Num. adhérent", Field.MEMBER_NUMBER),
        ("member number", Field.MEMBER_NUMBER),
        ("Identifiant", Field.MEMBER_NUMBER),
        ("Né(e) le", Field.BIRTH_DATE),
        ("Date de naissance", Field.BIRTH_DATE),
        ("date_naissance", Field.BIRTH_DATE),
        ("date of birth", Field.BIRTH_DATE),
        ("Rang de naissance", Field.BIRTH_RANK),
        ("Courriel", Field.EMAIL),
        ("E-mail", Field.EMAIL),
        ("adresse électronique", Field.EMAIL),
        ("Portable", Field.PHONE),
        ("Tél. mobile", Field.PHONE),
        ("Téléphone", Field.PHONE),
        ("Langue", Field.LANGUAGE),
        ("Prénom", Field.FIRST_NAME),
        ("Nom de famille", Field.LAST_NAME),
    ],
)
def test_a_header_is_recognised(header: str, field: Field) -> None:
    others = {
        Field.MEMBER_NUMBER: "N° adhérent",
        Field.BIRTH_DATE: "Né le",
        Field.EMAIL: "Mail",
    }
    names = [header, *(name for key, name in others.items() if key != field)]
    assert read_layout(names).columns[field] == 0


def test_a_sure_header_goes_before_a_vague_one() -> None:
    layout = read_layout(["Téléphone", "Portable", "Id", "N° adhérent", "Né le"])
    assert layout.columns[Field.PHONE] == 1
    assert layout.columns[Field.MEMBER_NUMBER] == 3


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        (["Né le", "Mail"], "member_number"),
        (["N° adhérent", "Mail"], "birth_date"),
        (["N° adhérent", "Né le"], "email|phone"),
        (["Lise", "1980-12-31"], "member_number,birth_date,email|phone"),
    ],
)
def test_missing_columns_are_named(header: list[str], missing: str) -> None:
    refusal = refused(header)
    assert (refusal.code, refusal.column) == (Refusal.MISSING_COLUMNS, missing)


def test_a_column_given_twice_is_named() -> None:
    refusal = refused(["N° adhérent", "Né le", "Mail", "Courriel"])
    assert (refusal.code, refusal.column) == (Refusal.DUPLICATE_COLUMN, "email")


@pytest.mark.parametrize("header", ["NIR", "N° Sécurité sociale", "Numéro de sécu", "SSN"])
def test_a_header_that_names_the_nir_is_refused(header: str) -> None:
    refusal = refused(["N° adhérent", "Né le", "Mail", header])
    assert (refusal.code, refusal.column) == (Refusal.NIR_COLUMN, "nir")


def refused(header: list[str]) -> FileRefusedError:
    with pytest.raises(FileRefusedError) as caught:
        read_layout(header)
    return caught.value
