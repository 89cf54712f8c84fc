"""Each awkward workbook gives the rows of its sheet exactly, or one reason why not."""

import csv
import datetime
import gzip
import io
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from pytest_django.fixtures import Settings

from insurers.lists import sheets
from insurers.lists.containers import unpack
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from insurers.lists.sheets import SheetNotes, header_row
from tests.insurers.lists.workbooks import (
    Cell,
    changed_parts,
    compressible,
    ods,
    xls,
    xlsx,
    zipped,
)

HEADER = ("N° adhérent", "Né(e) le", "Nom", "Courriel")
LISE = ("A00123", "31/12/1980", "Marin", "lise@courrier.example.fr")
OMAR = ("A00124", "06/05/1979", "Belair", "omar@courrier.example.fr")
ROWS = (HEADER, LISE, OMAR)
CSV = "\n".join(map(",".join, ROWS)) + "\n"
MANY = [HEADER, *((f"A{n}", *LISE[1:]) for n in range(200))]


@cache
def long() -> bytes:
    """A workbook whose reader is still at it when its first rows have come."""
    return xlsx(HEADER, *((f"A{n}", *LISE[1:]) for n in range(50_000)))


def read(content: bytes) -> tuple[str, SheetNotes]:
    unpacked = unpack(iter([content]))
    text = b"".join(unpacked).decode()
    assert unpacked.notes is not None
    return text, unpacked.notes


def refusal_of(content: bytes) -> Refusal:
    with pytest.raises(FileRefusedError) as refused:
        read(content)
    return refused.value.code


@pytest.mark.parametrize(
    "content", [xlsx(*ROWS), xls(*ROWS), ods(*ROWS)], ids=["xlsx", "xls", "ods"]
)
def test_a_workbook_is_read(content: bytes) -> None:
    text, notes = read(content)
    assert (text, notes) == (CSV, SheetNotes())


@pytest.mark.parametrize("write", [xlsx, xls, ods])
def test_hidden_rows_are_read_counted_and_named(write: Callable[..., bytes]) -> None:
    text, notes = read(write(*MANY, hidden=[2, 3]))
    assert text.count("\n") == len(MANY)
    assert (notes.hidden_rows, notes.first_hidden_rows) == (2, [2, 3])


def test_only_the_first_hidden_rows_are_named() -> None:
    _text, notes = read(xlsx(*MANY, hidden=range(2, 102)))
    assert (notes.hidden_rows, notes.first_hidden_rows) == (100, list(range(2, 22)))


def test_hidden_rows_without_a_number_are_counted_on() -> None:
    def unnumbered(name: str, part: bytes) -> bytes:
        for number in range(1, 4) if "worksheets/" in name else ():
            part = part.replace(f'<row r="{number}"'.encode(), b"<row")
        return part

    _text, notes = read(changed_parts(xlsx(*ROWS, hidden=[3]), unnumbered))
    assert notes.first_hidden_rows == [3]


def test_hidden_rows_of_other_sheets_do_not_count() -> None:
    def hide(book: openpyxl.Workbook) -> None:
        book.worksheets[0].row_dimensions[1].hidden = True

    _text, notes = read(xlsx(("Lisez-moi",), ("x",), Liste=list(ROWS), change=hide))
    assert notes.hidden_rows == 0


def test_a_title_and_blank_rows_keep_the_numbers_of_the_rows() -> None:
    text, _notes = read(xlsx(("Liste du Phare",), (), HEADER, LISE, (), OMAR))
    header, lise, omar = CSV.splitlines()
    assert text.splitlines() == [",,,", ",,,", header, lise, ",,,", omar]


def test_a_header_of_two_rows_is_complete_in_its_second() -> None:
    def merge(book: openpyxl.Workbook) -> None:
        for cells in ("A1:A2", "B1:B2", "C1:D1"):
            book.worksheets[0].merge_cells(cells)

    top, below = (*HEADER[:2], "Contact", None), (None, None, *HEADER[2:])
    text, _notes = read(xlsx(top, below, LISE, OMAR, change=merge))
    assert text == ",,,\n" + CSV


