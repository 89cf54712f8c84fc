"""Read one workbook, in a process that holds nothing and can reach nothing.

`insurers.lists.sheets` starts this file with an empty environment and the workbook on its
standard input. It is alone on purpose: it imports nothing of the portal, and the standard library
and python-calamine are all that a hostile workbook could turn. Messages both ways are a letter, a
length and as many bytes:

- in: `B` bytes of the workbook, `E` no more of them; `T` take this sheet (JSON: the row of its
  header, and the places of the columns whose numbers count days), `N` look at the next;
- out: `H` the first rows of a sheet (JSON), `C` CSV, `S` what is known of the sheet (JSON), at the
  end; `X` the reason why nothing can be read.
"""

import codecs
import contextlib
import csv
import ctypes
import datetime
import gc
import io
import json
import os
import re
import resource
import signal
import struct
import sys
import threading
import zipfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from xml.parsers import expat

import python_calamine
from python_calamine import CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

# Address space runs ahead of what is used: 1.1 GB of a million rows of ten cells takes 1.4.
# The parent ends this process when it uses more than `sheets.MOST_MEMORY`.
ADDRESS_SPACE = 1536 * 1024**2
PROCESSOR_SECONDS = 300
MOST_ENTRIES = 10_000
MOST_CELLS = 50_000_000
HIGHEST_RATIO = 200
RATIO_FROM_BYTES = 10 * 1024**2
FIRST_ROWS = 20
CELLS_AT_ONCE = 50_000
PIECE_BYTES = 1024**2  # of CSV at once: the parent holds one, however long the cells are.
HIDDEN_NAMED = 20

# Python opens a file for each codec that it meets, and for none behind the walls.
for _codec in ("ascii", "cp437", "utf-16-le"):
    codecs.lookup(_codec)

_HEAD = struct.Struct(">cI")
_SENDING = threading.Lock()


class UnreadableError(Exception):
    """Nothing can be read; the reason is one that `workbooks` knows."""


# The walls.


