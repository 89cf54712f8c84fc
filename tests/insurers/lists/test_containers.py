"""Archives: what they hold is read, and what would hurt the reader is refused early."""

import gzip
import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from insurers.lists.containers import unpack
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from tests.insurers.lists.files import LISE, csv_file, read
from tests.insurers.lists.workbooks import (
    HEADER,
    OMAR,
    Pipe,
    compressible,
    piped_zip,
    xls,
    xlsx,
    zipped,
)

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


def zip_of_gigabytes(count: int) -> Iterator[bytes]:
    """Yield a zip64, written to a pipe, of a file of gigabytes that compress a hundred times."""
    pipe = Pipe()
    with (
        zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("liste.csv", "w", force_zip64=True) as entry,
    ):
        block = (os.urandom(5_000) * 1000)[: 4 * MEGABYTE]
        for _number in range(count * 256):
            entry.write(block)
            yield pipe.taken()
    yield pipe.taken()


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


def test_a_gzip_file_may_be_cut_into_many_members_that_hold_something() -> None:
    part = FILE[:1] + os.urandom(1000)
    assert text_of(gzip.compress(part) * 3000) == part * 3000


def zip_with_large_sizes() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("a", "w", force_zip64=True) as entry:
        entry.write(FILE)
    return file.getvalue()


@pytest.mark.parametrize("size", [1, 7, MEGABYTE])
@pytest.mark.parametrize(
    "content",
    [
        zipped({"liste.csv": FILE}),
        zipped({"sans nom": FILE}, zipfile.ZIP_STORED),
        zipped({"liste/": b"", "liste/a.csv": FILE, "__MACOSX/._a.csv": b"x", ".DS_Store": b"y"}),
        piped_zip("liste.csv", FILE),
        piped_zip("liste.csv", FILE, is_zip64=True),
        zip_with_large_sizes(),
    ],
    ids=["zip", "stored", "of macOS", "piped", "piped zip64", "zip64"],
)
def test_a_zip_of_one_file_is_read_whatever_wrote_it(content: bytes, size: int) -> None:
    assert text_of(content, size) == FILE


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (gzip.compress(FILE)[:-9], Refusal.ARCHIVE_DAMAGED),
        (gzip.compress(FILE)[:-8] + bytes(8), Refusal.ARCHIVE_DAMAGED),
        (gzip.compress(FILE) + b"more", Refusal.ARCHIVE_DAMAGED),
        (gzip.compress(b"") * 60_000, Refusal.TOO_MANY_PARTS),
        (zipped({"a.csv": FILE})[:-30], Refusal.ARCHIVE_DAMAGED),
        (zipped({"a.csv": FILE}, zipfile.ZIP_STORED)[:150], Refusal.ARCHIVE_DAMAGED),
        (piped_zip("a.csv", FILE)[:-80], Refusal.ARCHIVE_DAMAGED),
        (zipped({"a.csv": FILE}, zipfile.ZIP_LZMA), Refusal.ARCHIVE_NOT_READ),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), Refusal.ARCHIVE_NOT_READ),
        (b"Rar!\x1a\x07\x01\x00" + bytes(100), Refusal.ARCHIVE_NOT_READ),
        (b"%PDF-1.7\n", Refusal.NOT_CSV),
        (b"<html><table><tr><td>A1", Refusal.NOT_CSV),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Workbook>", Refusal.NOT_CSV),
        (zipped({"a.csv": b"%PDF-1.7\n"}), Refusal.NOT_CSV),
        (SHEET[: len(SHEET) // 2], Refusal.ARCHIVE_DAMAGED),
        (xls(HEADER, OMAR)[:2000], Refusal.ARCHIVE_DAMAGED),
        (encrypted(zipped({"a.csv": FILE})), Refusal.ENCRYPTED),
        (encrypted(SHEET), Refusal.ENCRYPTED),
        (zipped({"a.csv": FILE, "b.csv": FILE}), Refusal.SEVERAL_FILES),
        (zipped({}), Refusal.SEVERAL_FILES),
        (zipped({"liste/": b""}), Refusal.SEVERAL_FILES),
        (zipped({f"{n}/": b"" for n in range(2000)}), Refusal.SEVERAL_FILES),
        (zipped({"[Content_Types].xml": b"", "word/document.xml": b""}), Refusal.NOT_CSV),
        (gzip.compress(gzip.compress(FILE)), Refusal.NESTED_ARCHIVE),
        (gzip.compress(zipped({"a.csv": FILE})), Refusal.NESTED_ARCHIVE),
        (zipped({"a.csv.gz": gzip.compress(FILE)}), Refusal.NESTED_ARCHIVE),
        (zipped({"a.zip": zipped({"a.csv": FILE})}), Refusal.NESTED_ARCHIVE),
    ],
)
def test_what_cannot_be_opened_is_refused(content: bytes, code: Refusal) -> None:
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


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: zipped({"liste.csv": text})])
def test_what_grows_over_200_times_is_refused_and_what_stays_under_is_read(
    pack: Callable[[bytes], bytes],
) -> None:
    over, under = (compressible(20 * MEGABYTE, noise=noise) for noise in (220, 250))
    assert 200 < len(over) / len(pack(over)) < 215
    assert refusal_of(in_pieces(pack(over))) == Refusal.EXPANDS_TOO_MUCH
    assert 185 < len(under) / len(pack(under)) < 200
    assert text_of(pack(under)) == under


def test_a_zip_that_lies_about_its_size_is_refused() -> None:
    content = zip_of("liste.csv", 300 * MEGABYTE)
    true_size = (300 * MEGABYTE).to_bytes(4, "little")
    assert content.count(true_size) >= 1
    lying = content.replace(true_size, (1000).to_bytes(4, "little"))
    assert refusal_of(in_pieces(lying)) == Refusal.EXPANDS_TOO_MUCH


@pytest.mark.full
@pytest.mark.usefixtures("bounded_memory")
def test_a_zip_of_more_than_4_gb_is_read(settings: Settings) -> None:
    settings.EXPANDED_MAX_BYTES = 5 * 1024**3
    size = 0
    for piece in unpack(zip_of_gigabytes(5)):
        size += len(piece)
    assert size == 5 * 1024**3


def test_a_small_file_may_compress_well() -> None:
    assert len(text_of(gzip.compress(b"A;1\n" * 2**20))) == 2**22


@given(
    content=st.binary(max_size=300), start=st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08"])
)
def test_any_bytes_are_given_or_refused(content: bytes, start: bytes) -> None:
    whole = start + content
    try:
        unpacked = unpack(in_pieces(whole, 13))
        text = whole if unpacked.notes else b"".join(unpacked)
    except FileRefusedError:
        return
    assert text == whole or start


def test_what_a_file_holds_must_stay_under_the_bound(settings: Settings) -> None:
    settings.EXPANDED_MAX_BYTES = 100
    assert refusal_of(in_pieces(gzip.compress(FILE))) == Refusal.EXPANDS_TOO_MUCH
    assert refusal_of(in_pieces(zipped({"a.csv": FILE}))) == Refusal.EXPANDS_TOO_MUCH


@pytest.mark.django_db
@pytest.mark.parametrize("content", [gzip.compress(FILE)[:-9], zipped({"a": FILE, "b": FILE})])
def test_a_refused_archive_keeps_its_hash(content: bytes) -> None:
    affected_list = read(content)
    assert bytes(affected_list.sha256 or b"") == hashlib.sha256(content).digest()


@pytest.mark.django_db
def test_irregular_text_in_an_archive_is_read() -> None:
    assert read(gzip.compress(FILE.replace(b"\r\n", b"\r"))).members == 1
