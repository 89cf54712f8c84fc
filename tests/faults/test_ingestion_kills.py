"""SIGKILL of real workers while they read and publish a list: it ends whole and exact."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from insurers.lists.acceptance import decide_to_accept
from insurers.lists.locks import PUBLICATION_CLASS, held_lists
from insurers.models import AffectedList, ListState
from tests import cast
from tests.faults.stack import Stack, own_database
from tests.insurers.lists.files import csv_file, members_of, received

ROWS = 200_000
REJECTED, DUPLICATE = 7, 5


@pytest.fixture
def stack(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    name = f"ingestion_kills_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        stack = Stack(tmp_path, name=name, redis_db=6, smtp_port=9)
        try:
            yield stack
        finally:
            stack.stop()


def large_file() -> bytes:
    rows = [f"A{n};1980-01-01;Marin;Lise;p{n}@example.fr;" for n in range(ROWS)]
    rows += rows[:DUPLICATE]
    return csv_file(*rows, *(["A;1899-12-31;;;;"] * REJECTED))


@contextmanager
def publication_held(affected_list: AffectedList) -> Iterator[None]:
    """Keep a worker waiting in the middle of its publication."""
    name, host = connection.settings_dict["NAME"], os.environ["PORTAL_TEST_FOLDER"]
    with psycopg.connect(host=host, user="breachportal_worker", dbname=name) as other:
        other.execute(
            "SELECT pg_advisory_lock(%s, hashtext(%s))",
            [PUBLICATION_CLASS, str(affected_list.insurer_id)],
        )
        yield


def phase(affected_list: AffectedList) -> str:
    """Say what the dead worker was doing, from what it left."""
    affected_list.refresh_from_db()
    if affected_list.state != ListState.INGESTING:
        return affected_list.state
    if not affected_list.text:
        return "preparing"
    return "reading" if affected_list.blocks.filter(is_read=False).exists() else "finishing"


def test_a_list_whose_workers_are_killed_ends_whole_and_exact(stack: Stack) -> None:
    affected_list = received(large_file())
    phases: Counter[str] = Counter()

    def run_until(condition: Callable[[], bool], *, then_kill: bool) -> None:
        stack.wait_for(lambda: not held_lists(), what="the end of the dead worker's lock")
        stack.start_worker()
        stack.send("insurers.tasks.resume_lists")
        stack.wait_for(condition, what="the worker's progress")
        if then_kill:
            stack.kill_worker()
            phases[phase(affected_list)] += 1

    def reading(**fields: int) -> Callable[[], bool]:
        return AffectedList.objects.filter(
            pk=affected_list.pk, state=ListState.INGESTING, **fields
        ).exists

    def one_more_block() -> Callable[[], bool]:
        read = affected_list.blocks.filter(is_read=True)
        before = read.count()
        return lambda: read.count() > before

    run_until(reading(attempt=1), then_kill=True)
    run_until(one_more_block(), then_kill=True)
    run_until(one_more_block(), then_kill=True)
    run_until(lambda: state(affected_list) == ListState.REVIEW, then_kill=False)
    stack.kill_worker()
    affected_list.refresh_from_db()
    decide_to_accept(affected_list=affected_list, decided_by=None, now=cast.NOW)
    with publication_held(affected_list):
        run_until(lambda: bool(held_lists()), then_kill=True)
    assert members_of(affected_list) == []
    run_until(lambda: state(affected_list) == ListState.ACCEPTED, then_kill=False)

    sys.stderr.write(f"kills by phase: {dict(phases)}\n")
    affected_list.refresh_from_db()
    assert not set(phases) & {ListState.UPLOADED, ListState.REVIEW, ListState.ACCEPTED}
    assert affected_list.rows == ROWS + DUPLICATE + REJECTED
    assert affected_list.rows_rejected == REJECTED
    assert affected_list.rows_duplicate == DUPLICATE
    assert affected_list.members == len(members_of(affected_list)) == ROWS
    assert affected_list.problems.count() == REJECTED + DUPLICATE


def state(affected_list: AffectedList) -> str:
    return AffectedList.objects.get(pk=affected_list.pk).state
