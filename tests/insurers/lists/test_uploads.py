"""Uploads are sealed while they stream in; what is not kept leaves nothing."""

import os
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser
from pytest_django.fixtures import Settings

from insurers.lists.uploads import (
    CHUNK_BYTES,
    SealedUpload,
    SealingUploadHandler,
    UploadDamagedError,
    clear_chunks,
    erase_forgotten_uploads,
    seal_file,
)
from insurers.models import AffectedList
from tests import cast
from tests.insurers.lists.files import LISE, csv_file, received

CONTENT = b"Lise Marin, 1980-12-31;" * 100_000


def as_list(upload: SealedUpload) -> AffectedList:
    return AffectedList(upload_id=upload.upload_id, chunk_count=upload.chunk_count)


def post(content: bytes, *, cut: int = 0) -> SealingUploadHandler:
    """Send a form with a file, as a browser does; `cut` bytes short."""
    mark = b"--limite"
    head = b'Content-Disposition: form-data; name="file"; filename="liste.csv"\r\n\r\n'
    body = mark + b"\r\n" + head + content + b"\r\n" + mark + b"--\r\n"
    meta = {
        "CONTENT_TYPE": "multipart/form-data; boundary=limite",
        "CONTENT_LENGTH": str(len(body)),
    }
    handler = SealingUploadHandler()
    handlers: list[FileUploadHandler] = [handler]
    MultiPartParser(meta, BytesIO(body[: len(body) - cut]), handlers).parse()
    return handler


def stored(folder: Path) -> list[Path]:
    return [path for path in (folder / "uploads").rglob("*") if path.is_file()]


def test_an_upload_comes_back_whole_and_in_order() -> None:
    upload = post(CONTENT).upload
    assert upload is not None
    assert (upload.chunk_count, upload.size_bytes) == (3, len(CONTENT))
    assert b"".join(clear_chunks(as_list(upload))) == CONTENT


def test_no_clear_byte_is_stored(tmp_path: Path) -> None:
    post(CONTENT)
    assert len(stored(tmp_path)) == 3
    for path in stored(tmp_path):
        assert b"Marin" not in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600


def test_an_upload_that_is_cut_leaves_nothing(tmp_path: Path) -> None:
    handler = post(CONTENT, cut=CHUNK_BYTES)
    assert handler.upload is None
    assert stored(tmp_path) == []


def test_an_upload_that_is_too_large_leaves_nothing(tmp_path: Path, settings: Settings) -> None:
    settings.UPLOAD_MAX_BYTES = CHUNK_BYTES + 1
    handler = post(CONTENT)
    assert (handler.too_large, handler.upload) == (True, None)
    assert stored(tmp_path) == []


def test_a_file_of_4_gb_may_come_unless_a_setting_says_otherwise(settings: Settings) -> None:
    assert settings.UPLOAD_MAX_BYTES == settings.EXPANDED_MAX_BYTES == 4 * 1024**3


def test_a_disk_that_is_full_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _disk_full)
    handler = post(CONTENT)
    assert (handler.storage_failed, handler.upload) == (True, None)
    assert stored(tmp_path) == []


def test_pieces_cannot_be_swapped_or_dropped(tmp_path: Path) -> None:
    upload = post(CONTENT).upload
    assert upload is not None
    first, second = (tmp_path / "uploads" / str(upload.upload_id) / name for name in "01")
    whole = first.read_bytes()
    first.write_bytes(second.read_bytes())
    with pytest.raises(UploadDamagedError):
        list(clear_chunks(as_list(upload)))
    first.write_bytes(whole[:-1])
    with pytest.raises(UploadDamagedError):
        list(clear_chunks(as_list(upload)))


def test_a_local_file_is_sealed_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "liste.csv"
    path.write_bytes(CONTENT)
    assert b"".join(clear_chunks(as_list(seal_file(path)))) == CONTENT


@pytest.mark.django_db
def test_uploads_that_no_list_names_are_removed_after_a_day(tmp_path: Path) -> None:
    forgotten, kept = post(CONTENT).upload, received(csv_file(LISE))
    now = datetime.now(UTC)
    assert erase_forgotten_uploads(now=now + timedelta(hours=23)) == 0
    assert erase_forgotten_uploads(now=now + timedelta(hours=25)) == 1
    assert forgotten is not None
    assert {path.parent.name for path in stored(tmp_path)} == {str(kept.upload_id)}
    assert kept.uploaded_at == cast.NOW


def _disk_full(descriptor: int) -> None:
    raise OSError(28, "No space left on device")
