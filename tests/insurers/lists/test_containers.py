"""What an upload is comes from its content; what cannot be opened is refused within bounds."""

import gzip
import io
import resource
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from insurers.lists.containers import Kind, Wrapping, unpack
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from tests.insurers.lists.made_workbooks import (
    CSV,
    ROWS,
    chunks,
    gzip_bomb,
    piped_zip,
    xlsx,
    zipped,
)

TEXT = CSV.encode() * 50
MACOS = {"liste/": b"", "liste/a.csv": TEXT, "__MACOSX/liste/._a.csv": b"x", ".DS_Store": b"y"}


def text_of(content: bytes, size: int = 65_536) -> bytes:
    return b"".join(unpack(chunks(content, size)))


def refusal_of(content: bytes) -> Refusal:
    with pytest.raises(FileRefusedError) as refused:
        text_of(content)
    return refused.value.code


def test_a_text_is_given_as_it_is() -> None:
    unpacked = unpack(chunks(TEXT))
    assert (unpacked.kind, unpacked.is_original, unpacked.notes) == (Kind.TEXT, True, None)
    assert b"".join(unpacked) == TEXT


@pytest.mark.parametrize("size", [1, 7, 65_536])
@pytest.mark.parametrize(
    ("content", "wrapping"),
    [
        (gzip.compress(TEXT), Wrapping.GZIP),
        (gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:]), Wrapping.GZIP),
        (gzip.compress(TEXT) + bytes(512), Wrapping.GZIP),
        (zipped({"a.csv": TEXT}), Wrapping.ZIP),
        (zipped({"sans-nom": TEXT}, zipfile.ZIP_STORED), Wrapping.ZIP),
        (zipped(MACOS), Wrapping.ZIP),
        (piped_zip("a.csv", TEXT), Wrapping.ZIP),
        (piped_zip("a.csv", TEXT, is_zip64=True), Wrapping.ZIP),
    ],
    ids=["gz", "two members", "padded gz", "zip", "stored", "macos", "piped zip", "piped zip64"],
)
def test_a_text_is_found_in_an_archive(content: bytes, wrapping: Wrapping, size: int) -> None:
    unpacked = unpack(chunks(content, size))
    assert (unpacked.kind, unpacked.wrapping) == (Kind.TEXT, wrapping)
    assert not unpacked.is_original
    assert b"".join(unpacked) == TEXT


def test_a_zip_that_announces_large_sizes_is_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("a", "w", force_zip64=True) as entry:
        entry.write(TEXT)
    assert text_of(file.getvalue()) == TEXT


@pytest.mark.parametrize("wrap", [gzip.compress, lambda content: zipped({"a.csv": content})])
def test_a_workbook_is_found_in_an_archive(wrap: object) -> None:
    assert text_of(wrap(xlsx(ROWS))).decode() == CSV  # type: ignore[operator]


def corrupt(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


def encrypted_zip() -> bytes:
    content = bytearray(zipped({"a.csv": TEXT}))
    content[6] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (gzip.compress(TEXT)[:-1], Refusal.ARCHIVE_DAMAGED),
        (gzip.compress(TEXT)[:40], Refusal.ARCHIVE_DAMAGED),
        (corrupt(gzip.compress(TEXT)), Refusal.ARCHIVE_DAMAGED),
        (gzip.compress(TEXT) + b"more", Refusal.ARCHIVE_DAMAGED),
        (zipped({"a.csv": TEXT})[:60], Refusal.ARCHIVE_DAMAGED),
        (zipped({"a.csv": TEXT})[:-1], Refusal.ARCHIVE_DAMAGED),
        (zipped({"a.csv": TEXT}, zipfile.ZIP_STORED)[:2000], Refusal.ARCHIVE_DAMAGED),
        (corrupt(zipped({"a.csv": TEXT}, zipfile.ZIP_STORED)), Refusal.ARCHIVE_DAMAGED),
        (piped_zip("a.csv", TEXT)[:-80], Refusal.ARCHIVE_DAMAGED),
        (zipped({"a.csv": TEXT, "b.csv": TEXT}), Refusal.ARCHIVE_SEVERAL_FILES),
        (zipped({f"{n}/": b"" for n in range(2000)}), Refusal.ARCHIVE_SEVERAL_FILES),
        (zipped({}), Refusal.ARCHIVE_EMPTY),
        (zipped({"liste/": b""}), Refusal.ARCHIVE_EMPTY),
        (gzip.compress(gzip.compress(TEXT)), Refusal.ARCHIVE_NESTED),
        (zipped({"a.gz": gzip.compress(TEXT)}), Refusal.ARCHIVE_NESTED),
        (gzip.compress(zipped({"a.csv": TEXT})), Refusal.ARCHIVE_NESTED),
        (zipped({"a.csv": TEXT}, zipfile.ZIP_LZMA), Refusal.ARCHIVE_NOT_READ),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), Refusal.ARCHIVE_NOT_READ),
        (b"Rar!\x1a\x07\x01\x00" + bytes(100), Refusal.ARCHIVE_NOT_READ),
        (encrypted_zip(), Refusal.ENCRYPTED),
        (b"%PDF-1.7\n", Refusal.NOT_CSV),
        (b"<html><table><tr><td>A1", Refusal.NOT_CSV),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Workbook>", Refusal.NOT_CSV),
        (zipped({"a.csv": b"%PDF-1.7\n"}), Refusal.NOT_CSV),
    ],
)
def test_what_cannot_be_opened_is_refused(content: bytes, code: Refusal) -> None:
    assert refusal_of(content) == code


def test_an_upload_over_the_bound_is_refused(settings: Settings) -> None:
    settings.UPLOAD_MAX_BYTES = len(TEXT) - 1
    assert refusal_of(TEXT) == Refusal.UPLOAD_TOO_LARGE


@pytest.mark.parametrize("wrap", [gzip.compress, lambda content: zipped({"a.csv": content})])
def test_what_expands_over_the_bound_is_refused(wrap: object, settings: Settings) -> None:
    settings.EXPANDED_MAX_BYTES = len(TEXT) - 1
    assert refusal_of(wrap(TEXT)) == Refusal.EXPANDED_TOO_LARGE  # type: ignore[operator]


def test_a_small_file_may_compress_well() -> None:
    assert len(text_of(gzip.compress(b"A;1\n" * 2**20))) == 2**22


def test_a_bomb_is_refused_before_memory_grows() -> None:
    bomb = gzip_bomb(2048)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileRefusedError) as refused:
        sum(map(len, unpack(chunks(bomb))))
    assert refused.value.code == Refusal.COMPRESSION_RATIO
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


@given(
    content=st.binary(max_size=300), start=st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08"])
)
def test_any_bytes_are_given_or_refused(content: bytes, start: bytes) -> None:
    whole = start + content
    try:
        unpacked = unpack(chunks(whole, 13))
        is_workbook = unpacked.kind == Kind.WORKBOOK
        text = whole if is_workbook else b"".join(unpacked)
    except FileRefusedError:
        text = whole
    assert text == whole or start
