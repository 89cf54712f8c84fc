"""Find out how a text is written: its header, its records whatever their quotes."""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from insurers.lists.headers import SURE_HEADERS, recognised
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_RECORD = 64 * 1024
DELIMITERS = ";,\t|"
ROWS_LOOKED_AT = 20
FIRST_ROWS = 200  # of those that follow the header, for whoever judges the columns


@dataclass(frozen=True)
class Header:
    """The row that names the columns, and where the text goes on after it."""

    cells: list[str]
    delimiter: str
    end: int
    """Offset in bytes of what follows."""
    records: int
    """How many records end there: the header, what stands above it, blank ones included."""
    first_rows: list[list[str]]
    """Some of the rows that follow."""


def read_header(start: bytes, encoding: str) -> Header:
    """Find the header in the first bytes of a text.

    It is the first of the first rows in which two columns are recognised (a title may stand
    above it), else the first row that is not blank. Raises FileRefusedError.
    """
    text = start.decode(encoding, "ignore")
    mark = len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0
    codec = "utf-8" if mark else encoding
    said, skipped = _separator_line(text)
    delimiter = said or _delimiter(_first_lines(text))
    lines = io.StringIO(text[skipped:], newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    above = 1 if skipped else 0
    try:
        for cells in islice(reader, ROWS_LOOKED_AT + FIRST_ROWS):
            rows.append((skipped + lines.tell(), cells))
    except csv.Error as error:
        if not any(any(map(str.strip, cells)) for _end, cells in rows):
            row = above + len(rows) + 1
            raise FileRefusedError(Refusal.BROKEN_QUOTES, row=row) from error
    filled = [place for place, (_end, cells) in enumerate(rows) if any(map(str.strip, cells))]
    if not filled:
        raise FileRefusedError(Refusal.EMPTY)
    looked_at = [place for place in filled if place < ROWS_LOOKED_AT]
    known = [place for place in looked_at if recognised(rows[place][1]) >= SURE_HEADERS]
    place = known[0] if known else filled[0]
    end, cells = rows[place]
    return Header(
        cells=cells,
        delimiter=delimiter,
        end=mark + len(text[:end].encode(codec)),
        records=above + place + 1,
        first_rows=[rows[other][1] for other in filled if other > place],
    )


def _separator_line(text: str) -> tuple[str, int]:
    """Return the delimiter that a first line `sep=;` names, and that line's length."""
    line, newline, _rest = text.partition("\n")
    said = line.rstrip("\r")
    if said[:4].lower() == "sep=" and len(said) == 5:
        return said[4], len(line) + len(newline)
    return "", 0


def _first_lines(text: str) -> list[str]:
    return [line for line in text.splitlines()[:ROWS_LOOKED_AT] if line.strip()]


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter that makes most sense of a header."""

    def sense(delimiter: str) -> tuple[int, int]:
        rows = [_cells(line, delimiter) for line in lines]
        known = max((recognised(cells) for cells in rows), default=0)
        return known, len(rows[0]) if rows else 0

    return max(DELIMITERS, key=sense)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


class Table:
    """The records of any CSV file, read as they are asked for: slower, and forgiving."""

    def __init__(self, chunks: Iterator[bytes], *, encoding: str) -> None:
        stream = io.BufferedReader(_ChunkStream(chunks), 2**18)
        self._lines = _Lines(io.TextIOWrapper(stream, encoding=encoding))

    def records(self) -> Iterator[list[str]]:
        """Yield the cells of each record, blank ones included.

        Raises FileRefusedError where a record is too long or its quotes are broken.
        """
        lines = self._lines
        first: list[str] = []
        while len(first) < ROWS_LOOKED_AT:
            lines.start_record()
            line = next(lines, None)
            if line is None:
                break
            first.append(line)
        said, skipped = _separator_line(first[0] if first else "")
        delimiter = said or _delimiter([line for line in first if line.strip()])
        if skipped:
            del first[0]
            yield []
        lines.row = int(bool(skipped))
        reader = csv.reader(chain(first, lines), delimiter=delimiter, strict=True)
        while True:
            lines.start_record()
            try:
                yield next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise FileRefusedError(Refusal.BROKEN_QUOTES, row=lines.row) from error


class _Lines:
    """The physical lines of a text, never more than `LONGEST_RECORD` of them unread."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._readline = text.readline
        self._room = LONGEST_RECORD
        self.row = 0

    def start_record(self) -> None:
        self.row += 1
        self._room = LONGEST_RECORD

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._readline(self._room + 1)
        self._room -= len(line)
        if self._room < 0:
            raise FileRefusedError(Refusal.RECORD_TOO_LONG, row=self.row)
        if not line:
            raise StopIteration
        return line


class _ChunkStream(io.RawIOBase):
    """Chunks as a file object."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        target = memoryview(buffer)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
