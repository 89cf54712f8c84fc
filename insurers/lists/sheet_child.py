"""Open a workbook or a zip archive, in a process of its own that holds no key and opens nothing.

Run by `insurers/lists/sheets.py`: the file comes on standard input; its text goes to standard
output (for a workbook: one CSV record per row of the sheet); a line of JSON on standard error
says how it ended. Once its modules are imported the process can open neither file nor socket,
write to no disk, start no other, and take no more memory and time than it was given.
"""

import codecs
import csv
import datetime
import gc
import html
import io
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from python_calamine import CalamineSheet, CalamineWorkbook

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from insurers.lists.headers import recognised
from insurers.lists.problems import Refusal

GZIP, ZIPS, OLE2 = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06"), b"\xd0\xcf\x11\xe0"
PIECE = 2**18
ROWS_LOOKED_AT = 20  # as for a CSV: insurers/lists/reading.py
SURE_HEADERS = 2
SHOWN = 20
MOST_ENTRIES = 10_000
SMALL = 10_000_000  # bytes that may be expanded from anything
LONGEST_EXACT = 10**11  # a spreadsheet shows longer numbers as 1.23457E+11
MOST_EXACT = 10**15  # and keeps 15 digits

_ODS = b"application/vnd.oasis.opendocument.spreadsheet"
_ENCRYPTED_XLSX = "EncryptedPackage".encode("utf-16-le")
_OTHER_FILES = ("__MACOSX/", ".DS_Store")


_NEEDS_QUOTES = re.compile(r'[",\r\n]')


class RefusedError(Exception):
    """Ends the process; the code is a `Refusal`."""

    def __init__(self, code: Refusal) -> None:
        super().__init__(code.value)
        self.code = code


def main(limits: dict[str, Any]) -> None:
    """Write the text of standard input to standard output, and how it went to standard error."""
    for codec in ("cp437", "utf-16-le", "latin-1"):
        codecs.lookup(codec)  # Read from disk now: nothing opens any more afterwards.
    _shut_in(limits)
    gc.disable()  # Millions of lists, none of which refers to itself.
    status: dict[str, Any] = {}
    try:
        status = _unpack(_whole_file(limits["archive"]), limits)
        sys.stdout.buffer.flush()
    except RefusedError as refusal:
        status = {"refusal": refusal.code.value}
    except MemoryError:
        status = {"refusal": Refusal.TOO_MANY_CELLS.value}
    except BrokenPipeError:
        return
    except BaseException as error:  # calamine's panics are no Exception.
        locked = "password" in str(error).lower()
        status = {"refusal": (Refusal.ENCRYPTED if locked else Refusal.ARCHIVE_DAMAGED).value}
    sys.stderr.write("\n" + json.dumps(status) + "\n")


def _shut_in(limits: dict[str, Any]) -> None:
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_AS, limits["memory"]),
    ):
        resource.setrlimit(kind, (most, most))


def _whole_file(most: int) -> io.BytesIO:
    whole = io.BytesIO()
    while piece := sys.stdin.buffer.read(PIECE):
        whole.write(piece)
        if whole.tell() > most:
            raise RefusedError(Refusal.ARCHIVE_TOO_BIG)
    whole.seek(0)
    return whole


def _unpack(file: io.BytesIO, limits: dict[str, Any]) -> dict[str, Any]:
    if file.getbuffer()[:4] == OLE2:
        if file.getvalue().find(_ENCRYPTED_XLSX) >= 0:
            raise RefusedError(Refusal.ENCRYPTED)
        return _write_sheet(file, None, limits)
    archive = zipfile.ZipFile(file)
    entries = archive.infolist()
    _check_sizes(entries, limits)
    names = {entry.filename.lower() for entry in entries}
    if "mimetype" in names and _part(archive, "mimetype").startswith(_ODS):
        if b"encryption-data" in _part(archive, "META-INF/manifest.xml"):
            raise RefusedError(Refusal.ENCRYPTED)
        return _write_sheet(file, archive, limits)
    if names & {"xl/workbook.xml", "xl/workbook.bin"}:
        return _write_sheet(file, archive, limits)
    if names & {"mimetype", "[content_types].xml"}:
        raise RefusedError(Refusal.NOT_CSV)
    return _unpack_only_file(archive, entries, limits)


def _check_sizes(entries: list[zipfile.ZipInfo], limits: dict[str, Any]) -> None:
    """Refuse, before anything is expanded, what says of itself that it is too big."""
    if len(entries) > MOST_ENTRIES:
        raise RefusedError(Refusal.SEVERAL_FILES)
    if any(entry.flag_bits & 1 for entry in entries):
        raise RefusedError(Refusal.ENCRYPTED)
    expanded = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if expanded > limits["expanded"] or expanded > max(SMALL, limits["ratio"] * packed):
        raise RefusedError(Refusal.EXPANDS_TOO_MUCH)