def lock_down() -> None:
    """Give up files, sockets, processes, dumps, and memory or time without end; for good."""
    most = {
        resource.RLIMIT_AS: ADDRESS_SPACE,
        resource.RLIMIT_CPU: PROCESSOR_SECONDS,
        resource.RLIMIT_NOFILE: 3,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for name, limit in most.items():
        resource.setrlimit(name, (limit, limit))


def leave_network() -> None:
    """Ask Linux for a network without interfaces, and to die with the parent; at best."""
    die_with_parent, no_new_privileges = 1, 38
    new_user, new_network = 0x10000000, 0x40000000
    with contextlib.suppress(OSError, AttributeError):
        kernel = ctypes.CDLL(None)
        kernel.prctl(die_with_parent, signal.SIGKILL, 0, 0, 0)
        kernel.prctl(no_new_privileges, 1, 0, 0, 0)
        kernel.unshare(new_user | new_network)


# Messages.


def receive() -> tuple[bytes, bytes]:
    """Return the next message's letter and content."""
    letter, length = _HEAD.unpack(_read(_HEAD.size))
    return letter, _read(length)


def _read(count: int) -> bytes:
    content = sys.stdin.buffer.read(count)
    if len(content) < count:
        os._exit(1)  # The parent is gone.
    return content


def send(letter: bytes, content: bytes | memoryview) -> None:
    """Send one message."""
    message = memoryview(_HEAD.pack(letter, len(content)) + content)
    with _SENDING:
        while message:
            message = message[os.write(1, message) :]


# What the workbook is, before and beside calamine.


@dataclass
class Sheet:
    """What is known of a sheet that calamine does not tell."""

    hidden: int = 0
    first_hidden: list[int] = field(default_factory=list)

    def hide(self, row: int, count: int = 1) -> None:
        self.hidden += count
        room = HIDDEN_NAMED - len(self.first_hidden)
        self.first_hidden += range(row, row + min(count, room))


@dataclass
class Book:
    """What is known of a workbook: its sheets by their place, and when its days begin."""

    sheets: dict[int, Sheet] = field(default_factory=dict)
    is_since_1904: bool = False


class Examination(threading.Thread):
    """Expands every part of a workbook once, to bound and to scan it, while calamine reads.

    It ends the process itself where the workbook breaks a bound.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._has_content = threading.Event()
        self._content = io.BytesIO()
        self.book = Book()

    def begin(self, content: io.BytesIO) -> None:
        self._content = content
        self._has_content.set()

    def finish(self) -> None:
        """Wait for the end, where there was a beginning."""
        if self._has_content.is_set():
            self.join()

    def run(self) -> None:
        self._has_content.wait()
        try:
            if self._content.getvalue()[:2] == b"PK":
                self.book = _examine_zip(self._content)
            else:
                self.book = _examine_xls(memoryview(self._content.getvalue()))
            self._content = io.BytesIO()  # Calamine has its own copy, and needs the room.
        except UnreadableError as error:
            end(str(error))
        except Exception:
            end("damaged")


def end(reason: str) -> None:
    """Say why nothing can be read, and stop at once."""
    send(b"X", reason.encode())
    os._exit(0)


_BOOKS = {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}


def check_announced(content: io.BytesIO, most_bytes: int) -> None:
    """Refuse a zip by what it says of itself, before anything is expanded."""
    try:
        with zipfile.ZipFile(content) as parts:
            entries = parts.infolist()
    except (zipfile.BadZipFile, ValueError, OverflowError) as error:
        raise UnreadableError("damaged") from error
    if not _BOOKS.intersection(entry.filename for entry in entries):
        raise UnreadableError("not_workbook")
    size = sum(entry.file_size for entry in entries)
    if any(entry.flag_bits & 1 for entry in entries):
        raise UnreadableError("encrypted")
    if len(entries) > MOST_ENTRIES:
        raise UnreadableError("too_large")
    most_by_ratio = max(RATIO_FROM_BYTES, HIGHEST_RATIO * len(content.getvalue()))
    if size > min(most_bytes, most_by_ratio):
        raise UnreadableError("expands")


def _examine_zip(content: io.BytesIO) -> Book:
    """Expand each part: more than it announces, or another checksum, is damage (zipfile)."""
    book = Book()
    places: dict[str, int] = {}
    with zipfile.ZipFile(content) as parts:
        if "xl/workbook.xml" in parts.namelist():
            places, book.is_since_1904 = _read_index(parts)
        cells = 0
        for entry in parts.infolist():
            pieces = _pieces(parts, entry)
            if entry.filename in places:
                sheet, count = _scan_xlsx_sheet(pieces)
                book.sheets[places[entry.filename]] = sheet
                cells += count
            elif entry.filename == "content.xml":
                book.sheets = _scan_ods(pieces)
            elif entry.filename == "META-INF/manifest.xml":
                if any(b"encryption-data" in piece for piece in pieces):
                    raise UnreadableError("encrypted")
            else:
                for _piece in pieces:
                    pass
            if cells > MOST_CELLS:
                raise UnreadableError("too_large")
    return book


def _pieces(parts: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    with parts.open(entry) as part:
        while piece := part.read(1024**2):
            yield piece


def _read_index(parts: zipfile.ZipFile) -> tuple[dict[str, int], bool]:
    """Return the place of each sheet (from 0) by the name of its part; whether days are of 1904."""
    targets: dict[str, str] = {}
    for tag, values in _tags(parts, "xl/_rels/workbook.xml.rels"):
        if tag == "Relationship":
            target = values.get("Target", "")
            targets[values.get("Id", "")] = (
                target[1:] if target.startswith("/") else os.path.normpath("xl/" + target)
            )
    tags = _tags(parts, "xl/workbook.xml")
    sheets = [values for tag, values in tags if tag == "sheet"]
    properties = next((values for tag, values in tags if tag == "workbookPr"), {})
    places = {targets.get(values.get("id", ""), ""): place for place, values in enumerate(sheets)}
    return places, properties.get("date1904") in ("1", "true", "on")


def _tags(parts: zipfile.ZipFile, name: str) -> list[tuple[str, dict[str, str]]]:
    """Return the tags of a small XML part, without their prefixes; it has no entities."""
    tags: list[tuple[str, dict[str, str]]] = []

    def refuse(*_declaration: object) -> None:
        raise UnreadableError("damaged")

    def keep(tag: str, values: dict[str, str]) -> None:
        plain = {key.rsplit(":", 1)[-1]: value for key, value in values.items()}
        tags.append((tag.rsplit(":", 1)[-1], plain))

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = keep
    with parts.open(name) as part:
        parser.Parse(part.read(10 * 1024**2), True)
    return tags


# `<row r="7" … hidden="1">`, whatever the prefix and the quotes; a row may go without its number.
_ROW_TAG = re.compile(rb"<(?:\w+:)?row(?=[\s/>])([^<>]*)")
_IS_HIDDEN = re.compile(rb"\shidden=[\"'](?:1|true)[\"']")
_ROW_NUMBER = re.compile(rb"\sr=[\"'](\d{1,9})[\"']")
_LONGEST_TAG = 64 * 1024


def _whole_tags(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces again, cut where a tag begins."""
    rest = b""
    for piece in pieces:
        content = rest + piece
        cut = content.rfind(b"<")
        rest = content[cut:] if 0 <= len(content) - cut < _LONGEST_TAG and cut >= 0 else b""
        yield content[: len(content) - len(rest)]
    yield rest


def _scan_xlsx_sheet(pieces: Iterator[bytes]) -> tuple[Sheet, int]:
    sheet = Sheet()
    cells = row = 0
    for content in _whole_tags(pieces):
        cells += content.count(b"<c ") + content.count(b":c ")
        if b"hidden=" not in content and b"row r=" in content:
            continue  # Nearly always.
        for tag in _ROW_TAG.finditer(content):
            number = _ROW_NUMBER.search(tag[1])
            row = int(number[1]) if number else row + 1
            if _IS_HIDDEN.search(tag[1]):
                sheet.hide(row)
    return sheet, cells


_ODS_TAG = re.compile(rb"<table:table(-row)?(?=[\s>])([^<>]*)>")
_REPEATED = re.compile(rb"table:number-rows-repeated=[\"'](\d+)[\"']")
_COLLAPSED = re.compile(rb"table:visibility=[\"'](?:collapse|filter)[\"']")


def _scan_ods(pieces: Iterator[bytes]) -> dict[int, Sheet]:
    sheets: dict[int, Sheet] = {}
    row = 1
    for content in _whole_tags(pieces):
        for is_row, values in _ODS_TAG.findall(content):
            if not is_row:
                sheets[len(sheets)] = Sheet()
                row = 1
                continue
            repeated = _REPEATED.search(values)
            count = int(repeated[1]) if repeated else 1
            if _COLLAPSED.search(values) and sheets:
                sheets[len(sheets) - 1].hide(row, count)
            row += count
    return sheets


# XLS: an OLE compound file ([MS-CFB]) with a stream of records ([MS-XLS]).

_FREE = 0xFFFFFFFA
_FILE_PASSWORD, _DATE_MODE, _BOUND_SHEET, _ROW = 0x2F, 0x22, 0x85, 0x208
_BEGIN, _END = 0x809, 0x0A
_HIDDEN_ROW = 0x20


def _examine_xls(content: memoryview) -> Book:
    records = _ole_stream(content)
    book = Book()
    begins = []
    for kind, value in _records(records, 0):
        if kind == _FILE_PASSWORD:
            raise UnreadableError("encrypted")
        if kind == _DATE_MODE:
            book.is_since_1904 = value[:1] == b"\x01"
        if kind == _BOUND_SHEET:
            begins.append(struct.unpack_from("<I", value)[0])
    for place, begin in enumerate(begins):
        sheet = book.sheets[place] = Sheet()
        for kind, value in _records(records, begin):
            if kind == _ROW and len(value) >= 16 and value[12] & _HIDDEN_ROW:
                sheet.hide(struct.unpack_from("<H", value)[0] + 1)
    return book


def _records(content: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """Yield the records of one substream, those of its charts aside."""
    depth = 0
    while place + 4 <= len(content):
        kind, length = struct.unpack_from("<HH", content, place)
        depth += (kind == _BEGIN) - (kind == _END)
        if depth <= 1:
            yield kind, content[place + 4 : place + 4 + length]
        if depth <= 0:
            return
        place += 4 + length


def _ole_stream(content: memoryview) -> bytes:
    """Return the stream of records of an OLE file."""
    size = 1 << struct.unpack_from("<H", content, 30)[0]
    if size not in (512, 4096):
        raise UnreadableError("damaged")
    sectors = len(content) // size

    def sector(number: int) -> memoryview:
        return content[(number + 1) * size : (number + 2) * size]

    def numbers(part: memoryview) -> tuple[int, ...]:
        return struct.unpack(f"<{len(part) // 4}I", part[: len(part) // 4 * 4])

    tables = [number for number in numbers(content[76:512]) if number < _FREE]
    (more,) = struct.unpack_from("<I", content, 68)
    seen = 0
    while more < _FREE and seen < sectors:
        *found, more = numbers(sector(more))
        tables += [number for number in found if number < _FREE]
        seen += 1
    following = [number for table in tables[:sectors] for number in numbers(sector(table))]

    def chain(number: int) -> bytes:
        parts: list[memoryview] = []
        while number < len(following) and len(parts) <= sectors:
            parts.append(sector(number))
            number = following[number]
        return b"".join(parts)

    entries: dict[str, tuple[int, int]] = {}
    directory = chain(struct.unpack_from("<I", content, 48)[0])
    for place in range(0, len(directory) - 127, 128):
        (length,) = struct.unpack_from("<H", directory, place + 64)
        name = directory[place : place + max(0, length - 2)].decode("utf-16-le", "replace")
        entries[name.lower()] = struct.unpack_from("<IQ", directory, place + 116)
    if "encryptedpackage" in entries:
        raise UnreadableError("encrypted")
    stream = entries.get("workbook") or entries.get("book")
    if stream is None:
        raise UnreadableError("not_workbook" if "root entry" in entries else "damaged")
    # Programs fill a workbook's stream up to 4096 bytes; a shorter one lives elsewhere.
    return b"" if stream[1] < 4096 else chain(stream[0])[: stream[1]]


# Cells.

Cell = (
    str | int | float | bool | datetime.date | datetime.datetime | datetime.time
    | datetime.timedelta
)  # fmt: skip
LONGEST_EXACT = 10**11  # A spreadsheet shows longer numbers as 1.23457E+11,
ROUNDED = 10**15  # and keeps 15 digits (IEEE 754).
DAYS_TO_1904 = 1462


def cell_text(cell: Cell) -> str:
    """Return a cell as it would be typed in: dates as `yyyy-mm-dd`, whole numbers without `.0`.

    Numbers of more digits than a spreadsheet shows or keeps have `.0` or `E+`: they may have
    been codes whose digits it changed, and nobody takes them for an identifier.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "VRAI" if cell else "FAUX"
    if isinstance(cell, float | int):
        return _number_text(float(cell))
    if isinstance(cell, datetime.datetime):
        is_day = cell.time() == datetime.time()
        return cell.date().isoformat() if is_day else cell.isoformat(" ", "seconds")
    return str(cell)


def _number_text(number: float) -> str:
    if abs(number) >= ROUNDED:
        return f"{number:.5E}"
    if not number.is_integer():
        return repr(number)
    return str(int(number)) + (".0" if abs(number) >= LONGEST_EXACT else "")


def first_rows(sheet: CalamineSheet) -> list[list[str]]:
    """Return the first rows, a cell that was merged downwards standing in each of its rows."""
    blank = [""] * _columns_before(sheet)
    rows = [[*blank, *map(cell_text, row)] for row in islice(sheet.iter_rows(), FIRST_ROWS)]
    for (top, column), (bottom, _right) in sheet.merged_cell_ranges or ():
        for number in range(top + 1, min(bottom + 1, len(rows))):
            if column < len(rows[number]):
                rows[number][column] = rows[number][column] or rows[top][column]
    return rows


def _columns_before(sheet: CalamineSheet) -> int:
    """Return how many empty columns calamine leaves out on the left."""
    return sheet.start[1] if sheet.start else 0


def write_csv(sheet: CalamineSheet, header: list[list[str]], days: list[int]) -> None:
    """Send the rows of a sheet, from row 1 on, blank ones included.

    `header` replaces the first rows; numbers in the columns `days` are moved from 1904 to 1900.
    """
    if header:
        send_csv(header)
    rows = iter(sheet.iter_rows())
    for _row in islice(rows, len(header)):
        pass
    blank = [""] * _columns_before(sheet)
    some: list[Any]
    while some := list(islice(rows, max(1, CELLS_AT_ONCE // sheet.width))):
        if blank:
            some = [blank + row for row in some]
        send_csv(some, days)


def send_csv(rows: list[Any], days: Collection[int] = ()) -> None:
    """Send records; most cells are text and need no quotes, and are joined as they are."""
    try:
        lines = _joined(rows)
    except TypeError:
        rows = _as_texts(rows, days)  # Numbers or dates among them.
        lines = _joined(rows)
    borders = len(rows) * (len(rows[0]) - 1)
    has_signs = '"' in lines or "\r" in lines
    if has_signs or lines.count("\n") > len(rows) or lines.count(",") > borders:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        # Returns stand inside cells alone, and these between quotes.
        lines = text.getvalue().replace("\r\n", "\n").replace("\r", "\n")
    content = memoryview(lines.encode("utf-8", "replace"))
    for start in range(0, len(content), PIECE_BYTES):
        send(b"C", content[start : start + PIECE_BYTES])


def _joined(rows: list[Any]) -> str:
    return "\n".join(map(",".join, rows)) + "\n"


def _as_texts(rows: list[list[Cell]], days: Collection[int]) -> list[list[str]]:
    columns: list[Iterable[Any]] = []
    for place, column in enumerate(zip(*rows, strict=True)):
        if set(map(type, column)) == {str}:
            columns.append(column)
        elif place in days:
            columns.append([cell_text(_since_1900(cell)) for cell in column])
        else:
            columns.append(map(cell_text, column))
    return list(map(list, zip(*columns, strict=True)))


def _since_1900(cell: Cell) -> Cell:
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        return cell + DAYS_TO_1904
    return cell


# The whole.


def take_content() -> io.BytesIO:
    """Return the workbook that comes in."""
    content = io.BytesIO()
    while True:
        letter, piece = receive()
        if letter == b"E":
            return content
        content.write(piece)


def candidates(workbook: CalamineWorkbook) -> list[int]:
    """Return the places of the sheets to look at: those that people see, else all."""
    sheets = [
        (place, sheet.visible == SheetVisibleEnum.Visible)
        for place, sheet in enumerate(workbook.sheets_metadata)
        if sheet.typ == SheetTypeEnum.WorkSheet
    ]
    return [place for place, is_visible in sheets if is_visible] or [place for place, _ in sheets]


def read_workbook(most_bytes: int, examination: Examination) -> None:
    """Answer with the sheet that the parent takes, or the first that is not empty."""
    content = take_content()
    if content.getvalue()[:2] == b"PK":
        check_announced(content, most_bytes)
    examination.begin(content)
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(content.getvalue()))
    del content
    first = None
    places = candidates(workbook)
    for place in places:
        sheet = workbook.get_sheet_by_index(place)
        examination.finish()
        rows = first_rows(sheet)
        if sheet.height == 0:
            continue
        first = place if first is None else first
        send(b"H", json.dumps([[cell[:200] for cell in row[:500]] for row in rows]).encode())
        letter, answer = receive()
        if letter == b"T":
            taken = json.loads(answer)
            above = [[""] * len(rows[0])] * (taken["header_row"] - 1)
            header = [*above, rows[taken["header_row"] - 1]]
            give(sheet, header, taken["days"], examination.book, place)
            return
        del sheet  # One sheet at a time is in memory.
    if first is None:
        raise UnreadableError("empty")
    give(workbook.get_sheet_by_index(first), [], [], examination.book, first)


def give(
    sheet: CalamineSheet, header: list[list[str]], days: list[int], book: Book, place: int
) -> None:
    """Send a sheet's rows, then what is known of it."""
    if book.is_since_1904 and not days:
        raise UnreadableError("dates_1904")  # Which numbers count days is not known.
    write_csv(sheet, header, days if book.is_since_1904 else [])
    known = book.sheets.get(place, Sheet())
    notes = {"hidden_rows": known.hidden, "first_hidden_rows": known.first_hidden}
    send(b"S", json.dumps(notes).encode())


def main() -> None:
    """Read the workbook that comes in, behind the walls."""
    leave_network()  # Before there is a second thread, or Linux declines.
    examination = Examination()
    examination.start()  # Before the walls: no thread begins behind them.
    lock_down()
    gc.disable()  # Millions of lists, none of which refers to itself.
    try:
        read_workbook(int(sys.argv[1]), examination)
    except UnreadableError as error:
        end(str(error))
    except MemoryError:
        end("too_large")
    except python_calamine.PasswordError:
        end("encrypted")
    except BaseException:
        # The examination may know better.
        examination.finish()
        end("damaged")
    os._exit(0)


if __name__ == "__main__":
    main()