def test_a_header_merged_over_two_columns_names_the_first() -> None:
    def merge(book: openpyxl.Workbook) -> None:
        book.worksheets[0].merge_cells("D1:E1")

    text, _notes = read(xlsx((*HEADER, None), (*LISE, "x"), change=merge))
    assert text.splitlines() == [",".join(HEADER) + ",", ",".join(LISE) + ",x"]


@pytest.mark.parametrize("write", [xlsx, xls, ods])
def test_columns_keep_their_places(write: Callable[..., bytes]) -> None:
    text, _notes = read(write(*[(None, *row) for row in ROWS]))
    assert text == "".join(f",{line}\n" for line in CSV.splitlines())


def test_trailing_empty_columns_are_cells() -> None:
    text, _notes = read(xlsx((*HEADER, None, "x"), LISE))
    assert text.splitlines()[1] == ",".join(LISE) + ",,"


@pytest.mark.parametrize("first", [("Lisez-moi",), ("Agence", "Ville", "Nom")])
def test_the_first_sheet_with_recognised_headers_is_read(first: tuple[str, ...]) -> None:
    other = [HEADER, ("B1", *LISE[1:])]
    assert read(xlsx(first, first, Liste=list(ROWS), Suite=other))[0] == CSV


def test_a_hidden_sheet_is_passed_over() -> None:
    def hide(book: openpyxl.Workbook) -> None:
        book.worksheets[0].sheet_state = "hidden"

    assert read(xlsx(HEADER, OMAR, Liste=list(ROWS), change=hide))[0] == CSV


def test_without_recognised_headers_the_first_sheet_with_rows_is_read() -> None:
    text, _notes = read(xlsx(Deux=[("x", "y"), (1, 2)], Trois=[("z",)]))
    assert text == "x,y\n1,2\n"


def test_cells_that_need_quotes_have_them() -> None:
    row = ("A1", "a,b", 'dit "le Phare"', "a\nb")
    text, _notes = read(xlsx(HEADER, row))
    assert list(csv.reader(io.StringIO(text))) == [list(HEADER), list(row)]


def test_a_cell_of_the_longest_text_is_read() -> None:
    text, _notes = read(xlsx(HEADER, ("A1", "x" * 32_767, "y", "z")))
    assert text.splitlines()[1] == f"A1,{'x' * 32_767},y,z"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (612345678.0, "612345678"),
        (99999999999, "99999999999"),
        (123456789012, "123456789012.0"),
        (-5, "-5"),
        (0.1, "0.1"),
        (1.23456789012346e17, "1.23457E+17"),
        (29586, "29586"),
        (datetime.date(1980, 12, 31), "1980-12-31"),
        (datetime.datetime(1980, 12, 31, 1, 2, 3), "1980-12-31 01:02:03"),  # noqa: DTZ001
        (datetime.date(1900, 3, 1), "1900-03-01"),
        (True, "VRAI"),
        ("#N/A", ""),
        ("=1+1", ""),
        ("é\u00a0ß", "é\u00a0ß"),
    ],
)
def test_a_cell_becomes_text(cell: Cell, text: str) -> None:
    found, _notes = read(xlsx(HEADER, ("A1", cell, "x", "y")))
    assert found.splitlines()[1] == f"A1,{text},x,y"


def test_the_last_value_of_a_formula_is_read() -> None:
    def calculate(_name: str, part: bytes) -> bytes:
        return part.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>")

    content = changed_parts(xlsx(HEADER, ("A1", "=1+1", "x", "y")), calculate)
    assert read(content)[0].splitlines()[1] == "A1,2,x,y"


# Days that are counted from 1904.


def xlsx_since_1904(*rows: Iterable[Cell]) -> bytes:
    def count_from_1904(book: openpyxl.Workbook) -> None:
        book.epoch = CALENDAR_MAC_1904

    return xlsx(*rows, change=count_from_1904)


@pytest.mark.parametrize(
    "write", [xlsx_since_1904, lambda *rows: xls(*rows, is_since_1904=True)], ids=["xlsx", "xls"]
)
def test_days_that_are_counted_from_1904_are_moved(write: Callable[..., bytes]) -> None:
    days = (datetime.date(1980, 12, 31) - datetime.date(1904, 1, 1)).days
    text, _notes = read(write(HEADER, (28124, days, "x", "y"), OMAR))
    assert text.splitlines()[1] == "28124,29586,x,y"