def _unpack_only_file(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: dict[str, Any]
) -> dict[str, Any]:
    files = [
        entry
        for entry in entries
        if not entry.is_dir() and not any(part in entry.filename for part in _OTHER_FILES)
    ]
    if len(files) != 1:
        raise RefusedError(Refusal.SEVERAL_FILES)
    if limits["is_inside"]:
        raise RefusedError(Refusal.NESTED_ARCHIVE)
    pieces = _expanded(archive, files[0], limits)
    start = next(pieces, b"")
    pieces = chain([start], pieces)
    if start.startswith(GZIP):
        raise RefusedError(Refusal.NESTED_ARCHIVE)
    if start.startswith((*ZIPS, OLE2)):
        inner = io.BytesIO()
        for piece in pieces:
            inner.write(piece)
            if inner.tell() > limits["archive"]:
                raise RefusedError(Refusal.ARCHIVE_TOO_BIG)
        archive.close()
        return _unpack(inner, {**limits, "is_inside": True})
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    return {"kind": "text"}


def _expanded(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: dict[str, Any]
) -> Iterator[bytes]:
    most = min(limits["expanded"], max(SMALL, limits["ratio"] * entry.compress_size))
    count = 0
    with archive.open(entry) as opened:
        while piece := opened.read(PIECE):
            count += len(piece)
            if count > most:
                raise RefusedError(Refusal.EXPANDS_TOO_MUCH)
            yield piece
    if count != entry.file_size:
        raise RefusedError(Refusal.ARCHIVE_DAMAGED)


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as part:
            return part.read(SMALL)
    except KeyError:
        return b""


# Sheets.


def _write_sheet(
    file: io.BytesIO, archive: zipfile.ZipFile | None, limits: dict[str, Any]
) -> dict[str, Any]:
    file.seek(0)
    workbook = CalamineWorkbook.from_filelike(file)
    name, sheet = _choose_sheet(workbook)
    width = sheet.end[1] + 1 if sheet.end else 0
    if sheet.total_height * width > limits["cells"]:
        raise RefusedError(Refusal.TOO_MANY_CELLS)
    for text in _csv(sheet):
        sys.stdout.buffer.write(text)
    hidden = _Hidden(sheet.end[0] + 1 if sheet.end else 0)
    if archive is not None:
        hidden.look(archive, name)
    return {"kind": "sheet", "hidden_rows": hidden.count, "first_hidden_rows": hidden.first}


def _choose_sheet(workbook: CalamineWorkbook) -> tuple[str, CalamineSheet]:
    """Return the first sheet with recognised headers, else the first that is not empty."""
    filled = None
    for place, name in enumerate(workbook.sheet_names):
        sheet = workbook.get_sheet_by_index(place)
        first_rows = [list(map(_text, row)) for row in islice(sheet.iter_rows(), ROWS_LOOKED_AT)]
        if any(recognised(row) >= SURE_HEADERS for row in first_rows):
            return name, sheet
        if filled is None and sheet.height:
            filled = (place, name)
        del sheet  # One sheet at a time is in memory.
    if filled is None:
        raise RefusedError(Refusal.NO_SHEET)
    return filled[1], workbook.get_sheet_by_index(filled[0])


def _csv(sheet: CalamineSheet) -> Iterator[bytes]:
    """Yield the sheet as UTF-8 CSV, a record for each row from row 1 on, blank ones included."""
    rows: Iterator[list[Any]] = iter(sheet.iter_rows())
    while some := list(islice(rows, 5_000)):
        try:
            letters = "".join(chain.from_iterable(some))
        except TypeError:
            some = _as_texts(some)  # Numbers or dates among them.
            letters = "".join(chain.from_iterable(some))
        if _NEEDS_QUOTES.search(letters):
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator="\n").writerows(some)
            # Returns stand inside cells alone, and these between quotes.
            lines = text.getvalue().replace("\r\n", "\n").replace("\r", "\n")
        else:
            lines = "\n".join(map(",".join, some)) + "\n"
        yield lines.encode("utf-8", "replace")


def _as_texts(rows: list[list[Any]]) -> list[list[str]]:
    columns = [
        column if set(map(type, column)) == {str} else map(_text, column)
        for column in zip(*rows, strict=True)
    ]
    return list(map(list, zip(*columns, strict=True)))


