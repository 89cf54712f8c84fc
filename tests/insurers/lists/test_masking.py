"""What may be shown of a file: shapes that give nothing away, headers that are not data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.masking import (
    LONGEST_SHAPE,
    common_shapes,
    is_surely_data,
    shown_headers,
    value_shape,
)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("31/12/1980", "99/99/9999"),
        ("A0012345", "A9999999"),
        ("lise@courrier.fr", "aaa@aaa.aa"),
        ("Élise  Le Goff", "Aaa Aa Aaa"),
        ("Jean-Christophe", "Aaa-Aaa"),
        ("+33 6 12 34 56 78", "+99 9 99 99 99 99"),
        ("1 80 12 75 116 001 42", "9 99 99 99 999 999 99"),
        ("1" * 40, "9" * 10 + "…"),
        ("٣٤/٠١", "99/99"),
        ("李", "a"),
        ("☎", "?"),
        ("-----", "-"),
        ("", ""),
    ],
)
def test_a_value_has_a_shape(value: str, shape: str) -> None:
    assert value_shape(value) == shape


@given(st.text(max_size=80))
def test_a_shape_holds_no_letter_and_no_digit_of_the_value(value: str) -> None:
    shape = value_shape(value)
    assert {letter for letter in shape if letter.isalnum()} <= set("Aa9")
    assert len(shape) <= LONGEST_SHAPE
    assert value_shape(shape) == shape


@given(st.text("éabcÀXYZ", min_size=3, max_size=30))
def test_a_shape_does_not_tell_how_long_a_name_is(name: str) -> None:
    assert len(value_shape(name)) == 3


def test_the_commonest_shapes_are_kept() -> None:
    values = ["A1", "12", "13", "", " ", "x-y", "14", "B2", "1/2", "x-z", "y-z"]
    assert common_shapes(values) == ["99", "a-a", "A9"]


@pytest.mark.parametrize(
    "cell",
    ["31/12/1980", "1980-12-31", "lise@courrier.fr", "0612345678", "06 12 34 56 78", "A0012345"],
)
def test_data_are_known_as_such(cell: str) -> None:
    assert is_surely_data(cell)


@pytest.mark.parametrize("cell", ["N° Police", "Tél 2", "Lise", "", "C001", "Contrat 2024"])
def test_headers_are_not_surely_data(cell: str) -> None:
    assert not is_surely_data(cell)


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("N° Police", ["A00123"]),
        ("VILLE", ["PARIS"]),
        ("Tél 2", ["0612345678"]),
        ("COD_XYZ", ["12"]),
        ("Réf. interne ", []),
        ("", ["A1"]),
    ],
)
def test_a_header_is_shown(header: str, values: list[str]) -> None:
    assert shown_headers([header], [values]) == [header.strip()]


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("A00123", ["A00124"]),
        ("31/12/1980", ["01/01/1981"]),
        ("lise@courrier.fr", []),
        ("0612345678", []),
        ("29220", ["29221"]),
        ("Lise", ["Omar"]),
        ("MARIN", ["BELAIR", "LE GOFF"]),
        ("12 rue du Phare 29000", ["3 rue du Phare"]),
        ("x" * 81, []),
    ],
)
def test_a_header_that_may_be_a_value_is_masked(header: str, values: list[str]) -> None:
    assert shown_headers([header], [values]) == [None]


def test_one_value_in_the_row_makes_the_others_doubtful() -> None:
    header = ["A00123", "Lise", "Ville", "Mail", ""]
    assert shown_headers(header, [[], [], [], [], []]) == [None, None, "Ville", "Mail", ""]


def test_a_shown_header_stands_on_one_line_without_marks() -> None:
    assert shown_headers(["\ufeffN°\n Police\u202e "], [[]]) == ["N° Police"]