def test_dates_are_dates_whenever_days_begin() -> None:
    text, _notes = read(xls(HEADER, ("A1", datetime.date(1980, 12, 31), "x", "y")))
    assert text.splitlines()[1] == "A1,1980-12-31,x,y"


def test_days_from_1904_in_a_column_without_a_name_are_refused() -> None:
    assert refusal_of(xlsx_since_1904(("x", "y"), (1, 28124))) == Refusal.DATES_SINCE_1904


# What cannot be read.


def password_protected_xlsx() -> bytes:
    """An OLE file whose only streams are those of an encrypted package ([MS-OFFCRYPTO])."""
    content = bytearray(xls(*MANY))
    workbook, package = "Workbook".encode("utf-16-le"), "EncryptedPackage".encode("utf-16-le")
    place = content.index(workbook)
    content[place : place + len(package)] = package
    content[place + 64 : place + 66] = struct.pack("<H", len(package) + 2)
    return bytes(content)


def password_protected_xls() -> bytes:
    """An XLS file with the record that announces encryption (FilePass) after its beginning."""
    content = bytearray(xls(*MANY))
    place = content.index(b"\xe1\x00\x02\x00")  # InterfaceHdr, the first record that may go.
    content[place : place + 2] = b"\x2f\x00"
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (xlsx(*ROWS)[:-30], Refusal.ARCHIVE_DAMAGED),
        (xlsx(*ROWS)[:500], Refusal.ARCHIVE_DAMAGED),
        (xls(*ROWS)[:600], Refusal.ARCHIVE_DAMAGED),
        (b"PK\x03\x04" + bytes(22) + b"\x03\0\0\0xl/" + bytes(99), Refusal.ARCHIVE_DAMAGED),
        (zipped({"_rels/.rels": b"x", "word/document.xml": b"x"}), Refusal.NOT_CSV),
        (xlsx(), Refusal.NO_SHEET),
        (ods(*ROWS, manifest="<manifest:encryption-data/>"), Refusal.ENCRYPTED),
        (password_protected_xlsx(), Refusal.ENCRYPTED),
        (password_protected_xls(), Refusal.ENCRYPTED),
    ],
    ids=[
        "no directory", "cut", "cut xls", "zeros", "a text document", "empty", "ods password",
        "xlsx password", "xls password",
    ],
)  # fmt: skip
def test_a_workbook_that_cannot_be_read_is_refused(content: bytes, code: Refusal) -> None:
    assert refusal_of(content) == code


@pytest.mark.parametrize("place", range(50, 5000, 450))
def test_a_damaged_workbook_is_read_or_refused(place: int) -> None:
    content = bytearray(xlsx(*ROWS))
    content[place % len(content)] ^= 0xFF
    try:
        assert read(bytes(content))[0]
    except FileRefusedError as refused:
        assert refused.code != Refusal.READING_FAILED  # noqa: PT017


def with_entities(name: str, part: bytes) -> bytes:
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><workbook'
    return part.replace(b"<workbook", laughs) if name == "xl/workbook.xml" else part


def test_a_workbook_that_declares_entities_is_refused() -> None:
    assert refusal_of(changed_parts(xlsx(*ROWS), with_entities)) == Refusal.ARCHIVE_DAMAGED


SPACES = b" " * 40_000_000


def huge_styles(name: str, part: bytes) -> bytes:
    return part + SPACES if name == "xl/styles.xml" else part


def huge_sheet(name: str, part: bytes) -> bytes:
    return part.replace(b"<sheetData>", b"<sheetData>" + SPACES) if "worksheets/" in name else part


@pytest.mark.parametrize("swell", [huge_styles, huge_sheet])
def test_a_workbook_that_expands_too_much_is_refused(swell: Callable[[str, bytes], bytes]) -> None:
    assert refusal_of(changed_parts(xlsx(*ROWS), swell)) == Refusal.EXPANDS_TOO_MUCH


