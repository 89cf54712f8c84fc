"""Columns are normalised as each cell would be, whatever the cells hold."""

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insurers.lists import common_forms, identifiers
from insurers.lists.common_forms import Column, Words
from insurers.lists.identifiers import BadValueError
from insurers.lists.number_dates import Numbers
from insurers.lists.problems import Problem

TODAY = date(2026, 3, 2)

RULES: dict[str, tuple[Callable[[pl.Series], Column], Callable[[str], str]]] = {
    "number": (
        lambda cells: common_forms.member_numbers(cells, identifiers.member_number),
        identifiers.member_number,
    ),
    "birth date": (
        common_forms.BirthDates(TODAY, Numbers.UNKNOWN).column,
        lambda text: identifiers.birth_date(text, TODAY),
    ),
    "serial": (
        common_forms.BirthDates(TODAY, Numbers.SERIALS).column,
        lambda text: identifiers.birth_date(text, TODAY, Numbers.SERIALS),
    ),
    "birth rank": (Words(identifiers.birth_rank).column, identifiers.birth_rank),
    "e-mail": (common_forms.emails, identifiers.email),
    "phone": (common_forms.mobile_phones, identifiers.mobile_phone),
    "name": (lambda cells: common_forms.names(cells, identifiers.name), identifiers.name),
}

NUMBERS = st.text("0123456789 .-/AZaz", max_size=14)
DATES = st.text("0123456789/-. ", max_size=10)
DAY_FIRST = st.from_regex(r"[0-3][0-9]/[01][0-9]/(18|19|20)[0-9]{2}", fullmatch=True)
EMAILS = st.from_regex(
    r"[a-zé.+_-]{1,8}@[a-z-]{1,6}(\.[a-z-]{1,4}){0,2}\.(fr|com|xyz|)", fullmatch=True
)
PHONES = st.from_regex(r"(\+33|0033|33|)[ .]?0?[67][0-9 .]{7,12}", fullmatch=True)
OVERSEAS = st.from_regex(
    r"(\+|00|)(33|262|590|594|596|508|687|) ?\(?0?\)?(69[0-7]|639)[0-9]{6}", fullmatch=True
)
NAMES = st.text("abcéèçôïÀŒœßæñÅ'’- \u0301\u00a0.1", max_size=12)
ANYTHING = st.text(max_size=20)
CELLS = st.one_of(NUMBERS, DATES, DAY_FIRST, EMAILS, PHONES, OVERSEAS, NAMES, ANYTHING, st.just(""))


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=150, deadline=None)
@given(cells=st.lists(CELLS, max_size=12))
def test_a_column_is_normalised_as_its_cells(name: str, cells: list[str]) -> None:
    by_column, rule = RULES[name]
    values: list[str] = []
    bad: dict[int, Problem] = {}
    for place, cell in enumerate(cells):
        try:
            values.append(rule(cell))
        except BadValueError as error:
            bad[place] = error.problem
            values.append("")
    column = by_column(pl.Series(cells, dtype=pl.String))
    assert (column.values.to_list(), column.bad) == (values, bad)
