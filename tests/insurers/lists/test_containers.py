"""Archives: what they hold is read, and what would hurt the reader is refused early."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from insurers.lists import sheets
from insurers.lists.containers import unpack
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from tests.insurers.lists.files import LISE, csv_file, read
from tests.insurers.lists.workbooks import HEADER, OMAR, ods, xls, xlsx, zipped

FILE = csv_file(LISE)
SHEET = xlsx(HEADER, OMAR)
MEGABYTE = 2**20
GROWTH = 100 * MEGABYTE


def in_pieces(content: bytes, size: int = MEGABYTE) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def text_of(content: bytes, size: int = MEGABYTE) -> bytes:
    return b"".join(unpack(in_pieces(content, size)))


def refusal_of(chunks: Iterator[bytes]) -> Refusal:
    with pytest.raises(FileRefusedError) as caught:
        for _piece in unpack(chunks):
            pass
    return caught.value.code


def peak_memory() -> int:
    """Return the most memory that this process had at once, in bytes."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@pytest.fixture
def bounded_memory() -> Iterator[None]:
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_memory()
    yield
    assert peak_memory() - before < GROWTH


def zeros_gzipped(size: int) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for _number in range(size // MEGABYTE):
        yield packer.compress(bytes(MEGABYTE))
    yield packer.flush()


def zip_of(name: str, size: int, content: bytes = b"") -> bytes:
    """Return a small zip of a file that starts with `content` and goes on with spaces."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w") as entry,
    ):
        entry.write(content)
        for _number in range(size // MEGABYTE):
            entry.write(b" " * MEGABYTE)
    return file.getvalue()


def encrypted(archive: bytes) -> bytes:
    """Set the flag of encryption in both headers of the first entry."""
    local, central = archive.index(b"PK\x03\x04") + 6, archive.index(b"PK\x01\x02") + 8
    changed = bytearray(archive)
    changed[local] |= 1
    changed[central] |= 1
    return bytes(changed)


def test_a_text_is_passed_on_as_it_is() -> None:
    unpacked = unpack(in_pieces(FILE, 3))
    assert unpacked.is_original
    assert b"".join(unpacked) == FILE


@pytest.mark.parametrize("size", [1, 7, MEGABYTE])
def test_a_gzip_file_may_have_several_members_and_padding(size: int) -> None:
    content = gzip.compress(FILE[:20]) + gzip.compress(FILE[20:]) + bytes(30)
    assert text_of(content, size) == FILE


def test_a_zip_written_to_a_pipe_has_its_sizes_at_the_end() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, place: int, whence: int = 0) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    file = Pipe()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("liste.csv", FILE)
    assert text_of(file.getvalue()) == FILE


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (gzip.compress(FILE)[:-9], Refusal.ARCHIVE_DAMAGED),
        (gzip.compress(FILE)[:-8] + bytes(8), Refusal.ARCHIVE_DAMAGED),
        (gzip.compress(FILE) + b"more", Refusal.ARCHIVE_DAMAGED),
        (zipped({"a.csv": FILE})[:-30], Refusal.ARCHIVE_DAMAGED),
        (
            zipped({"a.csv": FILE}).replace(b"\x50\x4b\x03\x04\x14", b"\x50\x4b\x03\x04\xff", 1),
            None,
        ),
        (SHEET[: len(SHEET) // 2], Refusal.ARCHIVE_DAMAGED),
        (xls(HEADER, OMAR)[:2000], Refusal.ARCHIVE_DAMAGED),
        (encrypted(zipped({"a.csv": FILE})), Refusal.ENCRYPTED),
        (encrypted(SHEET), Refusal.ENCRYPTED),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), Refusal.ENCRYPTED),
        (zipped({"a.csv": FILE, "b.csv": FILE}), Refusal.SEVERAL_FILES),
        (zipped({}), Refusal.SEVERAL_FILES),
        (zipped({"[Content_Types].xml": b"", "word/document.xml": b""}), Refusal.NOT_CSV),
        (gzip.compress(gzip.compress(FILE)), Refusal.NESTED_ARCHIVE),
        (gzip.compress(zipped({"a.csv": FILE})), Refusal.NESTED_ARCHIVE),
        (zipped({"a.csv.gz": gzip.compress(FILE)}), Refusal.NESTED_ARCHIVE),
        (zipped({"a.zip": zipped({"a.csv": FILE})}), Refusal.NESTED_ARCHIVE),
    ],
)
def test_what_cannot_be_opened_is_refused(content: bytes, code: Refusal | None) -> None:
    if code is None:
        assert text_of(content) == FILE
    else:
        assert refusal_of(in_pieces(content)) == code


def test_a_changed_byte_in_a_zip_is_found_out() -> None:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("liste.csv", FILE)
    content = stored.getvalue().replace(b"Marin", b"Matin")
    assert refusal_of(in_pieces(content)) == Refusal.ARCHIVE_DAMAGED


@pytest.mark.usefixtures("bounded_memory")
def test_a_gigabyte_of_zeros_in_gzip_is_refused() -> None:
    assert refusal_of(zeros_gzipped(1024**3)) == Refusal.EXPANDS_TOO_MUCH


@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize("name", ["liste.csv", "xl/workbook.xml"])
def test_a_zip_that_expands_too_much_is_refused(name: str) -> None:
    assert refusal_of(in_pieces(zip_of(name, 300 * MEGABYTE))) == Refusal.EXPANDS_TOO_MUCH


def test_a_zip_that_lies_about_its_size_is_refused() -> None:
    content = zip_of("liste.csv", 300 * MEGABYTE)
    true_size = (300 * MEGABYTE).to_bytes(4, "little")
    assert content.count(true_size) >= 1
    lying = content.replace(true_size, (1000).to_bytes(4, "little"))
    assert refusal_of(in_pieces(lying)) == Refusal.ARCHIVE_DAMAGED


def test_what_a_file_holds_must_stay_under_the_bound(settings: object) -> None:
    settings.EXPANDED_MAX_BYTES = 100  # type: ignore[attr-defined]
    assert refusal_of(in_pieces(gzip.compress(FILE))) == Refusal.EXPANDS_TOO_MUCH
    assert refusal_of(in_pieces(zipped({"a.csv": FILE}))) == Refusal.EXPANDS_TOO_MUCH


def test_an_archive_that_does_not_fit_in_memory_is_refused(settings: object) -> None:
    settings.SPREADSHEET_MAX_BYTES = 1000  # type: ignore[attr-defined]
    assert refusal_of(in_pieces(SHEET)) == Refusal.ARCHIVE_TOO_BIG


@pytest.mark.usefixtures("bounded_memory")
def test_a_sheet_with_a_cell_far_away_is_refused() -> None:
    huge = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(SHEET)) as sheet,
        zipfile.ZipFile(huge, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in sheet.namelist():
            part = sheet.read(name)
            if name.startswith("xl/worksheets/"):
                last = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
                part = part.replace(b"</sheetData>", last)
            archive.writestr(name, part)
    assert refusal_of(in_pieces(huge.getvalue())) == Refusal.TOO_MANY_CELLS


@pytest.mark.django_db
@pytest.mark.parametrize("content", [gzip.compress(FILE)[:-9], zipped({"a": FILE, "b": FILE})])
def test_a_refused_archive_keeps_its_hash(content: bytes) -> None:
    affected_list = read(content)
    assert bytes(affected_list.sha256 or b"") == hashlib.sha256(content).digest()


@pytest.mark.django_db
def test_irregular_text_in_an_archive_is_read() -> None:
    assert read(gzip.compress(FILE.replace(b"\r\n", b"\r"))).members == 1


def children_of_this_process() -> dict[Path, bytes]:
    numbers = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    folders = [Path("/proc", number) for number in numbers]
    found = {folder: (folder / "cmdline").read_bytes() for folder in folders}
    return {folder: line for folder, line in found.items() if b"sheet_child" in line}


def test_the_child_gets_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALING_PRIVATE_KEY", "a key")
    text = iter(unpack(in_pieces(zipped({"a.csv": FILE * 50_000}))))
    next(text)
    (child,) = children_of_this_process()
    assert (child / "environ").read_bytes() == b"MALLOC_ARENA_MAX=1\0"
    text.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "attempt", ["open('/etc/hostname')", "socket.socket()", "os.pipe()", "os.open('/tmp/a', 65)"]
)
def test_the_child_opens_nothing(attempt: str) -> None:
    code = (
        "import os, socket, sys; sys.path.insert(0, sys.argv[1])\n"
        "from insurers.lists import sheet_child\n"
        "sheet_child._shut_in({'cpu': 10, 'memory': 2**30})\n"
        f"try:\n    {attempt}\nexcept OSError as error:\n    print(error.errno)"
    )
    root = str(Path(sheets.__file__).parents[2])
    ran = subprocess.run([sys.executable, "-I", "-c", code, root], capture_output=True, check=True)
    assert ran.stdout.decode().strip() == "24"  # EMFILE


def test_a_killed_child_refuses_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    start = sheets.start_child

    def start_and_kill(*, is_inside: bool) -> "subprocess.Popen[bytes]":
        child = start(is_inside=is_inside)
        os.kill(child.pid, 9)
        return child

    monkeypatch.setattr(sheets, "start_child", start_and_kill)
    assert refusal_of(in_pieces(ods(HEADER, OMAR))) == Refusal.READING_FAILED


def test_a_reader_that_leaves_ends_the_child() -> None:
    text = iter(unpack(in_pieces(zipped({"a.csv": FILE * 50_000}))))
    assert next(text).startswith(FILE[:10])
    text.close()  # type: ignore[attr-defined]
    assert not children_of_this_process()
