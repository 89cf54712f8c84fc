"""SIGKILL of real workers and commands in the middle of a rotation; workers without their keys."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from insurers.lists.finding import Found, find_member
from insurers.lists.keystore import key_store
from insurers.lists.purging import purge_list
from insurers.lists.rotation import announce_key, rotations_under_way, start_wrapping
from insurers.models import (
    AffectedList,
    AffectedMember,
    FingerprintKey,
    KeyReport,
    KeyState,
    ListPurge,
)
from notifications.models import Told
from tests import cast
from tests.faults.stack import Stack, own_database
from tests.insurers.lists.files import members_of, table_exists
from tests.notifications.story import accepted_list, built, member

PEOPLE = 30_000


@pytest.fixture
def stack(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    name = f"key_kills_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        stack = Stack(tmp_path, name=name, redis_db=7, smtp_port=9)
        try:
            yield stack
        finally:
            stack.stop()


def find(number: int) -> list[Found]:
    return find_member(
        breach_id=cast.breach().pk,
        insurer_id=cast.phare().pk,
        identifier=f"{number:09d}",
        birth_date="1980-03-12",
    )


def sees(query: str) -> Callable[[], bool]:
    """Return whether the running workers' connections do what the condition says."""

    def condition() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {query}")
            return bool(cursor.fetchone() != (0,))

    return condition


REWRITING = sees("query LIKE '%%members.list_%%_new%%' AND state = 'active'")
EXCHANGING = sees("query LIKE 'DROP TABLE members.list_%%' AND wait_event_type = 'Lock'")
WRAPPING_TOLD = sees("query LIKE '%%UPDATE notifications_told%%' AND wait_event_type = 'Lock'")


def hold(statement: str) -> psycopg.Connection[tuple[object, ...]]:
    """Keep a worker at a step, by a lock that another connection holds."""
    host, name = os.environ["PORTAL_TEST_FOLDER"], connection.settings_dict["NAME"]
    other = psycopg.connect(host=host, user="breachportal_worker", dbname=name)
    other.execute(statement)
    return other


def test_a_rotation_whose_workers_are_killed_ends_whole(stack: Stack) -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(PEOPLE)])
    lists = [campaign.affected_list, accepted_list([member(n) for n in range(PEOPLE, PEOPLE + 3)])]
    before = [
        [(m.ordinal, m.name_tag, bytes(m.contact or b"")) for m in members_of(found)]
        for found in lists
    ]
    start_wrapping(key=announce_key(breach=cast.breach(), now=cast.NOW), now=cast.NOW)

    def kill_at(condition: Callable[[], bool], *, version: int) -> None:
        stack.start_worker()
        stack.send("insurers.tasks.resume_lists")
        stack.wait_for(condition, what="the step to kill at")
        stack.kill_worker()
        stack.wait_for(
            lambda: (
                not sees(
                    "usename = 'breachportal_worker' AND pid <> "
                    "pg_backend_pid() AND state = 'active' AND query LIKE '%%members.list%%'"
                )()
            ),
            what="the end of the dead worker's statements",
        )
        assert find(7) == [Found(lists[0].pk, 9)]
        assert set(
            AffectedMember.objects.filter(list_id=lists[0].pk).values_list("key_version", flat=True)
        ) == {version}

    kill_at(REWRITING, version=1)
    # Held as a reader does; a look-up goes on meanwhile.
    reader = hold(f"SELECT count(*) FROM members.list_{lists[0].pk}")
    kill_at(EXCHANGING, version=1)
    reader.close()
    teller = hold("SELECT count(*) FROM (SELECT FROM notifications_told FOR UPDATE) AS told")
    kill_at(WRAPPING_TOLD, version=2)
    teller.close()
    assert rotations_under_way() == [cast.breach().pk]

    stack.start_worker()
    # The first sweep may find the dead worker's session still at its statement.
    stack.sweep_until(lambda: not rotations_under_way(), what="the end of the rotation")
    assert [
        [(m.ordinal, m.name_tag, bytes(m.contact or b"")) for m in members_of(found)]
        for found in lists
    ] == before
    assert set(AffectedMember.objects.values_list("key_version", flat=True)) == {2}
    told = set(Told.objects.values_list("fingerprint", "key_version"))
    assert told == set(
        AffectedMember.objects.filter(list_id=lists[0].pk).values_list("fingerprint", "key_version")
    )
    assert len(told) == PEOPLE
    assert [find(n) for n in (7, PEOPLE)] == [[Found(lists[0].pk, 9)], [Found(lists[1].pk, 2)]]


