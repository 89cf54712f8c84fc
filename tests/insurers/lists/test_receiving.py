"""A file that comes in parts: whatever happens between two parts, the file comes out whole."""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, Settings

from audit.models import AuditEntry
from insurers.lists.ingestion import ingest_list
from insurers.lists.problems import Refusal
from insurers.lists.receiving import (
    Announced,
    Part,
    append,
    cancel_upload,
    forget_uploads,
    start_upload,
)
from insurers.lists.upload_problems import UploadProblem, UploadRefused
from insurers.lists.uploads import CHUNK_BYTES, clear_chunks, erase_forgotten_uploads
from insurers.models import AffectedList, Upload, UploadState
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import LISE, csv_file

pytestmark = pytest.mark.django_db
FILE = bytes(range(256)) * (10 * CHUNK_BYTES // 1024) + b"end"  # two and a half pieces


def announced(size: int = len(FILE), **changes: object) -> Announced:
    fields = {
        "breach": cast.breach(),
        "insurer": cast.phare(),
        "operators": [cast.operator()],
        "population": cast.insured_people(),
        "size_bytes": size,
    }
    return Announced(**(fields | changes))  # type: ignore[arg-type]


def started(size: int = len(FILE), **changes: object) -> Upload:
    said, paule = announced(size, **changes), cast.paule()
    with as_role("web"):
        return start_upload(announced=said, author=paule, now=cast.NOW)


def clock() -> datetime:
    return cast.NOW


def reader(content: bytes) -> Callable[[int], bytes]:
    """Give a body as a web server does: not always as much as is asked for."""
    left = [content]

    def read(size: int) -> bytes:
        some, left[0] = left[0][: min(size, 300_000)], left[0][min(size, 300_000) :]
        return some

    return read


def send(upload: Upload, offset: int, content: bytes, *, cut: int = 0) -> AffectedList | None:
    """Send a part; `cut` bytes of it never come."""
    part = Part(offset, len(content), reader(content[: len(content) - cut]))
    found = Upload.objects.get(pk=upload.pk)
    with as_role("web"):
        return append(upload=found, part=part, clock=clock)


def refusal_of(act: Callable[[], object]) -> UploadRefused:
    with pytest.raises(UploadRefused) as refused:
        act()
    return refused.value


def stored(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "uploads").rglob("*") if path.is_file())


def test_a_file_sent_in_parts_becomes_a_list_with_the_last_one() -> None:
    upload = started()
    assert send(upload, 0, FILE[: 2 * CHUNK_BYTES]) is None
    made = send(upload, 2 * CHUNK_BYTES, FILE[2 * CHUNK_BYTES :])
    assert made is not None
    assert b"".join(clear_chunks(made)) == FILE
    assert (made.upload_id, made.uploaded_by, made.chunk_count) == (upload.pk, cast.paule(), 3)
    actions = AuditEntry.objects.order_by("sequence").values_list("action", flat=True)
    assert list(actions) == ["upload.started", "list.uploaded"]


def test_what_ends_within_a_piece_is_sent_again(tmp_path: Path) -> None:
    upload = started()
    send(upload, 0, FILE[: CHUNK_BYTES + 5])
    assert Upload.objects.get().received_bytes == CHUNK_BYTES
    assert stored(tmp_path) == ["0"]


def test_a_part_that_is_cut_keeps_its_whole_pieces() -> None:
    upload = started()
    refusal = refusal_of(lambda: send(upload, 0, FILE, cut=len(FILE) - 2 * CHUNK_BYTES + 1))
    assert (refusal.problem, refusal.offset) == (UploadProblem.INTERRUPTED, CHUNK_BYTES)
    made = send(upload, CHUNK_BYTES, FILE[CHUNK_BYTES:])
    assert made is not None
    assert b"".join(clear_chunks(made)) == FILE


@pytest.mark.parametrize(
    ("offset", "content", "problem"),
    [
        (5, FILE[5:], UploadProblem.WRONG_OFFSET),
        (0, FILE + b"x", UploadProblem.BEYOND_THE_END),
        (0, FILE[:5], UploadProblem.PART_TOO_SHORT),
    ],
)
def test_a_part_that_does_not_fit_is_refused_with_the_offset(
    offset: int, content: bytes, problem: UploadProblem
) -> None:
    upload = started()
    refusal = refusal_of(lambda: send(upload, offset, content))
    assert (refusal.problem, refusal.offset) == (problem, 0)


