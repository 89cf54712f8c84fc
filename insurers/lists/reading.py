"""Read any CSV that a French spreadsheet writes, in a stream and within bounds.

The file is read twice: `survey` finds its encoding and SHA-256, `Table` its rows.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from insurers.lists.encodings import EncodingFinder
from insurers.lists.headers import recognised
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_RECORD = 64 * 1024
DELIMITERS = ";,\t"

_NOT_TEXT = (
    b"PK\x03\x04",  # XLSX, ODS, ZIP
    b"\xd0\xcf\x11\xe0",  # XLS
    b"\x1f\x8b",  # gzip
    b"%PDF",
)


@dataclass(frozen=True)
class Survey:
    """What the first pass tells; `refusal` where the file is not readable text."""

    sha256: bytes
    encoding: str
    refusal: FileRefusedError | None


def survey(chunks: Iterable[bytes]) -> Survey:
    """Return a file's SHA-256 and encoding."""
    digest = hashlib.sha256()
    finder = EncodingFinder()
    start = b""
    for chunk in chunks:
        start = start or chunk[:8]
        digest.update(chunk)
        finder.take(chunk)
    try:
        if start.startswith(_NOT_TEXT):
            raise FileRefusedError(Refusal.NOT_CSV)
        return Survey(digest.digest(), finder.result(), None)
    except FileRefusedError as refusal:
        return Survey(digest.digest(), "", refusal)


class Table:
    """The header and rows of a CSV file, read as they are asked for."""

    def __init__(self, chunks: Iterator[bytes], *, encoding: str) -> None:
        self._stream = _ChunkStream(chunks)
        text = io.TextIOWrapper(io.BufferedReader(self._stream, 2**18), encoding=encoding)
        self._lines = _Lines(text)
        first = self._first_line()
        delimiter = _delimiter(first)
        if first.lower().startswith("sep="):
            self._lines.start_record()
            delimiter, first = first[4:5], ""
        lines = chain([first] if first else [], self._lines)
        self._records = csv.reader(lines, delimiter=delimiter, strict=True)
        _row, self.header = next(self.rows(), (0, []))
        if not self.header:
            raise FileRefusedError(Refusal.EMPTY)

    def bytes_read(self) -> int:
        """Return how many bytes of the file were taken so far."""
        return self._stream.bytes_read

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the row number (header = 1 in most files) and cells of each row not blank.

        Raises FileRefusedError where a record is too long or its quotes are broken.
        """
        lines = self._lines
        while True:
            lines.start_record()
            try:
                cells = next(self._records)
            except StopIteration:
                return
            except csv.Error as error:
                raise FileRefusedError(Refusal.BROKEN_QUOTES, row=lines.row) from error
            if any(cells) and any(map(str.strip, cells)):
                yield lines.row, cells

    def _first_line(self) -> str:
        while True:
            self._lines.start_record()
            line = next(self._lines, "")
            if line.strip():
                # `rows` counts it again, as the first line of the header.
                self._lines.row -= 1
                return line
            if not line:
                raise FileRefusedError(Refusal.EMPTY)


def _delimiter(line: str) -> str:
    """Return the delimiter that makes most sense of a header."""

    def sense(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([line], delimiter=delimiter))
        return recognised(cells), len(cells)

    return max(DELIMITERS, key=sense)


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
        self.bytes_read = 0

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
        self.bytes_read += count
        return count