def with_media(workbook: bytes, media: bytes) -> bytes:
    file = io.BytesIO(workbook)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/logo.bmp", media)
    return file.getvalue()


@pytest.mark.parametrize("write", [xlsx, ods])
def test_a_workbook_of_more_than_200_times_its_size_is_refused_and_one_of_less_is_read(
    write: Callable[..., bytes],
) -> None:
    size = 40 * 2**20
    over, under = (with_media(write(*ROWS), compressible(size, noise=n)) for n in (210, 250))
    assert 200 < size / len(over) < 225
    assert refusal_of(over) == Refusal.EXPANDS_TOO_MUCH
    assert 160 < size / len(under) < 199
    assert read(under)[0] == CSV


def with_one_text_in_every_row(rows: int, length: int, letter: str = "x") -> bytes:
    """Return a workbook whose parts are small, and whose cells repeat a long text."""
    cells = "".join(
        f'<row r="{n}"><c r="A{n}"><v>{n * 7919}</v></c><c r="C{n}" t="s"><v>0</v></c></row>'
        for n in range(3, rows + 3)
    )

    def repeat(name: str, part: bytes) -> bytes:
        if "worksheets/" in name:
            return part.replace(b"</sheetData>", cells.encode() + b"</sheetData>")
        return part

    with zipfile.ZipFile(io.BytesIO(changed_parts(xlsx(HEADER, LISE), repeat))) as parts:
        files = {name: parts.read(name) for name in parts.namelist()}
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    text = f"<si><t>{letter * length}</t></si>"
    files["xl/sharedStrings.xml"] = f'<sst xmlns="{namespace}">{text}</sst>'.encode()
    return zipped(files)


def test_a_text_repeated_in_every_cell_counts_each_time() -> None:
    bomb = with_one_text_in_every_row(2000, 32_767)
    assert len(bomb) < 100_000
    with zipfile.ZipFile(io.BytesIO(bomb)) as parts:
        assert sum(part.file_size for part in parts.infolist()) < 200 * len(bomb)
    assert refusal_of(bomb) == Refusal.EXPANDS_TOO_MUCH
    assert refusal_of(gzip.compress(bomb)) == Refusal.EXPANDS_TOO_MUCH


def test_a_text_of_nothing_but_commas_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_MOST_BORDERS", 1_000_000)
    bomb = with_one_text_in_every_row(300, 32_767, letter=",")
    assert refusal_of(bomb) == Refusal.TOO_MANY_CELLS


def test_a_stray_cell_at_the_end_of_a_sheet_is_no_bomb() -> None:
    """Of the million blank rows above it each cell is a comma: 11 MB out of 5 KB."""

    def stray(_name: str, part: bytes) -> bytes:
        last = b'<row r="1048576"><c r="K1048576"><v>1</v></c></row></sheetData>'
        return part.replace(b"</sheetData>", last)

    text, _notes = read(changed_parts(xlsx(*ROWS), stray))
    assert len(text) > 11_000_000
    assert text.splitlines()[1] == ",".join(LISE) + "," * 7


def test_long_texts_come_to_the_worker_in_small_pieces() -> None:
    content = with_one_text_in_every_row(300, 32_767)
    pieces = list(map(len, unpack(iter([content]))))
    assert 300 * 32_767 < sum(pieces) < 10 * 2**20
    assert max(pieces) <= 2**20


def test_a_workbook_that_hides_how_much_it_expands_is_refused() -> None:
    bomb = changed_parts(xlsx(*ROWS), lambda name, part: SPACES if "styles" in name else part)
    size = struct.pack("<I", len(SPACES))
    assert bomb.count(size) == 2
    assert refusal_of(bomb.replace(size, struct.pack("<I", 1000))) == Refusal.ARCHIVE_DAMAGED


def test_what_a_workbook_holds_must_stay_under_the_bound(settings: Settings) -> None:
    settings.EXPANDED_MAX_BYTES = 2000
    assert refusal_of(xlsx(*ROWS)) == Refusal.EXPANDS_TOO_MUCH


