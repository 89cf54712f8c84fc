"""Columns of byte strings of one width, each held as one bytes object.

Millions of values are cut, combined and laid beside each other without a loop in Python.
"""

import itertools
import struct

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


def series(column: bytes, width: int, *, given: pl.Series | None = None) -> pl.Series:
    """Return the values as a column of polars; where `given` is false, b"" stands between them."""
    if given is None:
        given = pl.repeat(True, len(column) // width, eager=True)
    sizes = given.cast(pl.Int64) * width
    ends = sizes.cum_sum()
    frame = pl.DataFrame({"start": ends - sizes, "size": sizes})
    value = pl.lit(column).bin.slice(pl.col("start"), pl.col("size"))
    return frame.select(value=value).to_series()


def split(column: bytes | bytearray, width: int) -> list[bytes]:
    """Return the values one by one."""
    return [value for (value,) in struct.iter_unpack(f"{width}s", column)]


def numbers(column: bytes) -> pl.Series:
    """Return the values, of four bytes each, the most significant first, as numbers."""
    whole = pl.Series([column], dtype=pl.Binary)
    array = pl.Array(pl.UInt32, len(column) // 4)
    return whole.bin.reinterpret(dtype=array, endianness="big").explode()


def spread(column: bytes, places: pl.Series, *, width: int, count: int) -> bytes:
    """Return a column of `count` values: those given at their `places`, zeros elsewhere."""
    if len(places) == count:
        return column
    spread = bytearray(width * count)
    starts = [0, *(places.diff() > 1).arg_true().to_list(), len(places)] if len(places) else [0]
    for start, end in itertools.pairwise(starts):
        at = width * places[start]
        values = column[width * start : width * end]
        spread[at : at + len(values)] = values
    return bytes(spread)
