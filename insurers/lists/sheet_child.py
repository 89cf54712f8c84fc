"""Read one workbook, in a process that holds nothing and can reach nothing.

`insurers.lists.workbooks` starts this file with an empty environment and the workbook on its
standard input. It is alone on purpose: it imports nothing of the portal, and the standard library
and python-calamine are all that a hostile workbook could turn. Messages both ways are a letter, a
length and as many bytes:

- in: `B` bytes of the workbook, `E` no more of them; `T` take this sheet, with the row of its
  header (0: not known), `N` look at the next;
- out: `H` the first rows of a sheet (JSON), `C` CSV, `S` what is known of the sheet (JSON), at the
  end; `X` the reason why nothing can be read.
"""

import codecs
import contextlib
import csv
import ctypes
import datetime
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

import python_calamine
from python_calamine import CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

# Address space runs ahead of what is used: 1.1 GB of a million rows of ten cells takes 1.4.
# The parent ends this process when it uses more than `workbooks.MOST_MEMORY`.
ADDRESS_SPACE = 1536 * 1024**2
PROCESSOR_SECONDS = 300
MOST_ENTRIES = 10_000
MOST_CELLS = 20_000_000
HIGHEST_RATIO = 200
RATIO_FROM_BYTES = 10 * 1024**2
FIRST_ROWS = 20
ROWS_AT_ONCE = 5_000
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


def send(letter: bytes, content: bytes) -> None:
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
    hidden_columns: int | None = None

    def hide(self, row: int, count: int = 1) -> None:
        self.hidden += count
        room = HIDDEN_NAMED - len(self.first_hidden)
        self.first_hidden += range(row, row + min(count, room))


class Examination(threading.Thread):
    """Expands every part of a workbook once, to bound and to scan it, while calamine reads.

    It ends the process itself where the workbook breaks a bound.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._has_content = threading.Event()
        self._content = io.BytesIO()
        self.sheets: dict[int, Sheet] = {}

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
                self.sheets = _examine_zip(self._content)
            else:
                self.sheets = hidden_in_xls(memoryview(self._content.getvalue()))
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
    if size > most_bytes:
        raise UnreadableError("expanded")
    if size > max(RATIO_FROM_BYTES, HIGHEST_RATIO * len(content.getvalue())):
        raise UnreadableError("ratio")


def _examine_zip(content: io.BytesIO) -> dict[int, Sheet]:
    """Expand each part: more than it announces, or another checksum, is damage (zipfile)."""
    sheets: dict[int, Sheet] = {}
    with zipfile.ZipFile(content) as parts:
        names = {entry.filename for entry in parts.infolist()}
        places = _places_of_sheets(parts) if "xl/workbook.xml" in names else {}
        cells = 0
        for entry in parts.infolist():
            pieces = _pieces(parts, entry)
            if entry.filename in places:
                sheet, count = _scan_xlsx_sheet(pieces)
                sheets[places[entry.filename]] = sheet
                cells += count
            elif entry.filename == "content.xml":
                sheets = _scan_ods(pieces)
            elif entry.filename == "META-INF/manifest.xml":
                if any(b"encryption-data" in piece for piece in pieces):
                    raise UnreadableError("encrypted")
            else:
                for _piece in pieces:
                    pass
            if cells > MOST_CELLS:
                raise UnreadableError("too_large")
    return sheets


def _pieces(parts: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    with parts.open(entry) as part:
        while piece := part.read(1024**2):
            yield piece


def _places_of_sheets(parts: zipfile.ZipFile) -> dict[str, int]:
    """Return the place of each sheet in the workbook (from 0), by the name of its part."""
    targets: dict[str, str] = {}
    for tag, values in _tags(parts, "xl/_rels/workbook.xml.rels"):
        if tag == "Relationship":
            target = values.get("Target", "")
            targets[values.get("Id", "")] = (
                target[1:] if target.startswith("/") else os.path.normpath("xl/" + target)
            )
    sheets = [values for tag, values in _tags(parts, "xl/workbook.xml") if tag == "sheet"]
    return {targets.get(values.get("id", ""), ""): place for place, values in enumerate(sheets)}


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


# `<row r="7" … hidden="1">`, whatever the prefix and the quotes.
_HIDDEN_TAG = re.compile(rb"<(?:\w+:)?(row|col)\s([^<>]*\bhidden=[\"'](?:1|true)[\"'][^<>]*)>")
_ROW_NUMBER = re.compile(rb"\br=[\"'](\d+)[\"']")
_COLUMNS = re.compile(rb"\bm(?:in|ax)=[\"'](\d+)[\"']")
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
    sheet = Sheet(hidden_columns=0)
    cells = 0
    for content in _whole_tags(pieces):
        cells += content.count(b"<c ") + content.count(b":c ")
        if b"hidden=" not in content:
            continue
        for kind, values in _HIDDEN_TAG.findall(content):
            if kind == b"row":
                number = _ROW_NUMBER.search(values)
                if number is not None:
                    sheet.hide(int(number[1]))
                else:
                    sheet.hidden += 1
            else:
                ends = [int(number) for number in _COLUMNS.findall(values)]
                sheet.hidden_columns = (sheet.hidden_columns or 0) + max(ends) - min(ends) + 1
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
_FILE_PASSWORD, _BOUND_SHEET, _ROW, _BEGIN, _END = 0x2F, 0x85, 0x208, 0x809, 0x0A
_HIDDEN_ROW = 0x20


def hidden_in_xls(content: memoryview) -> dict[int, Sheet]:
    """Return the sheets of an XLS file by their place, or raise UnreadableError."""
    records = _ole_stream(content)
    sheets: dict[int, Sheet] = {}
    begins = []
    for kind, value in _records(records, 0):
        if kind == _FILE_PASSWORD:
            raise UnreadableError("encrypted")
        if kind == _BOUND_SHEET:
            begins.append(struct.unpack_from("<I", value)[0])
    for place, begin in enumerate(begins):
        sheet = sheets[place] = Sheet()
        for kind, value in _records(records, begin):
            if kind == _ROW and len(value) >= 16 and value[12] & _HIDDEN_ROW:
                sheet.hide(struct.unpack_from("<H", value)[0] + 1)
    return sheets


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
# Above this a spreadsheet has rounded (IEEE 754 keeps 15 decimal digits).
_ROUNDED = 10**15


def cell_text(cell: Cell) -> str:
    """Return a cell as text: what stands in it, not how it is shown.

    A whole number has no `.0`; one of more than 15 digits, which the spreadsheet has rounded, is
    written `1.23457E+15` so that nobody takes it for an identifier. Another number has the
    decimal comma of French spreadsheets. Dates are `yyyy-mm-dd`.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float | int):
        if abs(cell) >= _ROUNDED:
            return f"{cell:.5E}"
        return str(int(cell)) if cell == int(cell) else repr(cell).replace(".", ",")
    if isinstance(cell, datetime.datetime):
        is_day = cell.time() == datetime.time()
        return cell.date().isoformat() if is_day else cell.isoformat(" ")
    if isinstance(cell, datetime.timedelta):
        return str(cell)
    return cell.isoformat()


