"""Recognise social security numbers; all here are made up and valid in form only."""

import random

import polars as pl
import pytest

from insurers.lists.identifiers import BLANKS, DASHES
from insurers.lists.nir import ColumnWatch, has_valid_key, holds_one, looks_like_one


def keyed(number: str) -> str:
    """Return a number of 13 characters with its key."""
    digits = number.replace("2A", "19").replace("2B", "18")
    return f"{number}{97 - int(digits) % 97:02d}"


MAINLAND = "1850375116001"
CORSICA = ("285072A004123", "285072B004123")


@pytest.mark.parametrize("number", [MAINLAND, *CORSICA])
def test_the_key_is_checked_in_corsica_too(number: str) -> None:
    right = keyed(number)
    wrong = f"{number}{(int(right[-2:]) + 1) % 97:02d}"
    assert has_valid_key(right)
    assert not has_valid_key(wrong)


def test_a_known_number_of_the_manuals_has_its_key() -> None:
    assert has_valid_key("2 55 08 14 168 025 38")


@pytest.mark.parametrize(
    "text",
    [MAINLAND, "1 85 03 75 116 001", "1.85.03.75.116.001", keyed(MAINLAND), "2 85 07 2a 004 123"],
)
def test_forms_that_look_like_one(text: str) -> None:
    assert looks_like_one(text)


@pytest.mark.parametrize(
    "text", ["", "A12345", "0033612345678", "9850375116001", "1851375116001", "12345678901234"]
)
def test_forms_that_do_not(text: str) -> None:
    assert not looks_like_one(text)


@pytest.mark.parametrize("end", ["", keyed(MAINLAND)[-2:]])
def test_a_number_is_found_inside_a_text(end: str) -> None:
    assert holds_one(f"Marin (1 85 03 75 116 001 {end})")
    assert holds_one(f"Marin {MAINLAND}{end}")


@pytest.mark.parametrize(
    "text", ["Marin", "Marin 12", "Résidence 12345678901234567", "06 12 34 56 78 et 75011 Paris"]
)
def test_other_texts_hold_none(text: str) -> None:
    assert not holds_one(text)


def watching(*columns: list[str]) -> ColumnWatch:
    watch = ColumnWatch.over(len(columns))
    watch.see_block([pl.Series(cells) for cells in columns])
    return watch


def test_a_column_of_nirs_is_named() -> None:
    numbers = [f"1850375116{order:03d}" for order in range(100)]
    assert watching(["A1"] * 100, numbers).column_of_nirs() == 1


def test_a_share_is_that_of_the_whole_file() -> None:
    watch = watching(["A1"] * 100)
    watch.add(watching([MAINLAND, MAINLAND]))
    assert watch.column_of_nirs() is None
    assert watching([MAINLAND, MAINLAND]).column_of_nirs(at_least=100) is None


def test_one_cell_by_chance_refuses_nothing() -> None:
    assert watching([MAINLAND]).column_of_nirs() is None


def test_member_numbers_of_13_digits_drawn_at_random_pass() -> None:
    chance = random.Random(3)
    numbers = [str(chance.randrange(10**12, 10**13)) for _ in range(2000)]
    assert watching(numbers).column_of_nirs() is None


def test_separators_hide_no_number() -> None:
    spaced = [
        " 1 85 03 75 116 001 ",
        "1.85.03.75.116.002",
        "2 85 03 2A 116 003",
        "'1850375116001",
        "1-85-03-75-116-001",
        "1/85/03/75/116/001",
        "1\u00a085\u202f03\u200975 116 001",
        "1850375116001.0",
        "\u200b1850375116001",
        *(mark.join(("1", "85", "03", "75116001")) for mark in f"{BLANKS}{DASHES}"),
    ]
    assert watching(spaced).suspect == [len(spaced)]


@pytest.mark.parametrize(
    "cell",
    [
        f"{MAINLAND}@example.fr",
        f"NIR{MAINLAND}",
        f"{MAINLAND}x",
        f"n° {keyed(MAINLAND)} (Lise)",
        f"12 {MAINLAND}",
        f"12 {keyed(MAINLAND)}",
        f"{MAINLAND} 12",
        f"{CORSICA[0]}@example.fr",
    ],
)
def test_what_stands_around_a_number_does_not_hide_it(cell: str) -> None:
    assert watching([cell] * 3).column_of_nirs() == 0


def test_addresses_and_phones_are_no_numbers() -> None:
    cells = ["lise.marin1985@example.fr", "06 39 98 00 01 / 06 39 98 00 02", "+33639980001"]
    cells += ["FR76 3000 4000 0100 0123 4567 890", "31/12/1980 23:59:59", "12345678901234"]
    assert watching(cells).suspect == [0]


@pytest.mark.parametrize("number", [keyed(MAINLAND), *map(keyed, CORSICA), CORSICA[1].lower()])
def test_numbers_with_a_key_and_of_corsica_are_seen(number: str) -> None:
    assert watching([number] * 3).column_of_nirs() == 0
