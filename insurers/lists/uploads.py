"""Uploads: sealed to the worker in numbered pieces as they stream in.

No clear byte reaches a disk. A piece says, inside the seal, which upload it belongs to and
which number it has, so that pieces cannot be swapped, dropped or repeated unseen.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, StopUpload

from insurers.lists.sealing import DamagedError, open_sealed, seal
from insurers.models import AffectedList, Upload

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

    def __init__(self, upload_id: UUID | None = None) -> None:
        self.upload_id = upload_id or uuid4()
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
        with sealed_draft(self.upload_id, self._count, content) as draft:
            draft.keep()
        self._count += 1


@dataclass(frozen=True)
class SealedDraft:
    """A sealed piece on disk under a name of its own, until `keep` gives it its number."""

    _path: Path
    _number: int

    def keep(self) -> None:
        """Make it the piece of its number, in place of any other, safe from a power cut."""
        self._path.replace(self._path.with_name(str(self._number)))
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def sealed_draft(upload_id: UUID, number: int, content: bytes) -> Iterator[SealedDraft]:
    """Seal a piece to disk for the block, which keeps it or not; raise OSError without room."""
    folder = _folder(upload_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{number}.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(seal(_header(upload_id, number) + content))
            file.flush()
            os.fsync(file.fileno())
        yield SealedDraft(path, number)
    finally:
        path.unlink(missing_ok=True)


def has_room_for(size_bytes: int) -> bool:
    """Whether the disk of the sealed uploads has room for so many bytes at this moment."""
    folder = Path(settings.UPLOAD_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free >= size_bytes


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
    return clear_pieces(affected_list.upload_id, affected_list.chunk_count)


def clear_pieces(upload_id: UUID, count: int) -> Iterator[bytes]:
    """Yield the bytes of the first pieces in order (worker only), or raise UploadDamagedError."""
    for number in range(count):
        yield _clear_chunk(upload_id, number)


def clear_range(upload_id: UUID, start: int, end: int) -> bytes:
    """Return bytes [start, end) of an upload (worker only), or raise UploadDamagedError."""
    first, last = start // CHUNK_BYTES, (end - 1) // CHUNK_BYTES
    content = b"".join(_clear_chunk(upload_id, number) for number in range(first, last + 1))
    found = content[start - first * CHUNK_BYTES : end - first * CHUNK_BYTES]
    if len(found) != end - start:
        raise UploadDamagedError
    return found


def _clear_chunk(upload_id: UUID, number: int) -> bytes:
    header = _header(upload_id, number)
    try:
        content = open_sealed((_folder(upload_id) / str(number)).read_bytes())
    except (FileNotFoundError, DamagedError) as error:
        raise UploadDamagedError from error
    if not content.startswith(header):
        raise UploadDamagedError
    return content[len(header) :]


def erase_chunks(upload_id: UUID) -> None:
    """Remove an upload's pieces; nothing happens where there are none."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(_folder(upload_id))


def erase_forgotten_uploads(*, now: datetime) -> int:
    """Remove what came over a day ago and is neither a list's nor under way; return how many."""
    erased = 0
    limit = (now - FORGOTTEN_AFTER).timestamp()
    undecided = AffectedList.objects.filter(chunk_count__gt=0).values_list("upload_id", flat=True)
    under_way = Upload.objects.under_way().values_list("pk", flat=True)
    known = {str(name) for name in under_way}
    known |= {str(name) for upload_id in undecided for name in _with_copies(upload_id)}
    for folder in settings.UPLOAD_DIR.glob("????????-????-????-????-????????????"):
        if folder.stat().st_mtime > limit:
            continue
        if folder.name not in known:
            erase_chunks(UUID(folder.name))
            erased += 1
    return erased


def text_id(upload_id: UUID) -> UUID:
    """Return the name of the pieces of the text found in an archive or a workbook."""
    return uuid5(upload_id, "text")


def regular_text_id(upload_id: UUID) -> UUID:
    """Return the name of the pieces of a copy that was rewritten to be read."""
    return uuid5(upload_id, "regular text")


def erase_upload(upload_id: UUID) -> None:
    """Remove an upload's pieces and those of its copies."""
    for name in _with_copies(upload_id):
        erase_chunks(name)


def _with_copies(upload_id: UUID) -> tuple[UUID, ...]:
    return upload_id, text_id(upload_id), regular_text_id(upload_id)


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
