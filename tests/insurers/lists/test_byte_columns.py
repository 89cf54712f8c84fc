"""Whole columns give what a loop over their values gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.byte_columns import cut, put, series, split

VALUES = st.lists(st.binary(min_size=4, max_size=4), max_size=8)


@given(values=VALUES)
def test_cut_and_split_are_slices_of_each_value(values: list[bytes]) -> None:
    column = b"".join(values)
    assert split(column, 4) == values
    assert cut(column, width=4, start=1, stop=3) == b"".join(value[1:3] for value in values)


@given(values=VALUES)
def test_values_are_put_at_any_byte(values: list[bytes]) -> None:
    rows = np.frombuffer(bytearray(b".......:" * len(values)), np.uint8)
    places = np.arange(len(values), dtype=np.int64) * 8 + 3
    put(rows, places, np.array(values, "V4"))
    assert rows.tobytes() == b"".join(b"..." + value + b":" for value in values)
    put(rows, places, np.array([-1], ">i4"))
    assert rows.tobytes() == b"...\xff\xff\xff\xff:" * len(values)


@pytest.mark.parametrize("place", [1, 5])
def test_no_value_is_put_beyond_the_end(place: int) -> None:
    with pytest.raises(IndexError):
        put(np.zeros(4, np.uint8), np.array([place]), np.array([7], ">i4"))


@given(values=VALUES)
def test_a_column_of_polars_has_the_values(values: list[bytes]) -> None:
    assert series(b"".join(values), 4).to_list() == values
