"""Each awkward workbook gives its rows exactly, or one reason why not."""

import csv
import datetime
import io
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import openpyxl
import pytest
from pytest_django.fixtures import Settings

from insurers.lists import workbooks
from insurers.lists.containers import Kind, unpack
from insurers.lists.identifiers import BadValueError, birth_date, member_number, mobile_phone
from insurers.lists.problems import Problem, Refusal
from insurers.lists.refusal import FileRefusedError
from insurers.lists.workbooks import SheetNotes, header_row
from tests.insurers.lists.made_workbooks import (
    CSV,
    HEADER,
    LISE,
    OMAR,
    ROWS,
    changed_parts,
    chunks,
    ods,
    xls,
    xlsx,
    zipped,
)

BLANK: list[object] = []


def read(content: bytes) -> tuple[str, SheetNotes]:
    unpacked = unpack(chunks(content))
    assert unpacked.kind == Kind.WORKBOOK
    text = b"".join(unpacked).decode()
    assert unpacked.notes is not None
    return text, unpacked.notes


def refusal_of(content: bytes) -> Refusal:
    with pytest.raises(FileRefusedError) as refused:
        read(content)
    return refused.value.code


@pytest.mark.parametrize("content", [xlsx(ROWS), xls(ROWS), ods(ROWS)], ids=["xlsx", "xls", "ods"])
def test_a_workbook_is_read(content: bytes) -> None:
    text, notes = read(content)
    assert text == CSV
    assert (notes.sheet, notes.header_row, notes.hidden_rows) == (1, 1, 0)


def hide_rows(book: openpyxl.Workbook) -> None:
    book.worksheets[0].row_dimensions[2].hidden = True
    book.worksheets[0].row_dimensions[3].hidden = True
    book.worksheets[0].column_dimensions["C"].hidden = True


MANY = [HEADER, *[[f"A{n}", *LISE[1:]] for n in range(200)]]


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (xlsx(MANY, change=hide_rows), 1),
        (xls(MANY, hidden=(2, 3)), None),
        (ods(MANY, hidden=(2, 3)), None),
    ],
    ids=["xlsx", "xls", "ods"],
)
def test_hidden_rows_are_read_counted_and_named(content: bytes, columns: int | None) -> None:
    text, notes = read(content)
    assert text.count("\n") == len(MANY)
    assert (notes.hidden_rows, notes.first_hidden_rows) == (2, [2, 3])
    assert notes.hidden_columns == columns


def test_only_the_first_hidden_rows_are_named() -> None:
    def hide(book: openpyxl.Workbook) -> None:
        for row in range(2, 102):
            book.worksheets[0].row_dimensions[row].hidden = True

    _text, notes = read(xlsx(MANY, change=hide))
    assert notes.hidden_rows == 100
    assert notes.first_hidden_rows == list(range(2, 22))


def test_a_title_and_blank_rows_keep_the_numbers_of_the_rows() -> None:
    text, notes = read(xlsx([["Liste du Phare"], BLANK, HEADER, LISE, BLANK, OMAR]))
    assert text.split("\n") == [",,,", ",,,", *CSV.split("\n")[:2], ",,,", *CSV.split("\n")[2:]]
    assert notes.header_row == 3


def test_a_header_of_two_rows_is_complete_in_its_second() -> None:
    def merge(book: openpyxl.Workbook) -> None:
        for cells in ("A1:A2", "B1:B2", "C1:D1"):
            book.worksheets[0].merge_cells(cells)

    top = [*HEADER[:2], "Contact", None]
    text, notes = read(xlsx([top, [None, None, *HEADER[2:]], LISE, OMAR], change=merge))
    assert text == ",,,\n" + CSV
    assert notes.header_row == 2


def test_columns_keep_their_places() -> None:
    text, _notes = read(xlsx([[None, *row] for row in ROWS]))
    assert text.splitlines()[0] == "," + ",".join(HEADER)


def test_trailing_empty_columns_are_cells() -> None:
    text, _notes = read(xlsx([[*HEADER, None, "x"], LISE]))
    assert text.splitlines()[1] == ",".join(LISE) + ",,"


def test_the_first_sheet_with_recognised_headers_is_read() -> None:
    text, notes = read(xlsx([["Lisez-moi"]], ROWS, ROWS))
    assert (text, notes.sheet) == (CSV, 2)


def test_a_hidden_sheet_is_passed_over() -> None:
    def hide(book: openpyxl.Workbook) -> None:
        book.worksheets[0].sheet_state = "hidden"

    text, notes = read(xlsx([HEADER, OMAR], ROWS, change=hide))
    assert (text, notes.sheet) == (CSV, 2)


