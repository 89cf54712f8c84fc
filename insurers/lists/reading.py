"""Find out how a text is written: its encoding, its header, its records whatever their quotes."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from insurers.lists.headers import recognised
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_RECORD = 64 * 1024
DELIMITERS = ";,\t"
ROWS_LOOKED_AT = 20
FIRST_ROWS = 200  # of those that follow the header, for whoever judges the columns
SURE_HEADERS = 2  # headers recognised in one row: no row of data looks so

_DOCUMENT = b"%PDF"  # Archives and workbooks were opened before (insurers/lists/containers.py).
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NOT_IN_WINDOWS_1252 = b"\x81\x8d\x8f\x90\x9d"
_CONTROLS = bytes(range(0x80, 0xA0))
# What ISO-8859-15 has in place of ¤ ¦ ¨ ´ ¸ ¼ ½ ¾, beside letters or digits: € Š š Ž ž Œ œ Ÿ.
_LATIN_9 = re.compile(
    rb"[a-zA-Z0-9\xc0-\xff] ?\xa4|[a-zA-Z\xc0-\xff][\xa6\xa8\xb4\xb8\xbc-\xbe]"
    rb"|[\xa6\xa8\xb4\xb8\xbc-\xbe][a-zA-Z\xc0-\xff]"
)


def _holds(piece: bytes, some: bytes) -> bool:
    """Whether a piece has one of these bytes (many times quicker than a search for a class)."""
    return len(piece.translate(None, some)) != len(piece)


class EncodingFinder:
    """Notes, piece by piece, where the first byte stands that each encoding cannot hold.

    A mark says UTF-8 or UTF-16; else strict UTF-8 over the whole file; else UTF-16 without a
    mark, where every other byte is null; else ISO-8859-15 or Windows-1252. The last two differ
    in a few bytes: a file that has none of those that are letters in Windows-1252 only, and
    has one that makes sense in ISO-8859-15 only (the œ of « cœur »), is ISO-8859-15. A file
    with letters of several bytes before its first fault is UTF-8 that was cut or damaged:
    taken for Windows-1252, every accent in it would be wrong.
    """

    def __init__(self) -> None:
        self._start = b""
        self._row = 1
        self._line = b""  # the last line so far, cut to LONGEST_RECORD
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")()
        self._wide = ""
        self._has_letters = False
        self._is_windows = False
        self._is_latin_9 = False
        self._nul: FileRefusedError | None = None
        self._not_text: FileRefusedError | None = None
        self._not_windows: FileRefusedError | None = None

    def take(self, piece: bytes) -> None:
        """Look at the next bytes."""
        if not self._start:
            self._begin(piece)
        if self._wide:
            self._decode(piece)
            return
        if self._nul is None and b"\0" in piece:
            self._nul = self._refusal_at(piece, piece.index(b"\0"), Refusal.NUL_BYTES)
        if self._not_text is None:
            self._decode(piece)
        if self._not_text is not None and not piece.isascii():
            self._look_at_single_bytes(piece)
        self._advance(piece)

    def encoding(self) -> str:
        """Return the codec of a text that is not refused."""
        if self._wide:
            return self._wide
        if self._start.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if self._not_text is None:
            return "utf-8"
        return "iso8859-15" if self._is_latin_9 and not self._is_windows else "cp1252"

    def refusal(self) -> FileRefusedError | None:
        """Return why the file is not readable text, if so; after the last piece."""
        if not self._start:
            return FileRefusedError(Refusal.EMPTY)
        if self._start.startswith(_DOCUMENT):
            return FileRefusedError(Refusal.NOT_CSV)
        if self._nul is not None:
            return self._nul
        if self._not_text is None:
            self._decode(b"", final=True)
        if self._not_text is None:
            return None
        if self._wide or self._has_letters or self._start.startswith(codecs.BOM_UTF8):
            return self._not_text
        return self._not_windows

    def _begin(self, piece: bytes) -> None:
        self._start = piece[:8]
        self._wide = next((name for mark, name in _UTF_16.items() if piece.startswith(mark)), "")
        if not self._wide:
            low, high = piece[:4096:2].count(0), piece[1:4096:2].count(0)
            half = len(piece[:4096]) // 2
            if half > 8 and max(low, high) > 0.4 * half and min(low, high) < 0.1 * half:
                self._wide = "utf-16-be" if low > high else "utf-16-le"
        if self._wide:
            self._decoder = codecs.getincrementaldecoder(self._wide)()

    def _decode(self, piece: bytes, *, final: bool = False) -> None:
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            self._has_letters = self._has_letters or not before.isascii()
            if self._not_text is None:
                self._not_text = self._refusal_at(error.object, error.start, Refusal.UNDECODABLE)
            return
        self._has_letters = self._has_letters or not text.isascii()
        if self._wide:
            self._advance(text.encode())

    def _look_at_single_bytes(self, piece: bytes) -> None:
        self._is_windows = self._is_windows or _holds(piece, _CONTROLS)
        self._is_latin_9 = self._is_latin_9 or bool(_LATIN_9.search(piece))
        if self._not_windows is None and _holds(piece, _NOT_IN_WINDOWS_1252):
            place = min(place for byte in _NOT_IN_WINDOWS_1252 if (place := piece.find(byte)) >= 0)
            self._not_windows = self._refusal_at(piece, place, Refusal.UNDECODABLE)

    def _advance(self, piece: bytes) -> None:
        self._row += piece.count(b"\n")
        start = piece.rfind(b"\n") + 1
        self._line = (b"" if start else self._line)[-LONGEST_RECORD:] + piece[start:][
            -LONGEST_RECORD:
        ]

    def _refusal_at(self, piece: bytes, place: int, code: Refusal) -> FileRefusedError:
        """Say the row and, by the delimiters before it in its line, the column of a byte."""
        newline = piece.rfind(b"\n", 0, place)
        before = piece[newline + 1 : place]
        if newline < 0:
            before = self._line + before
        row = self._row + piece.count(b"\n", 0, place)
        delimiter = max(b";,\t", key=before.count)
        return FileRefusedError(code, row=row, column=f"#{before.count(delimiter) + 1}")


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
