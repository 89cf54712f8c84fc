"""Read any CSV that a French spreadsheet writes, in a stream and within bounds.

The file is read twice: `survey` finds its encoding and SHA-256, `Table` its rows.
"""

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

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
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
)
_NOT_IN_WINDOWS_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


@dataclass(frozen=True)
class Survey:
    """What the first pass tells; `refusal` where the file is not readable text."""

    sha256: bytes
    encoding: str
    refusal: FileRefusedError | None


def survey(chunks: Iterable[bytes]) -> Survey:
    """Return a file's SHA-256 and encoding.

    A mark says UTF-8; else strict UTF-8 over the whole file; else Windows-1252. A file with
    letters of several bytes before its first fault is UTF-8 that was cut or damaged: taken
    for Windows-1252, every accent in it would be wrong.
    """
    digest = hashlib.sha256()
    finder = _EncodingFinder()
    for chunk in chunks:
        digest.update(chunk)
        finder.take(chunk)
    refusal = finder.refusal()
    return Survey(digest.digest(), finder.encoding(), refusal)


class _EncodingFinder:
    """Notes, chunk by chunk, the row of the first byte that each encoding cannot hold."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._start = b""
        self._row = 1
        self._has_letters = False
        self._nul_row: int | None = None
        self._utf8_row: int | None = None
        self._windows_row: int | None = None

    def take(self, chunk: bytes) -> None:
        self._start = self._start or chunk[:8]
        if self._nul_row is None and b"\0" in chunk:
            self._nul_row = self._row_at(chunk, chunk.index(b"\0"))
        if self._utf8_row is None:
            self._decode(chunk)
        if self._windows_row is None and (match := _NOT_IN_WINDOWS_1252.search(chunk)):
            self._windows_row = self._row_at(chunk, match.start())
        self._row += chunk.count(b"\n")

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        try:
            text = self._decoder.decode(chunk, final)
            self._has_letters = self._has_letters or not text.isascii()
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            self._has_letters = self._has_letters or not before.isascii()
            self._utf8_row = self._row_at(error.object, error.start)

    def _row_at(self, chunk: bytes, place: int) -> int:
        return self._row + chunk.count(b"\n", 0, place)

    def _is_marked(self) -> bool:
        return self._start.startswith(codecs.BOM_UTF8)

    def refusal(self) -> FileRefusedError | None:
        if not self._start:
            return FileRefusedError(Refusal.EMPTY)
        if self._start.startswith(_NOT_TEXT):
            return FileRefusedError(Refusal.NOT_CSV)
        if self._nul_row is not None:
            return FileRefusedError(Refusal.NUL_BYTES, row=self._nul_row)
        if self._utf8_row is None:
            self._decode(b"", final=True)
        if self._utf8_row is None:
            return None
        if self._is_marked() or self._has_letters:
            return FileRefusedError(Refusal.UNDECODABLE, row=self._utf8_row)
        if self._windows_row is not None:
            return FileRefusedError(Refusal.UNDECODABLE, row=self._windows_row)
        return None

    def encoding(self) -> str:
        if self._is_marked():
            return "utf-8-sig"
        return "cp1252" if self._utf8_row is not None else "utf-8"


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