def test_the_command_waits_for_a_running_worker_to_report_and_finishes(stack: Stack) -> None:
    accepted_list([member(1)])
    stack.start_worker()
    stack.wait_for(KeyReport.objects.exists, what="a report")
    command = subprocess.run(
        [sys.executable, "manage.py", "rotate_fingerprint_key", "--breach", cast.breach().slug],
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert command.returncode == 0, command.stderr
    assert FingerprintKey.objects.get(version=2).state == KeyState.CURRENT
    assert find(1)


def test_a_worker_with_another_key_store_holds_the_rotation_up(
    stack: Stack, tmp_path: Path
) -> None:
    found = accepted_list([member(1)])
    stack.start_worker()
    (tmp_path / "elsewhere").mkdir()
    for name in list(key_store().names()):
        (tmp_path / "elsewhere" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "elsewhere" / name).write_bytes((settings.KEY_STORE_DIR / name).read_bytes())
    command = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "rotate_fingerprint_key",
            "--breach",
            cast.breach().slug,
            "--wait",
            "8",
        ],
        env=stack.environment | {"KEY_STORE_DIR": str(tmp_path / "elsewhere")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert command.returncode != 0
    assert "celery@" in command.stderr
    assert FingerprintKey.objects.get(breach=found.breach, version=2).state == KeyState.ANNOUNCED
    assert find(1)


def test_a_worker_without_its_keys_names_them_and_does_not_start(stack: Stack) -> None:
    found = accepted_list([member(1)])
    (settings.KEY_STORE_DIR / f"breach/{found.breach_id}/1").unlink()
    stack.spawn_worker()
    assert stack.worker is not None
    assert stack.worker.wait(timeout=60) != 0
    assert f"breach/{found.breach_id}/1" in stack.log.read_text()


def test_a_worker_that_ends_in_order_leaves_no_report(stack: Stack) -> None:
    stack.start_worker()
    stack.wait_for(KeyReport.objects.exists, what="a report")
    assert stack.worker is not None
    stack.worker.send_signal(signal.SIGTERM)
    assert stack.worker.wait(timeout=60) == 0
    assert not KeyReport.objects.exists()


def test_a_purge_whose_worker_is_killed_before_the_rows_go_is_finished(stack: Stack) -> None:
    found = accepted_list([member(n, email=f"p{n}@example.fr") for n in range(10)])
    AffectedList.objects.filter(pk=found.pk).update(state="withdrawn")
    purge = purge_list(affected_list=found, requested_by=None, now=cast.NOW)
    reader = hold(f"SELECT count(*) FROM members.list_{found.pk}")
    stack.start_worker()
    stack.send("insurers.tasks.resume_lists")
    stack.wait_for(EXCHANGING_OR_DROPPING, what="the drop")
    stack.kill_worker()
    purge.refresh_from_db()
    assert (purge.key_destroyed_at is not None, purge.finished_at) == (True, None)
    assert table_exists(found.pk)
    reader.close()
    stack.start_worker()
    stack.send("insurers.tasks.resume_lists")
    stack.wait_for(lambda: ListPurge.objects.exclude(finished_at=None).exists(), what="the end")
    assert not table_exists(found.pk)
    assert AffectedList.objects.get(pk=found.pk).purged_at is not None


EXCHANGING_OR_DROPPING = sees("query LIKE 'DROP TABLE%%' AND wait_event_type = 'Lock'")
