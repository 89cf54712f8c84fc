"""Files that lost or gained some bytes on their way: what becomes of each, and where it is said."""

import gzip
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings

from insurers.lists.ingestion import ingest_list, prepare_list
from insurers.lists.problems import Problem, Refusal
from insurers.models import AffectedList, ListState
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import HEADER, csv_file, read, received
from tests.insurers.lists.workbooks import HEADER as SHEET_HEADER
from tests.insurers.lists.workbooks import OMAR as SHEET_OMAR
from tests.insurers.lists.workbooks import ods, xls, xlsx

pytestmark = pytest.mark.django_db

WHOLE = csv_file(*(f"A{n};31/12/1980;Gérin;Zoé;zoe.{n}@example.fr;" for n in range(3)))
LONG = csv_file(*(f"A{n};31/12/1980;Gérin;Zoé;zoe.{n}@example.fr;" for n in range(50_000)))
# Where the name of the second person holds a byte that is not of the encoding: row 3, column 3.
BYTES_THAT_STAND_FOR_NOTHING = {
    "utf-8": b"\xff",
    "utf-8-sig": b"\xff",
    "cp1252": b"\x81",
    "iso8859-15": b"\x81",
    "utf-16": b"\x00\xd8",
    "utf-16-le": b"\x00\xd8",
    "utf-16-be": b"\xd8\x00",
}

WITHOUT_MARK = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}


def outcome(content: bytes) -> tuple[str, int | None, str]:
    """Return why a file is refused, or its state, and the place that is said."""
    affected_list = read(content)
    assert not affected_list.problems.exists()
    said = affected_list.refusal_code or affected_list.state
    return said, affected_list.refusal_row, affected_list.refusal_column


def zipped(content: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("liste.csv", content)
    return file.getvalue()


@pytest.mark.parametrize("encoding", BYTES_THAT_STAND_FOR_NOTHING)
def test_a_byte_of_no_encoding_is_located_by_row_and_column(encoding: str) -> None:
    sign = "\N{SECTION SIGN}".encode(WITHOUT_MARK.get(encoding, encoding))
    content = (
        WHOLE.decode()
        .replace("A1;31/12/1980;G", "A1;31/12/1980;G\N{SECTION SIGN}")
        .encode(encoding)
    )
    assert content.count(sign) == 1
    damaged = content.replace(sign, BYTES_THAT_STAND_FOR_NOTHING[encoding])
    assert outcome(damaged) == (Refusal.UNDECODABLE, 3, "#3")


@pytest.mark.parametrize("encoding", BYTES_THAT_STAND_FOR_NOTHING)
def test_the_same_file_undamaged_is_read(encoding: str) -> None:
    affected_list = read(WHOLE.decode().encode(encoding))
    assert (affected_list.state, affected_list.members) == (ListState.REVIEW, 3)


@pytest.mark.parametrize(
    ("content", "refusal", "row", "column"),
    [
        (WHOLE[: WHOLE.rindex("é".encode()) + 1], Refusal.UNDECODABLE, 4, "#4"),
        (WHOLE.decode().encode("utf-16")[:-1], Refusal.UNDECODABLE, 4, "#6"),
        (WHOLE + b'A9;31/12/1980;"Le\r\nPha', Refusal.BROKEN_QUOTES, 5, ""),
        (WHOLE + b'A9;31/12/1980;"Le ""', Refusal.BROKEN_QUOTES, 5, ""),
        (gzip.compress(LONG)[:-1], Refusal.ARCHIVE_DAMAGED, None, ""),
        (gzip.compress(LONG)[:10_000], Refusal.ARCHIVE_DAMAGED, None, ""),
        (gzip.compress(LONG)[:12], Refusal.ARCHIVE_DAMAGED, None, ""),
        (zipped(LONG)[:-1], Refusal.ARCHIVE_DAMAGED, None, ""),
        (zipped(LONG)[:10_000], Refusal.ARCHIVE_DAMAGED, None, ""),
        (xlsx(SHEET_HEADER, SHEET_OMAR)[:-100], Refusal.ARCHIVE_DAMAGED, None, ""),
        (ods(SHEET_HEADER, SHEET_OMAR)[:-100], Refusal.ARCHIVE_DAMAGED, None, ""),
        (xls(SHEET_HEADER, SHEET_OMAR)[:2000], Refusal.ARCHIVE_DAMAGED, None, ""),
    ],
    ids=[
        "within a letter of UTF-8",
        "within a letter of UTF-16",
        "within quotes, on a second line",
        "after a doubled quote",
        "gz, last byte",
        "gz, in the middle",
        "gz, after its header",
        "zip, last byte",
        "zip, in the middle",
        "xlsx",
        "ods",
        "xls",
    ],
)
def test_a_file_that_was_cut_is_refused_whole(
    content: bytes, refusal: Refusal, row: int | None, column: str
) -> None:
    assert outcome(content) == (refusal, row, column)


def test_a_file_cut_within_a_row_rejects_that_row_only() -> None:
    affected_list = read(WHOLE + b"A9;31/12")
    (problem,) = affected_list.problems.all()
    assert (affected_list.rows, affected_list.members) == (4, 3)
    assert (problem.row, problem.column, problem.code) == (
        5,
        "birth_date",
        Problem.BIRTH_DATE_FORMAT,
    )


def test_a_file_cut_between_two_rows_is_read_as_far_as_it_goes() -> None:
    """Nothing in a CSV says how many rows were meant: the declared number does, in the report."""
    affected_list = read(WHOLE[: WHOLE.rindex(b"A2;")])
    assert (affected_list.state, affected_list.members) == (ListState.REVIEW, 2)


def pieces(affected_list: AffectedList) -> list[Path]:
    folder = Path(settings.UPLOAD_DIR) / str(affected_list.upload_id)
    return sorted(folder.iterdir(), key=lambda path: int(path.name))


@pytest.mark.parametrize("kept", [None, 0, 100, -1], ids=["gone", "empty", "cut", "one byte short"])
@pytest.mark.parametrize("is_prepared", [False, True], ids=["before it is read", "while it is"])
def test_a_sealed_piece_that_is_not_whole_refuses_the_list(
    kept: int | None, is_prepared: bool
) -> None:
    affected_list = received(LONG)
    with as_role("worker"):
        if is_prepared:
            assert prepare_list(list_id=affected_list.pk, now=cast.NOW)
        last = pieces(affected_list)[-1]
        if kept is None:
            last.unlink()
        else:
            last.write_bytes(last.read_bytes()[:kept])
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()
    assert (affected_list.state, affected_list.refusal_code) == (
        ListState.REFUSED,
        Refusal.UPLOAD_DAMAGED,
    )


@pytest.mark.parametrize("header", [HEADER, HEADER + ";Note"], ids=["read", "passed over"])
def test_a_cell_of_ten_megabytes_is_refused_in_whatever_column(header: str) -> None:
    filler = ";" * (len(header.split(";")) - 3)
    cell = '"' + "x\r\n" * 3_500_000 + '"'
    content = csv_file("A1;31/12/1980;;;;", f"A2;31/12/1980{filler};{cell}", header=header)
    assert outcome(content) == (Refusal.RECORD_TOO_LONG, 3, "")
