"""Birth dates written as numbers are taken where nothing else can be meant, and never guessed."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.number_dates import Numbers, numbers_of
from insurers.lists.problems import Problem, Refusal
from tests.insurers.lists.files import csv_file, members_of, read

TODAY = date(2026, 3, 2)
BORN = st.dates(min_value=date(1910, 1, 1), max_value=TODAY)


def said_of(*cells: str) -> Numbers:
    return numbers_of(cells, today=TODAY)


def serial_of(born: date) -> str:
    return str((born - date(1899, 12, 30)).days)


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["29586", "10280", ""], Numbers.SERIALS),
        (["29586", "1000"], Numbers.SERIALS),
        (["10280"], Numbers.UNKNOWN),  # 22 February 1928, or 01/02/80
        (["10280", "11180", "31299"], Numbers.UNKNOWN),
        (["11980"], Numbers.UNKNOWN),  # a day of 1932, or January 1980
        (["1000"], Numbers.UNKNOWN),
        (["29586", "31/12/1980"], Numbers.UNKNOWN),
        (["29586", "281280"], Numbers.UNKNOWN),
        (["29200", "75012"], Numbers.UNKNOWN),  # postcodes
        (["1021980", "15021980"], Numbers.PADDED),
        (["1021980", "01021980"], Numbers.PADDED),
        (["1021980", "11121980"], Numbers.UNKNOWN),  # 11/12, as without padding
        (["1021980", "15021980", "111980"], Numbers.UNKNOWN),
        (["1021980", "19800215"], Numbers.UNKNOWN),
        (["31/12/1980"], Numbers.UNKNOWN),
        ([], Numbers.UNKNOWN),
    ],
)
def test_a_column_proves_what_its_numbers_are(cells: list[str], numbers: Numbers) -> None:
    assert said_of(*cells) == numbers


@given(st.lists(BORN, min_size=1))
def test_two_digit_years_without_their_zero_never_prove_serials(people: list[date]) -> None:
    cells = [f"{born:%d%m%y}".lstrip("0") for born in people]
    assert said_of(*cells) != Numbers.SERIALS


@given(st.lists(BORN, min_size=1))
def test_dates_without_padding_never_prove_padding(people: list[date]) -> None:
    cells = [f"{born.day}{born.month}{born.year}" for born in people]
    assert said_of(*cells) == Numbers.UNKNOWN


@given(st.lists(BORN, min_size=1))
def test_serials_are_never_taken_for_padded_dates(people: list[date]) -> None:
    assert said_of(*map(serial_of, people)) != Numbers.PADDED


def rows(*births: str) -> bytes:
    lines = [f"A{n};{born};p{n}@courrier.example.fr" for n, born in enumerate(births)]
    return csv_file(*lines, header="N° adhérent;Né le;Courriel")


@pytest.mark.django_db
def test_a_column_of_serials_is_read() -> None:
    affected_list = read(rows("29586", "10280"))
    assert (affected_list.members, affected_list.rows_rejected) == (2, 0)
    same = read(rows("31/12/1980", "22/02/1928"))
    assert [member.fingerprint for member in members_of(affected_list)] == [
        member.fingerprint for member in members_of(same)
    ]


@pytest.mark.django_db
def test_a_lone_number_among_dates_is_rejected_with_what_to_do() -> None:
    affected_list = read(rows("31/12/1980", "11980"))
    problem = affected_list.problems.get()
    assert (problem.row, problem.code) == (3, Problem.BIRTH_DATE_NUMBER)
    assert affected_list.members == 1


@pytest.mark.django_db
def test_two_digit_years_that_lost_a_zero_refuse_the_file() -> None:
    affected_list = read(rows("10280", "311280", "11180"))
    assert affected_list.refusal_code == Refusal.NO_VALID_ROW


@pytest.mark.django_db
def test_a_lost_zero_is_put_back_where_the_column_proves_it() -> None:
    affected_list = read(rows("1021980", "15021980"))
    same = read(rows("01/02/1980", "15/02/1980"))
    assert [member.fingerprint for member in members_of(affected_list)] == [
        member.fingerprint for member in members_of(same)
    ]
