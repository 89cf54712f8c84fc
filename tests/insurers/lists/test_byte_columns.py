"""Whole columns give what a loop over their values gives."""

from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.byte_columns import cut, exclusive_or, put, split, spread

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
def test_exclusive_or_undoes_itself(values: list[bytes]) -> None:
    column = b"".join(values)
    assert exclusive_or((column, column)) == bytes(len(column))
    assert exclusive_or((column, bytes(len(column)))) == column


@given(values=st.lists(st.none() | st.binary(min_size=4, max_size=4), max_size=12))
def test_spread_leaves_zeros_where_no_value_is(values: list[bytes | None]) -> None:
    places = [place for place, value in enumerate(values) if value is not None]
    column = b"".join(value for value in values if value is not None)
    found = spread(column, places, width=4, count=len(values))
    assert found == b"".join(value or bytes(4) for value in values)
