"""Parse a block of a list's text into columns of cells.

polars parses what is written as RFC 4180 says. A block with quotes elsewhere than around cells,
that polars does not take, or that has other records than were counted, goes through the standard
library's `csv`, which is slower, forgives quotes inside cells, and refuses those that end nowhere.
Both give the same table.
"""

import csv
import io
import os
import re
from dataclasses import dataclass

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # The workers are the parallelism.

import polars as pl
from polars.exceptions import PolarsError

from insurers.lists.problems import Refusal
from insurers.lists.reading import LONGEST_RECORD
from insurers.lists.refusal import FileRefusedError

END_OF_FILE = "\x1a"
"""What programs of DOS write after the last row."""
# In any form that a birth date has.
_DATE = re.compile(r"\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}|(?<!\d)\d{8}(?!\d)")


class IrregularTextError(Exception):
    """The block has other records than were counted: its quotes are not those of RFC 4180."""


@dataclass
class Cells:
    """The rows of a block that are not blank: `columns` of text, `rows` their numbers."""

    columns: list[pl.Series]
    rows: list[int]
    too_many: list[int]  # numbers of rows with cells beyond the last column: not in `columns`
    first_row: int
    records: int  # blank ones and those with too many cells included


def parse_block(text: bytes, *, delimiter: str, width: int, first_row: int, records: int) -> Cells:
    """Return the cells of a block of UTF-8 text, `width` a row; short rows are filled.

    Raises FileRefusedError where a record is too long or its quotes are broken, and
    IrregularTextError where `records` is not what is found.
    """
    frame = None
    if _quotes_enclose_cells(text, delimiter.encode()):
        frame = _by_polars(text, delimiter, width)
    if frame is not None and frame.height == records:
        cells = _without_blanks(frame, width, first_row)
    else:
        cells = _by_csv(text, delimiter, width, first_row, records)
    if b'"' in text and text.count(b"\n") >= records:
        _refuse_joined_rows(cells, delimiter)
    return cells


def _refuse_joined_rows(cells: Cells, delimiter: str) -> None:
    """Raise FileRefusedError where one cell holds the end of a row and the beginning of another.

    Of `"Marin` in one row and `Belair"` in a later one RFC 4180 makes one name, with all that
    stands between: somebody would be lost, and another given their address.
    """
    last = len(cells.columns) - 1
    for place, column in enumerate(cells.columns):
        for row in column.str.contains("\n", literal=True).arg_true():
            text = column[row]
            ending, *_whole, beginning = text.split("\n")
            ends_a_row = ending.count(delimiter) == last - place
            begins_one = place <= beginning.count(delimiter) <= last
            if ends_a_row and begins_one and _DATE.search(text):
                raise FileRefusedError(Refusal.BROKEN_QUOTES, row=cells.rows[row])


def _quotes_enclose_cells(text: bytes, delimiter: bytes) -> bool:
    """Whether cells begin and end where quotes do.

    Of `"Le "Phare"` on two rows polars makes one cell with all that stands between, in silence:
    somebody would be lost, and another given their address.
    """
    if b'"' not in text:
        return True
    # Two quotes side by side are one inside a cell, or an empty cell: neither opens nor closes.
    first, *others = text.replace(b'""', b"").split(b'"')[::2]
    if not others:
        return True
    *between, last = others
    ends, begins = (delimiter, b"\n"), (delimiter, b"\n", b"\r")
    return (
        (not first or first.endswith(ends))
        and (not last or last.startswith(begins))
        and all(part.startswith(begins) and part.endswith(ends) for part in set(between))
    )


def _names(width: int) -> list[str]:
    return [f"column_{place}" for place in range(width)]


def _by_polars(text: bytes, delimiter: str, width: int) -> pl.DataFrame | None:
    """Return the cells, with one column more for a cell too many; None where polars gives up."""
    try:
        frame = pl.read_csv(
            text,
            has_header=False,
            separator=delimiter,
            schema=dict.fromkeys(_names(width + 1), pl.String),
            infer_schema=False,
            empty_string_is_null=False,
            extra_columns="raise",
            missing_columns="insert",
            raise_if_empty=False,
        )
    except PolarsError:
        return None
    longest = [column.str.len_bytes().max() or 0 for column in frame]
    if sum(longest) > LONGEST_RECORD:  # type: ignore[arg-type]
        return None
    return frame


def _without_blanks(frame: pl.DataFrame, width: int, first_row: int) -> Cells:
    columns = frame.get_columns()
    kept, too_many = None, []
    extra = columns[width].str.contains(r"\S").fill_null(value=False)
    if extra.any():
        too_many = [first_row + place for place in extra.arg_true()]
    blank = ~columns[0].str.contains(rf"[^\s{END_OF_FILE}]")
    for column in columns[1:]:
        if not blank.any():
            break
        blank &= column.str.strip_chars() == ""
    if too_many or blank.any():
        kept = ~(extra | blank)
    rows = list(range(first_row, first_row + frame.height))
    if kept is None:
        return Cells(columns[:width], rows, too_many, first_row, frame.height)
    numbers = [rows[place] for place in kept.arg_true()]
    columns = frame.filter(kept).get_columns()[:width]
    return Cells(columns, numbers, too_many, first_row, frame.height)


def _by_csv(text: bytes, delimiter: str, width: int, first_row: int, records: int) -> Cells:
    rows: list[int] = []
    kept: list[list[str]] = []
    too_many: list[int] = []
    found = 0
    lines = io.StringIO(text.decode(), newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    before = 0
    while True:
        row = first_row + found
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            too_long = "field limit" in str(error)
            code = Refusal.RECORD_TOO_LONG if too_long else Refusal.BROKEN_QUOTES
            raise FileRefusedError(code, row=row) from error
        if lines.tell() - before > LONGEST_RECORD and sum(map(len, cells)) > LONGEST_RECORD:
            raise FileRefusedError(Refusal.RECORD_TOO_LONG, row=row)
        before = lines.tell()
        found += 1
        if not any(cells) or not any(map(str.strip, cells)) or cells == [END_OF_FILE]:
            continue
        if any(map(str.strip, cells[width:])):
            too_many.append(row)
            continue
        rows.append(row)
        kept.append(cells[:width] + [""] * (width - len(cells)))
    if found != records:
        raise IrregularTextError
    by_column = list(zip(*kept, strict=True)) if kept else [()] * width
    columns = [pl.Series(values, dtype=pl.String) for values in by_column]
    return Cells(columns, rows, too_many, first_row, records)
