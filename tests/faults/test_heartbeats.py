"""Beat and workers show that they live, each by itself: the one's end is not the other's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from notifications.models import Heartbeat
from tests.faults.stack import Stack, own_database


@pytest.fixture
def stacks(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[tuple[Stack, Stack]]:
    """Beat with the role of the web, as in production, and workers, on one broker."""
    name, sockets = f"heartbeats_{os.getpid()}", os.environ["PORTAL_TEST_FOLDER"]
    of_web = {
        "PORTAL_ROLE": "web",
        "DATABASE_URL_WEB": f"postgresql://breachportal_web@/{name}?host={sockets}",
    }
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        beat = Stack(tmp_path, name=name, redis_db=5, smtp_port=9, environment=of_web)
        workers = Stack(tmp_path, name=name, redis_db=5, smtp_port=9)
        try:
            yield beat, workers
        finally:
            beat.stop()
            workers.stop()


def lives(process: str) -> bool:
    return Heartbeat.objects.filter(process=process).exists()


def test_beat_lives_without_workers_and_a_worker_when_it_serves(
    stacks: tuple[Stack, Stack],
) -> None:
    beat, workers = stacks
    beat.start_beat()
    beat.wait_for(lambda: lives("beat"), what="the sign of beat")
    assert not lives("worker")
    workers.start_worker()
    workers.wait_for(lambda: lives("worker"), what="the sign of a worker")