def _texts(row: list[Cell], blank: list[str]) -> list[str]:
    return blank + [cell_text(cell) for cell in row]


def first_rows(sheet: CalamineSheet) -> list[list[str]]:
    """Return the first rows, a cell that was merged downwards standing in each of its rows."""
    blank = [""] * _columns_before(sheet)
    rows = []
    for row in sheet.iter_rows():
        rows.append(_texts(row, blank))
        if len(rows) == FIRST_ROWS:
            break
    for (top, column), (bottom, _right) in sheet.merged_cell_ranges or ():
        for number in range(top + 1, min(bottom + 1, len(rows))):
            if column < len(rows[number]):
                rows[number][column] = rows[number][column] or rows[top][column]
    return rows


def _columns_before(sheet: CalamineSheet) -> int:
    """Return how many empty columns calamine leaves out on the left."""
    return sheet.start[1] if sheet.start else 0


def write_csv(sheet: CalamineSheet, header_row: int, header: list[str]) -> None:
    """Send the rows of a sheet, those above the header (row 1 is the first) without content."""
    before = _columns_before(sheet)
    commas = "," * (before + sheet.width - 1)
    empty = commas or '""'
    records: list[str] = []
    waiting = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        record = _record(header) if number == header_row else "," * before + _record(row)
        if number < header_row or record == commas:
            waiting += 1
            continue
        while waiting:
            waiting -= 1
            _add(records, empty)
        _add(records, record)
    _flush(records)


def _record(cells: list[Cell] | list[str]) -> str:
    """Return cells as one record; most need no quotes, and are joined as they are."""
    try:
        record = ",".join(cells)  # type: ignore[arg-type]
    except TypeError:
        texts = [cell_text(cell) for cell in cells]
        return _record(texts)
    has_signs = '"' in record or "\n" in record or "\r" in record
    if not has_signs and record.count(",") == len(cells) - 1:
        return record
    out = io.StringIO()
    # The writer puts quotes around newlines only because its own line ends in them.
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()[:-2]


def _add(records: list[str], record: str) -> None:
    records.append(record)
    if len(records) == ROWS_AT_ONCE:
        _flush(records)


def _flush(records: list[str]) -> None:
    if records:
        send(b"C", ("\n".join(records) + "\n").encode("utf-8", "replace"))
        records.clear()


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
        letter, header_row = receive()
        if letter == b"T":
            give(sheet, place, int(header_row), rows, examination)
            return
        del sheet
    if first is None:
        raise UnreadableError("empty")
    give(workbook.get_sheet_by_index(first), first, 0, [], examination)


def give(
    sheet: CalamineSheet,
    place: int,
    header_row: int,
    rows: list[list[str]],
    examination: Examination,
) -> None:
    """Send a sheet's rows, then what is known of it."""
    write_csv(sheet, header_row, rows[header_row - 1] if header_row else [])
    known = examination.sheets.get(place, Sheet())
    notes = {
        "sheet": place + 1,
        "hidden_rows": known.hidden,
        "first_hidden_rows": known.first_hidden,
        "hidden_columns": known.hidden_columns,
    }
    send(b"S", json.dumps(notes).encode())


def main() -> None:
    """Read the workbook that comes in, behind the walls."""
    leave_network()  # Before there is a second thread, or Linux declines.
    examination = Examination()
    examination.start()  # Before the walls: no thread begins behind them.
    lock_down()
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