def test_a_workbook_that_does_not_fit_in_memory_is_refused(settings: Settings) -> None:
    settings.SPREADSHEET_MAX_BYTES = 1000
    assert refusal_of(xlsx(*ROWS)) == Refusal.TOO_MANY_CELLS


def far_cell(_name: str, part: bytes) -> bytes:
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    return part.replace(b"</sheetData>", far)


def repeated_rows(_name: str, part: bytes) -> bytes:
    repeated = b'<table:table-row table:number-rows-repeated="20000">'
    wide = b'<table:table-cell table:number-columns-repeated="1000" '
    return part.replace(b"<table:table-row>", repeated).replace(b"<table:table-cell ", wide)


@pytest.mark.parametrize(
    "content",
    [changed_parts(xlsx(*ROWS), far_cell), changed_parts(ods(*ROWS), repeated_rows)],
    ids=["a far cell", "rows and columns repeated"],
)
def test_a_workbook_of_too_many_cells_is_refused_within_its_memory(content: bytes) -> None:
    with watched() as most_memory:
        assert refusal_of(content) == Refusal.TOO_MANY_CELLS
    assert most_memory() < sheets.MOST_MEMORY * 1.05  # Of two cores that others share.


def test_a_child_that_grows_too_large_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_MEMORY", 60_000_000)
    assert refusal_of(long()) == Refusal.TOO_MANY_CELLS
    assert not children()


# The process.


def test_a_killed_child_refuses_the_file() -> None:
    reading = iter(unpack(iter([long()])))
    next(reading)
    (child,) = children()
    os.kill(child, signal.SIGKILL)
    with pytest.raises(FileRefusedError) as refused:
        list(reading)
    assert refused.value.code == Refusal.READING_FAILED


def test_a_reader_that_leaves_ends_the_child() -> None:
    reading = iter(unpack(iter([long()])))
    next(reading)
    assert children()
    reading.close()  # type: ignore[attr-defined]
    assert not children()


def test_the_child_has_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALING_PRIVATE_KEY", "held by the worker alone")
    reading = iter(unpack(iter([long()])))
    next(reading)
    (child,) = children()
    assert Path(f"/proc/{child}/environ").read_bytes() == b"MALLOC_ARENA_MAX=1\0"
    arguments = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    assert arguments[1:3] == [b"-I", str(sheets._CHILD).encode()]
    reading.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "deed",
    [
        "import socket; socket.socket()",
        "open('/etc/hostname')",
        "open('/tmp/new', 'w')",
        "import os; os.pipe()",
        "bytearray(2 * 1024**3)",
    ],
)
def test_behind_the_walls_nothing_opens(deed: str) -> None:
    program = (
        "import runpy, socket, os\n"
        f"child = runpy.run_path({str(sheets._CHILD)!r}, run_name='child')\n"
        "child['lock_down']()\n"
        f"try:\n    {deed}\n"
        "except (OSError, MemoryError):\n    os._exit(7)\n"
    )
    ended = subprocess.run([sys.executable, "-I", "-c", program], env={}, check=False)
    assert ended.returncode == 7


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        ([HEADER], 1),
        ([["Liste"], HEADER], 2),
        ([["Nom"], ["Né le", "Nom"], HEADER, HEADER], 3),
        ([["Nom", "x"]], None),
        ([], None),
    ],
)
def test_the_header_is_the_row_with_the_most_known_names(
    rows: list[list[str]], number: int | None
) -> None:
    assert header_row(rows) == number


def children() -> list[int]:
    """Return the processes of this one that read a workbook."""
    numbers = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(number) for number in numbers if b"sheet_child" in _command(number)]


def _command(number: str) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@contextmanager
def watched() -> Iterator[Callable[[], int]]:
    """Sample the memory of the children of this process; gives the most of it, in bytes."""
    most, is_over = 0, threading.Event()

    def sample() -> None:
        nonlocal most
        while not is_over.is_set():
            for child in children():
                with suppress(FileNotFoundError, ProcessLookupError):
                    pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
                    most = max(most, pages * resource.getpagesize())
            time.sleep(0.01)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield lambda: most
    finally:
        is_over.set()
        thread.join()
