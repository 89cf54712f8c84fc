"""The sweep: what Redis forgot or a dead worker left is queued again."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from insurers import tasks
from insurers.lists.acceptance import decide_to_accept, publish_list
from insurers.lists.problems import Refusal
from insurers.lists.refusing import refuse_list
from insurers.lists.withdrawal import decide_to_withdraw
from insurers.models import AffectedList, ListState
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import (
    LISE,
    csv_file,
    members_of,
    other_worker_holding,
    read,
    received,
    table_exists,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what is queued instead of publishing it."""

    def run(task: Callable[..., None], *, expires: float | None = None, **ids: int) -> None:
        task(**ids)

    monkeypatch.setattr(tasks, "enqueue", run)


def sweep() -> None:
    with as_role("worker"):
        tasks.resume_lists()


def test_an_upload_that_redis_forgot_is_read() -> None:
    affected_list = received(csv_file(LISE), now=timezone.now())
    sweep()
    affected_list.refresh_from_db()
    assert affected_list.state == ListState.REVIEW


def test_a_reading_without_its_worker_is_started_again() -> None:
    affected_list = received(csv_file(LISE), now=timezone.now())
    AffectedList.objects.filter(pk=affected_list.pk).update(state=ListState.INGESTING, attempt=1)
    sweep()
    affected_list.refresh_from_db()
    assert (affected_list.state, affected_list.attempt) == (ListState.REVIEW, 2)


def test_a_reading_that_goes_on_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[int] = []
    monkeypatch.setattr(tasks, "enqueue", lambda task, expires, list_id: queued.append(list_id))
    affected_list = received(csv_file(LISE), now=timezone.now())
    with other_worker_holding(affected_list.pk):
        sweep()
    assert queued == []


def test_what_the_sweep_queues_expires_lest_it_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds: list[float] = []
    monkeypatch.setattr(tasks, "enqueue", lambda task, expires, list_id: seconds.append(expires))
    received(csv_file(LISE), now=timezone.now())
    sweep()
    assert seconds == [tasks.SWEPT_FOR]


def test_an_acceptance_that_was_cut_is_finished() -> None:
    affected_list = read(csv_file(LISE))
    decide_to_accept(affected_list=affected_list, decided_by=None, now=cast.NOW)
    sweep()
    assert len(members_of(affected_list)) == 1


def test_the_file_of_a_list_withdrawn_at_once_is_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    affected_list = read(csv_file(LISE), now=timezone.now())
    decide_to_accept(affected_list=affected_list, decided_by=None, now=cast.NOW)
    with monkeypatch.context() as killed, as_role("worker"):
        killed.setattr("insurers.lists.acceptance.forget_upload", _die)
        with pytest.raises(KeyboardInterrupt):
            publish_list(list_id=affected_list.pk)
    decide_to_withdraw(affected_list=affected_list, decided_by=cast.paule(), now=cast.NOW)
    sweep()
    sweep()
    assert list((tmp_path / "uploads").iterdir()) == []


def _die(**kwargs: object) -> None:
    raise KeyboardInterrupt


def test_what_staff_refuse_is_erased_by_a_worker() -> None:
    affected_list = read(csv_file(LISE, "A9;;;;;"))
    refuse_list(
        affected_list=affected_list,
        code=Refusal.BY_STAFF,
        decided_by=cast.paule(),
        now=cast.NOW,
    )
    sweep()
    affected_list.refresh_from_db()
    assert affected_list.problems.count() == affected_list.chunk_count == 0
    assert not table_exists(affected_list.pk)
    assert (affected_list.rows, affected_list.members) == (2, 1)


def test_a_list_that_nobody_decides_is_refused_after_14_days() -> None:
    late, fresh = read(csv_file(LISE)), read(csv_file("A1;1980-01-01;;;;"))
    now = timezone.now()
    AffectedList.objects.filter(pk=late.pk).update(uploaded_at=now - timedelta(days=14, hours=1))
    AffectedList.objects.filter(pk=fresh.pk).update(uploaded_at=now - timedelta(days=13))
    sweep()
    late.refresh_from_db()
    fresh.refresh_from_db()
    assert (late.refusal_code, fresh.state) == (Refusal.UNDECIDED, ListState.REVIEW)
    assert not table_exists(late.pk)