def test_without_recognised_headers_the_first_sheet_with_rows_is_read() -> None:
    text, notes = read(xlsx([], [["x", "y"], [1, 2]], [["z"]]))
    assert (text, notes.sheet, notes.header_row) == ("x,y\n1,2\n", 2, None)


def test_cells_that_need_quotes_have_them() -> None:
    text, _notes = read(xlsx([HEADER, ["A1", "a,b", 'dit "le Phare"', "a\nb"]]))
    assert list(csv.reader(io.StringIO(text))) == [HEADER, ["A1", "a,b", 'dit "le Phare"', "a\nb"]]


def test_a_cell_of_the_longest_text_is_read() -> None:
    text, _notes = read(xlsx([HEADER, ["A1", "x" * 32_767, "y", "z"]]))
    assert text.splitlines()[1] == f"A1,{'x' * 32_767},y,z"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (612345678.0, "612345678"),
        (123456789012, "123456789012"),
        (-5, "-5"),
        (0.1, '"0,1"'),
        (123456789012345678, "1.23457E+17"),
        (29586, "29586"),
        (datetime.date(1980, 12, 31), "1980-12-31"),
        (datetime.datetime(1980, 12, 31, 1, 2, 3), "1980-12-31 01:02:03"),  # noqa: DTZ001
        (datetime.date(1900, 3, 1), "1900-03-01"),
        (True, "TRUE"),
        ("#N/A", ""),
        ("=1+1", ""),
        ("é\u00a0ß", "é\u00a0ß"),
    ],
)
def test_a_cell_becomes_text(cell: object, text: str) -> None:
    found, _notes = read(xlsx([HEADER, ["A1", cell, "x", "y"]]))
    assert found.splitlines()[1] == f"A1,{text},x,y"


def test_the_last_value_of_a_formula_is_read() -> None:
    def calculate(name: str, content: bytes) -> bytes:
        return content.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>")

    content = changed_parts(xlsx([HEADER, ["A1", "=1+1", "x", "y"]]), calculate)
    assert read(content)[0].splitlines()[1] == "A1,2,x,y"


def test_numbers_that_a_spreadsheet_rounded_are_refused_as_member_numbers() -> None:
    text, _notes = read(xlsx([HEADER, [1234567890123456, 29586, "x", "y"]]))
    number, born, *_ = text.splitlines()[1].split(",")
    with pytest.raises(BadValueError) as refused:
        member_number(number)
    assert refused.value.problem == Problem.MEMBER_NUMBER_SPREADSHEET
    assert birth_date(born, datetime.date(2026, 3, 2)) == "1980-12-31"


def test_a_phone_in_a_cell_of_numbers_is_a_phone() -> None:
    text, _notes = read(xls([HEADER, ["A1", "x", "y", 639980001.0]]))
    assert mobile_phone(text.splitlines()[1].split(",")[3]) == "+33639980001"


def password_protected_xlsx() -> bytes:
    """An OLE file whose only streams are those of an encrypted package ([MS-OFFCRYPTO])."""
    content = bytearray(xls(MANY))
    workbook, package = "Workbook".encode("utf-16-le"), "EncryptedPackage".encode("utf-16-le")
    place = content.index(workbook)
    content[place : place + len(package)] = package
    content[place + 64 : place + 66] = struct.pack("<H", len(package) + 2)
    return bytes(content)


def password_protected_xls() -> bytes:
    """An XLS file with the record that announces encryption (FilePass) after its beginning."""
    content = bytearray(xls(MANY))
    place = content.index(b"\xe1\x00\x02\x00")  # InterfaceHdr, the first record that may go.
    content[place : place + 2] = b"\x2f\x00"
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (xlsx(ROWS)[:-30], Refusal.WORKBOOK_DAMAGED),
        (xlsx(ROWS)[:500], Refusal.WORKBOOK_DAMAGED),
        (xls(ROWS)[:600], Refusal.WORKBOOK_DAMAGED),
        (b"PK\x03\x04" + bytes(22) + b"\x03\0\0\0xl/" + bytes(99), Refusal.WORKBOOK_DAMAGED),
        (zipped({"_rels/.rels": b"x", "word/document.xml": b"x"}), Refusal.NOT_CSV),
        (xlsx([]), Refusal.EMPTY),
        (ods(ROWS, manifest="<encryption-data/>"), Refusal.ENCRYPTED),
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


@pytest.mark.parametrize("place", range(50, 5000, 250))
def test_a_damaged_workbook_is_read_or_refused(place: int) -> None:
    content = bytearray(xlsx(ROWS))
    content[place % len(content)] ^= 0xFF
    try:
        assert read(bytes(content))[0]
    except FileRefusedError as refused:
        assert refused.code in Refusal  # noqa: PT017


def with_entities(name: str, content: bytes) -> bytes:
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><workbook'
    return content.replace(b"<workbook", laughs) if name == "xl/workbook.xml" else content


