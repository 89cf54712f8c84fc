"""A file that comes in parts: start, append, cancel, forget. Any web process may continue.

The row says how many whole pieces are on the disk; a piece counts once it is there under its
number. A newer part takes an upload over: whatever hangs is found out at its next piece. The
functions open their own short transactions, so that none is open while the network is waited for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from audit.trail import SYSTEM, actor_of, insurer_scope, record
from insurers.lists.ingestion import OperatorsNotAffiliatedError, operators_for, register_list
from insurers.lists.upload_problems import UploadProblem, UploadRefused
from insurers.lists.uploads import (
    CHUNK_BYTES,
    FORGOTTEN_AFTER,
    SealedUpload,
    erase_chunks,
    has_room_for,
    sealed_draft,
)
from insurers.models import (
    AffectedList,
    ApiToken,
    Breach,
    Insurer,
    ListEffect,
    Operator,
    Population,
    Upload,
    UploadState,
)
from insurers.row_security import row_scope

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Announced:
    """What the sender says of a file before its first byte."""

    breach: Breach
    insurer: Insurer
    operators: list[Operator]
    population: Population
    size_bytes: int
    expected_sha256: bytes | None = None
    file_modified_ms: int | None = None
    effect: ListEffect = ListEffect.ADD
    corrects: AffectedList | None = None


@dataclass(frozen=True)
class Part:
    """Some bytes of a file: `read(n)` gives at most n of the `length` that are announced."""

    offset: int
    length: int
    read: Callable[[int], bytes]


def start_upload(
    *, announced: Announced, author: AbstractBaseUser | ApiToken, now: datetime
) -> Upload:
    """Open an upload for a person or a program, or raise UploadRefused."""
    if announced.size_bytes == 0:
        raise UploadRefused(UploadProblem.EMPTY)
    if announced.size_bytes > settings.UPLOAD_MAX_BYTES:
        raise UploadRefused(UploadProblem.TOO_LARGE)
    if not has_room_for(announced.size_bytes):
        raise UploadRefused(UploadProblem.NO_ROOM)
    is_program = isinstance(author, ApiToken)
    if announced.breach.is_closed(timezone.localdate(now)):
        raise UploadRefused(UploadProblem.BREACH_CLOSED)
    with _rows_of(announced.insurer.pk):
        possible = operators_for(breach=announced.breach, insurer=announced.insurer)
        if not announced.operators or not set(announced.operators) <= set(possible):
            raise UploadRefused(UploadProblem.NOT_AFFILIATED)
        upload = Upload.objects.create(
            id=uuid4(),
            insurer=announced.insurer,
            breach=announced.breach,
            population=announced.population,
            state=UploadState.RECEIVING,
            size_bytes=announced.size_bytes,
            expected_sha256=announced.expected_sha256,
            file_modified_ms=announced.file_modified_ms,
            effect=announced.effect,
            corrects=announced.corrects,
            created_by_id=None if is_program else author.pk,
            token=author if isinstance(author, ApiToken) else None,
            created_at=now,
            last_at=now,
        )
        upload.operators.set(announced.operators)
        _record(upload, "upload.started", _author(upload))
    return upload


def append(*, upload: Upload, part: Part, clock: Clock) -> AffectedList | None:
    """Seal a part as it comes; return the list once the file is whole.

    `upload` is brought up to date. Raises UploadRefused; what came until then in whole pieces
    of 1 MiB stays, unless the disk is full: then nothing of the upload stays.
    """
    attempt = _take_over(upload, part, clock())
    pending = bytearray()
    left = part.length
    while left:
        content = _read(part, min(left, CHUNK_BYTES - len(pending)))
        if not content:
            raise UploadRefused(UploadProblem.INTERRUPTED, offset=upload.received_bytes)
        left -= len(content)
        pending += content
        is_last = upload.received_bytes + len(pending) == upload.size_bytes
        if len(pending) == CHUNK_BYTES or is_last:
            made = _store_piece(upload, attempt, bytes(pending), clock)
            pending.clear()
            if made is not None:
                return made
    return None


def cancel_upload(*, upload: Upload, now: datetime) -> None:
    """Give an upload up and erase what came of it, or raise UploadRefused."""
    with _rows_of(upload.insurer_id):
        if not _end(upload, UploadState.CANCELLED, "upload.cancelled", _author(upload)):
            raise _ended(Upload.objects.get(pk=upload.pk))


def forget_uploads(*, now: datetime) -> int:
    """Give up the uploads that nobody continued for 24 hours (worker only); return how many."""
    idle = Upload.objects.under_way().filter(last_at__lt=now - FORGOTTEN_AFTER)
    forgotten = 0
    for upload in idle:
        with transaction.atomic():
            forgotten += _end(upload, UploadState.FORGOTTEN, "upload.forgotten", SYSTEM)
    return forgotten


def made_list(upload: Upload) -> AffectedList | None:
    """Return the list that a finished upload made."""
    return AffectedList.objects.filter(upload_id=upload.pk).first()


def _take_over(upload: Upload, part: Part, now: datetime) -> int:
    """Make this part the one that writes; return its number."""
    with _rows_of(upload.insurer_id):
        upload.refresh_from_db(from_queryset=Upload.objects.select_for_update())
        if upload.state != UploadState.RECEIVING:
            raise _ended(upload)
        if part.offset != upload.received_bytes:
            raise UploadRefused(UploadProblem.WRONG_OFFSET, offset=upload.received_bytes)
        end = part.offset + part.length
        if end > upload.size_bytes:
            raise UploadRefused(UploadProblem.BEYOND_THE_END, offset=upload.received_bytes)
        if part.length < CHUNK_BYTES and end < upload.size_bytes:
            raise UploadRefused(UploadProblem.PART_TOO_SHORT, offset=upload.received_bytes)
        upload.attempt += 1
        upload.last_at = now
        upload.save(update_fields=["attempt", "last_at"])
    _let_go_of_the_database()
    return upload.attempt


def _read(part: Part, size: int) -> bytes:
    try:
        return part.read(size)
    except OSError:  # How a web server tells that the sender is gone.
        return b""


def _store_piece(upload: Upload, attempt: int, content: bytes, clock: Clock) -> AffectedList | None:
    """Put one piece on the disk and count it, unless a newer part took over."""
    number = upload.received_bytes // CHUNK_BYTES
    try:
        with sealed_draft(upload.pk, number, content) as draft, _rows_of(upload.insurer_id):
            counted = Upload.objects.under_way().filter(pk=upload.pk, attempt=attempt)
            if not counted.update(
                received_bytes=F("received_bytes") + len(content), last_at=clock()
            ):
                raise UploadRefused(UploadProblem.OVERTAKEN)
            # Under the row's lock, so that no other part can put this number there.
            draft.keep()
            upload.received_bytes += len(content)
            made = _finish(upload, clock()) if upload.received_bytes == upload.size_bytes else None
    except OSError as error:
        with _rows_of(upload.insurer_id):
            _end(upload, UploadState.NO_ROOM, "upload.no_room", SYSTEM)
        raise UploadRefused(UploadProblem.NO_ROOM) from error
    _let_go_of_the_database()
    return made


def _finish(upload: Upload, now: datetime) -> AffectedList:
    pieces = -(-upload.size_bytes // CHUNK_BYTES)
    upload.state = UploadState.RECEIVED
    upload.save(update_fields=["state"])
    try:
        return register_list(
            breach=upload.breach,
            insurer=upload.insurer,
            operators=upload.operators.all(),
            population=upload.population,
            upload=SealedUpload(upload.pk, pieces, upload.size_bytes),
            uploaded_by=upload.created_by,
            uploaded_with=upload.token,
            expected_sha256=bytes(upload.expected_sha256) if upload.expected_sha256 else None,
            effect=ListEffect(upload.effect),
            corrects=upload.corrects,
            now=now,
        )
    except OperatorsNotAffiliatedError as error:
        raise UploadRefused(UploadProblem.NOT_AFFILIATED) from error


def _end(upload: Upload, state: UploadState, action: str, actor: str) -> int:
    """Close an upload that is under way and erase its pieces; return 1, or 0 if it was closed."""
    ended = Upload.objects.under_way().filter(pk=upload.pk).update(state=state)
    if ended:
        _record(upload, action, actor)
        transaction.on_commit(partial(erase_chunks, upload.pk))
    return ended


def _ended(upload: Upload) -> UploadRefused:
    if upload.state == UploadState.RECEIVED:
        return UploadRefused(UploadProblem.COMPLETE, offset=upload.size_bytes)
    return UploadRefused(UploadProblem.GIVEN_UP)


def _author(upload: Upload) -> str:
    return actor_of(account_id=upload.created_by_id, token_id=upload.token_id)


def _record(upload: Upload, action: str, actor: str) -> None:
    record(
        action=action,
        scope=insurer_scope(upload.insurer_id),
        actor=actor,
        subject=f"upload:{upload.pk}",
        detail={"size_bytes": upload.size_bytes, "received_bytes": upload.received_bytes},
    )


@contextmanager
def _rows_of(insurer_id: UUID) -> Iterator[None]:
    with row_scope(insurers=(insurer_id,), role="staff", user_id=None):
        yield


def _let_go_of_the_database() -> None:
    """Give the connection back to the pool while the network is waited for."""
    if not connection.in_atomic_block:
        connection.close()
