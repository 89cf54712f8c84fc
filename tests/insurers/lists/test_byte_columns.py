"""Whole columns give what a loop over their values gives."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.byte_columns import cut, numbers, put, series, split, spread

VALUES = st.lists(st.binary(min_size=4, max_size=4), max_size=8)


@given(values=VALUES)
def test_cut_and_split_are_slices_of_each_value(values: list[bytes]) -> None:
    column = b"".join(values)
    assert split(column, 4) == values
    assert cut(column, width=4, start=1, stop=3) == b"".join(value[1:3] for value in values)


@given(values=VALUES)
def test_put_writes_each_value_into_its_row(values: list[bytes]) -> None:
    rows = bytearray(b"......" * len(values))
    put(rows, b"".join(values), width=6, at=1, size=4)
    assert rows == b"".join(b"." + value + b"." for value in values)


@given(values=VALUES)
def test_numbers_have_their_most_significant_byte_first(values: list[bytes]) -> None:
    found = numbers(b"".join(values)).to_list()
    assert found == [int.from_bytes(value) for value in values]


@given(values=st.lists(st.just(b"") | st.binary(min_size=4, max_size=4), max_size=12))
def test_a_column_of_polars_has_the_values_and_nothing_between(values: list[bytes]) -> None:
    given = pl.Series([value != b"" for value in values], dtype=pl.Boolean)
    assert series(b"".join(values), 4, given=given).to_list() == values
    assert series(b"".join(values), 4).to_list() == [value for value in values if value]


@given(values=st.lists(st.none() | st.binary(min_size=4, max_size=4), max_size=12))
def test_spread_leaves_zeros_where_no_value_is(values: list[bytes | None]) -> None:
    present = [place for place, value in enumerate(values) if value is not None]
    places = pl.Series(present, dtype=pl.Int32)
    column = b"".join(value for value in values if value is not None)
    found = spread(column, places, width=4, count=len(values))
    assert found == b"".join(value or bytes(4) for value in values)
