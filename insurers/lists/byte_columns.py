"""Columns of byte strings of one width, each held as one bytes object.

Millions of values are cut, combined and laid beside each other without a loop in Python.
"""

import itertools
import struct
from collections.abc import Iterable, Sequence

import polars as pl


def cut(column: bytes, *, width: int, start: int, stop: int) -> bytes:
    """Return the bytes from `start` to `stop` of each value."""
    found = bytearray(len(column) // width * (stop - start))
    for place in range(start, stop):
        found[place - start :: stop - start] = column[place::width]
    return bytes(found)


def put(rows: bytearray, column: bytes, *, width: int, at: int, size: int) -> None:
    """Write a column of values of `size` bytes into rows of `width` bytes, from byte `at` on."""
    for place in range(size):
        rows[at + place :: width] = column[place::size]


def split(column: bytes | bytearray, width: int) -> list[bytes]:
    """Return the values one by one."""
    return [value for (value,) in struct.iter_unpack(f"{width}s", column)]


def exclusive_or(columns: Iterable[bytes]) -> bytes:
    """Combine columns of the same size, bit by bit."""
    found, size = 0, 0
    for column in columns:
        found ^= int.from_bytes(column, "big")
        size = len(column)
    return found.to_bytes(size, "big")


def spread(column: bytes, places: Sequence[int], *, width: int, count: int) -> bytes:
    """Return a column of `count` values: those given at their `places`, zeros elsewhere."""
    if len(places) == count:
        return column
    spread = bytearray(width * count)
    steps = pl.Series(places, dtype=pl.Int64).diff()
    starts = [0, *(steps > 1).arg_true().to_list(), len(places)] if places else [0]
    for start, end in itertools.pairwise(starts):
        at = width * places[start]
        values = column[width * start : width * end]
        spread[at : at + len(values)] = values
    return bytes(spread)
