"""Uploads: sealed to the worker in numbered pieces as they stream in.

No clear byte reaches a disk. A piece says, inside the seal, which upload it belongs to and
which number it has, so that pieces cannot be swapped, dropped or repeated unseen.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, StopUpload

from insurers.lists.sealing import DamagedError, open_sealed, seal
from insurers.models import AffectedList

CHUNK_BYTES = 1024**2
FORGOTTEN_AFTER = timedelta(hours=24)


class UploadDamagedError(Exception):
    """A sealed piece is missing, changed or out of place."""


@dataclass(frozen=True)
class SealedUpload:
    """What is known of an upload without opening it."""

    upload_id: UUID
    chunk_count: int
    size_bytes: int


class ChunkWriter:
    """Seals what it is given into the numbered pieces of one new upload."""

    def __init__(self) -> None:
        self.upload_id = uuid4()
        self.size_bytes = 0
        self._count = 0
        self._pending = bytearray()

    def write(self, content: bytes) -> None:
        """Take some bytes; whole pieces go to disk, sealed."""
        self.size_bytes += len(content)
        self._pending += content
        while len(self._pending) >= CHUNK_BYTES:
            self._store(bytes(self._pending[:CHUNK_BYTES]))
            del self._pending[:CHUNK_BYTES]

    def close(self) -> SealedUpload:
        """Store the rest and return the upload."""
        if self._pending:
            self._store(bytes(self._pending))
            self._pending.clear()
        return SealedUpload(self.upload_id, self._count, self.size_bytes)

    def discard(self) -> None:
        """Remove what was stored."""
        self._pending.clear()
        erase_chunks(self.upload_id)

    def _store(self, content: bytes) -> None:
        folder = _folder(self.upload_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed = seal(_header(self.upload_id, self._count) + content)
        descriptor = os.open(folder / str(self._count), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        self._count += 1


def seal_file(path: Path) -> SealedUpload:
    """Seal a local file as if it had been uploaded."""
    writer = ChunkWriter()
    try:
        with path.open("rb") as file:
            while content := file.read(CHUNK_BYTES):
                writer.write(content)
        return writer.close()
    except BaseException:
        writer.discard()
        raise


def clear_chunks(affected_list: AffectedList) -> Iterator[bytes]:
    """Yield the bytes of a list's upload in order (worker only), or raise UploadDamagedError."""
    upload_id = affected_list.upload_id
    for number in range(affected_list.chunk_count):
        header = _header(upload_id, number)
        try:
            content = open_sealed((_folder(upload_id) / str(number)).read_bytes())
        except (FileNotFoundError, DamagedError) as error:
            raise UploadDamagedError from error
        if not content.startswith(header):
            raise UploadDamagedError
        yield content[len(header) :]


def erase_chunks(upload_id: UUID) -> None:
    """Remove an upload's pieces; nothing happens where there are none."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(_folder(upload_id))


def erase_forgotten_uploads(*, now: datetime) -> int:
    """Remove uploads older than a day that no list names; return how many."""
    erased = 0
    limit = (now - FORGOTTEN_AFTER).timestamp()
    for folder in settings.UPLOAD_DIR.glob("????????-????-????-????-????????????"):
        if folder.stat().st_mtime > limit:
            continue
        if not AffectedList.objects.filter(upload_id=folder.name).exists():
            erase_chunks(UUID(folder.name))
            erased += 1
    return erased


def _folder(upload_id: UUID) -> Path:
    return Path(settings.UPLOAD_DIR) / str(upload_id)


def _header(upload_id: UUID, number: int) -> bytes:
    return upload_id.bytes + number.to_bytes(4, "big")


class SealingUploadHandler(FileUploadHandler):
    """Django upload handler that seals the file as it comes, and gives it to no form.

    After parsing, `upload` is what was stored, or None with the reason in `too_large` or
    `storage_failed`. The view that keeps the upload calls `keep`; otherwise `discard`.
    """

    chunk_size = CHUNK_BYTES

    def __init__(self) -> None:
        super().__init__()
        self.upload: SealedUpload | None = None
        self.too_large = False
        self.storage_failed = False
        self._writer: ChunkWriter | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.discard()
        self._writer = ChunkWriter()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        assert self._writer is not None
        if start + len(raw_data) > settings.UPLOAD_MAX_BYTES:
            self.too_large = True
        else:
            try:
                self._writer.write(raw_data)
            except OSError:
                self.storage_failed = True
        if self.too_large or self.storage_failed:
            self.discard()
            # The rest is read and dropped, so that the browser shows our answer.
            raise StopUpload(connection_reset=False)

    def file_complete(self, file_size: int) -> None:
        assert self._writer is not None
        try:
            self.upload = self._writer.close()
        except OSError:
            self.storage_failed = True
            self.discard()

    def upload_interrupted(self) -> None:
        self.discard()

    def discard(self) -> None:
        """Remove what was stored, if anything."""
        self.upload = None
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def keep(self) -> None:
        """Leave the pieces where they are: a list names them now."""
        self._writer = None
