"""Columns of byte strings of one width, each held as one bytes object.

Millions of values are cut, combined and laid beside each other without a loop in Python.
"""

import struct
from typing import Any

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray


def cut(column: bytes, *, width: int, start: int, stop: int) -> bytes:
    """Return the bytes from `start` to `stop` of each value."""
    return np.frombuffer(column, np.uint8).reshape(-1, width)[:, start:stop].tobytes()


def put(rows: NDArray[np.uint8], places: NDArray[np.int64], values: NDArray[Any]) -> None:
    """Write values of any type, or one for all places, over the bytes of `rows` from each place on.

    Raises IndexError where a value would stand beyond the end.
    """
    width = values.dtype.itemsize
    whole = np.dtype((np.void, width))
    if not len(places):
        return
    if len(rows) < width:
        raise IndexError
    # Every byte is where a value may begin, so that one assignment writes them all.
    anywhere = as_strided(rows[:width].view(whole), (len(rows) - width + 1,), strides=(1,))
    anywhere[places] = values.view(whole)


def series(column: bytes, width: int) -> pl.Series:
    """Return the values as a column of polars."""
    starts = pl.int_range(0, len(column), width, eager=True)
    value = pl.lit(column).bin.slice(pl.col("start"), width)
    return starts.to_frame("start").select(value=value).to_series()


def split(column: bytes, width: int) -> list[bytes]:
    """Return the values one by one."""
    return [value for (value,) in struct.iter_unpack(f"{width}s", column)]