def test_a_newer_part_takes_over_from_one_that_hangs() -> None:
    upload = started()
    older = reader(FILE)

    def overtaken(size: int) -> bytes:
        if not Upload.objects.get().received_bytes:
            send(upload, 0, FILE[:CHUNK_BYTES])
        return older(size)

    hanging = Part(0, len(FILE), overtaken)
    refusal = refusal_of(lambda: append(upload=upload, part=hanging, clock=clock))
    assert refusal.problem == UploadProblem.OVERTAKEN
    made = send(upload, CHUNK_BYTES, FILE[CHUNK_BYTES:])
    assert made is not None
    assert b"".join(clear_chunks(made)) == FILE


def test_a_piece_that_was_stored_but_not_counted_is_replaced() -> None:
    upload = started()
    send(upload, 0, b"z" * CHUNK_BYTES)
    Upload.objects.update(received_bytes=0)  # As if the commit had been lost.
    made = send(upload, 0, FILE)
    assert made is not None
    assert b"".join(clear_chunks(made)) == FILE


def test_a_cancelled_upload_leaves_nothing_and_takes_nothing(
    tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    upload = started()
    send(upload, 0, FILE[:CHUNK_BYTES])
    with django_capture_on_commit_callbacks(execute=True), as_role("web"):
        cancel_upload(upload=upload, now=cast.NOW)
    assert stored(tmp_path) == []
    assert AuditEntry.objects.filter(action="upload.cancelled").count() == 1
    refusal = refusal_of(lambda: send(upload, CHUNK_BYTES, FILE[CHUNK_BYTES:]))
    assert refusal.problem == UploadProblem.GIVEN_UP


def test_a_finished_upload_is_neither_continued_nor_cancelled() -> None:
    upload = started()
    send(upload, 0, FILE)
    assert refusal_of(lambda: send(upload, 0, FILE)).problem == UploadProblem.COMPLETE
    with as_role("web"):
        refusal = refusal_of(lambda: cancel_upload(upload=upload, now=cast.NOW))
    assert refusal.problem == UploadProblem.COMPLETE


def test_an_upload_is_forgotten_after_a_day_without_a_byte(
    tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    upload = started()
    send(upload, 0, FILE[:CHUNK_BYTES])
    day = timedelta(hours=24)
    with django_capture_on_commit_callbacks(execute=True), as_role("worker"):
        assert forget_uploads(now=cast.NOW + day) == 0
        assert forget_uploads(now=cast.NOW + day + timedelta(seconds=1)) == 1
    assert Upload.objects.get().state == UploadState.FORGOTTEN
    assert stored(tmp_path) == []


def test_the_sweep_leaves_what_is_under_way(tmp_path: Path) -> None:
    send(started(), 0, FILE[:CHUNK_BYTES])
    with as_role("worker"):
        assert erase_forgotten_uploads(now=datetime.max.replace(tzinfo=cast.NOW.tzinfo)) == 0
    assert stored(tmp_path) == ["0"]


@pytest.fixture
def full_disk() -> Iterator[None]:
    """The kernel refuses to let a file grow past 100 KB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_is_full_is_said_and_leaves_nothing(
    tmp_path: Path,
    full_disk: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    upload = started()
    with django_capture_on_commit_callbacks(execute=True):
        refusal = refusal_of(lambda: send(upload, 0, FILE))
    assert refusal.problem == UploadProblem.NO_ROOM
    assert stored(tmp_path) == []
    assert Upload.objects.get().state == UploadState.NO_ROOM


def test_a_file_larger_than_the_disk_is_refused_before_its_first_byte(
    tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "uploads").mkdir()
    settings.UPLOAD_MAX_BYTES = 2**60
    too_much = os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize + 1
    assert refusal_of(lambda: started(too_much)).problem == UploadProblem.NO_ROOM


@pytest.mark.parametrize(
    ("size", "changes", "problem"),
    [
        (0, {}, UploadProblem.EMPTY),
        (2**40, {}, UploadProblem.TOO_LARGE),
        (5, {"operators": []}, UploadProblem.NOT_AFFILIATED),
    ],
)
def test_what_cannot_be_taken_is_refused_before_its_first_byte(
    size: int, changes: dict[str, object], problem: UploadProblem
) -> None:
    assert refusal_of(lambda: started(size, **changes)).problem == problem
    assert not Upload.objects.exists()


def test_a_file_that_is_not_the_one_announced_is_refused_by_the_worker() -> None:
    content = csv_file(LISE)
    made = send(started(len(content), expected_sha256=b"\1" * 32), 0, content)
    assert made is not None
    with as_role("worker"):
        ingest_list(list_id=made.pk, now=cast.NOW)
    made.refresh_from_db()
    assert made.refusal_code == Refusal.UPLOAD_DAMAGED