def _text(cell: Any) -> str:
    """Return a cell as it would be typed in; `.0` and `E+` mark numbers that are too long.

    Those may have been codes whose digits the spreadsheet changed (`MEMBER_NUMBER_SPREADSHEET`).
    """
    match cell:
        case str():
            return cell
        case bool():
            return "VRAI" if cell else "FAUX"
        case int() | float():
            return _number(float(cell))
        case datetime.datetime():
            at_midnight = cell.time() == datetime.time.min
            return cell.date().isoformat() if at_midnight else cell.isoformat(" ", "seconds")
        case None:
            return ""
        case _:
            return str(cell)


def _number(number: float) -> str:
    if abs(number) >= MOST_EXACT:
        return f"{number:.5E}"
    if not number.is_integer():
        return repr(number)
    return str(int(number)) + (".0" if abs(number) >= LONGEST_EXACT else "")


# Hidden rows: calamine does not tell them, so they are looked for in the XML.

_ROW = re.compile(rb"<(?:\w+:)?row[\s/>][^>]*")
_TABLE_OR_ROW = re.compile(rb"<table:(table-row|table)[\s/>]([^>]*)")
_IS_HIDDEN = re.compile(rb"""\shidden=["'](?:1|true)["']""")
_IS_COLLAPSED = re.compile(rb"""table:visibility=["'](?:collapse|filter)["']""")
_REPEATED = re.compile(rb"""table:number-rows-repeated=["'](\d{1,9})["']""")
_TABLE_NAME = re.compile(rb"""table:name=["']([^"']*)["']""")
_NUMBER = re.compile(rb"""\sr=["'](\d{1,9})["']""")
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^>]*")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s[^>]*")


class _Hidden:
    """Counts the hidden rows among the first `height` of a sheet, and keeps the first numbers."""

    def __init__(self, height: int) -> None:
        self._height = height
        self.count = 0
        self.first: list[int] = []

    def look(self, archive: zipfile.ZipFile, sheet: str) -> None:
        if "content.xml" in archive.namelist():
            self._look_in_ods(_tags(archive, "content.xml"), sheet)
        elif part := _xlsx_part(archive, sheet):
            self._look_in_xlsx(_tags(archive, part))

    def _add(self, start: int, end: int) -> None:
        end = min(end, self._height + 1)
        self.count += max(0, end - start)
        self.first += range(start, min(end, start + SHOWN - len(self.first)))

    def _look_in_xlsx(self, pieces: Iterable[bytes]) -> None:
        row = 0
        for piece in pieces:
            if b"hidden=" not in piece and b" r=" in piece:
                continue  # Nearly always.
            for match in _ROW.finditer(piece):
                number = _NUMBER.search(match[0])
                row = int(number[1]) if number else row + 1
                if _IS_HIDDEN.search(match[0]):
                    self._add(row, row + 1)

    def _look_in_ods(self, pieces: Iterable[bytes], sheet: str) -> None:
        row, is_chosen = 1, False
        for piece in pieces:
            for match in _TABLE_OR_ROW.finditer(piece):
                if match[1] == b"table":
                    name = _TABLE_NAME.search(match[2])
                    is_chosen = name is not None and _plain(name[1]) == sheet
                    row = 1
                    continue
                repeated = _REPEATED.search(match[2])
                after = row + (int(repeated[1]) if repeated else 1)
                if is_chosen and _IS_COLLAPSED.search(match[2]):
                    self._add(row, after)
                row = after


def _tags(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield a part of the archive in pieces that end between tags."""
    rest = b""
    with archive.open(name) as part:
        while piece := part.read(PIECE):
            piece = rest + piece
            border = piece.rfind(b"<")
            rest = piece[border:] if border >= 0 else piece[-PIECE:]
            yield piece[:border] if border >= 0 else b""
            if len(rest) > PIECE:
                raise RefusedError(Refusal.ARCHIVE_DAMAGED)
    yield rest


def _xlsx_part(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the name of the part that holds a sheet, or ""."""
    for match in _SHEET.finditer(_part(archive, "xl/workbook.xml")):
        if _attribute(match[0], rb"name") == sheet:
            relation = _attribute(match[0], rb"\w+:id")
            break
    else:
        return ""
    for match in _RELATION.finditer(_part(archive, "xl/_rels/workbook.xml.rels")):
        if _attribute(match[0], rb"Id") == relation:
            target = _attribute(match[0], rb"Target")
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return part if part in archive.namelist() else ""
    return ""


def _attribute(tag: bytes, name: bytes) -> str:
    match = re.search(rb"\s" + name + rb"""=(?:"([^"]*)"|'([^']*)')""", tag)
    return _plain(match[1] or match[2] or b"") if match else ""


def _plain(value: bytes) -> str:
    return html.unescape(value.decode("utf-8", "replace"))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