def test_a_workbook_that_declares_entities_is_refused() -> None:
    assert refusal_of(changed_parts(xlsx(ROWS), with_entities)) == Refusal.WORKBOOK_DAMAGED


def huge_part(name: str, content: bytes) -> bytes:
    return content + b" " * 40_000_000 if name == "xl/styles.xml" else content


def lying(content: bytes) -> bytes:
    """A workbook whose largest part announces 1000 bytes."""
    size = struct.pack("<I", 40_000_000 + len(sample_styles()))
    assert content.count(size) == 2
    return content.replace(size, struct.pack("<I", 1000))


def sample_styles() -> bytes:
    found = []
    changed_parts(xlsx(ROWS), lambda name, part: found.append((name, part)) or part)  # type: ignore[func-returns-value]
    return dict(found)["xl/styles.xml"]


def test_a_workbook_that_expands_without_measure_is_refused() -> None:
    assert refusal_of(changed_parts(xlsx(ROWS), huge_part)) == Refusal.COMPRESSION_RATIO


def test_a_workbook_that_hides_how_much_it_expands_is_refused() -> None:
    bomb = lying(changed_parts(xlsx(ROWS), huge_part))
    assert refusal_of(bomb) == Refusal.WORKBOOK_DAMAGED


def test_a_workbook_over_the_bound_is_refused(settings: Settings) -> None:
    settings.EXPANDED_MAX_BYTES = 2000
    assert refusal_of(xlsx(ROWS)) == Refusal.EXPANDED_TOO_LARGE


def far_cell(name: str, content: bytes) -> bytes:
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    return content.replace(b"</sheetData>", far)


def repeated_rows(name: str, content: bytes) -> bytes:
    first = b"<table:table-row>"
    repeated = b'<table:table-row table:number-rows-repeated="20000">'
    cell = b"<table:table-cell "
    wide = b'<table:table-cell table:number-columns-repeated="1000" '
    return content.replace(first, repeated).replace(cell, wide)


@pytest.mark.parametrize(
    "content",
    [changed_parts(xlsx(ROWS), far_cell), changed_parts(ods(ROWS), repeated_rows)],
    ids=["a far cell", "rows and columns repeated"],
)
def test_a_workbook_of_too_many_cells_is_refused_within_its_memory(content: bytes) -> None:
    with _Watch() as watch:
        assert refusal_of(content) == Refusal.WORKBOOK_TOO_LARGE
    assert watch.most_memory < 1_300_000_000


def test_a_child_that_is_killed_refuses_the_file() -> None:
    unpacked = unpack(chunks(xlsx(MANY * 300)))
    with _Watch(kill=True) as watch, pytest.raises(FileRefusedError) as refused:
        b"".join(unpacked)
    assert watch.killed
    assert refused.value.code == Refusal.WORKBOOK_TOO_LARGE


def test_nothing_of_the_child_is_left_when_reading_stops() -> None:
    reading = iter(unpack(chunks(xlsx(MANY * 300))))
    next(reading)
    assert _children()
    reading.close()  # type: ignore[attr-defined]
    assert not _children()


def test_the_child_has_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALING_PRIVATE_KEY", "held by the worker alone")
    reading = iter(unpack(chunks(xlsx(MANY * 300))))
    next(reading)
    (child,) = _children()
    assert Path(f"/proc/{child}/environ").read_bytes() == b""
    arguments = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    assert arguments[1:3] == [b"-I", str(workbooks._CHILD).encode()]
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
        f"child = runpy.run_path({str(workbooks._CHILD)!r}, run_name='child')\n"
        "child['lock_down']()\n"
        f"try:\n    {deed}\n"
        "except (OSError, MemoryError):\n    os._exit(7)\n"
    )
    found = subprocess.run([sys.executable, "-I", "-c", program], env={}, check=False)
    assert found.returncode == 7


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


def _children() -> list[int]:
    """Return the processes of this one that read a workbook."""
    me = threading.get_native_id()
    children = Path(f"/proc/self/task/{me}/children").read_text().split()
    return [int(pid) for pid in children if b"sheet_child" in _command(pid)]


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class _Watch:
    """Samples the memory of the child that this thread starts, or kills it."""

    def __init__(self, *, kill: bool = False) -> None:
        self.most_memory = 0
        self.killed = False
        self._kill = kill
        self._stop = threading.Event()
        self._parent = threading.get_native_id()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            children = Path(f"/proc/self/task/{self._parent}/children").read_text().split()
            for pid in children:
                if b"sheet_child" not in _command(pid):
                    continue
                if self._kill:
                    os.kill(int(pid), signal.SIGKILL)
                    self.killed = True
                    return
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                self.most_memory = max(self.most_memory, pages * 4096)
