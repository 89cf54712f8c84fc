"""Beat and workers show that they live, each by itself: the one's end is not the other's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
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


@contextmanager
def listener(environment: dict[str, str]) -> Iterator[httpx.URL]:
    """Run `manage.py metrics`, and stop it."""
    command = [sys.executable, "manage.py", "metrics"]
    environment = environment | {"METRICS_PORT": "0"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield httpx.URL(process.stdout.readline().strip())
        finally:
            process.terminate()


def test_beat_lives_without_workers_and_a_worker_when_it_serves(
    stacks: tuple[Stack, Stack],
) -> None:
    beat, workers = stacks
    beat.start_beat()
    beat.wait_for(lambda: lives("beat"), what="the sign of beat")
    assert not lives("worker")
    with listener(workers.environment) as metrics:

        def answer(process: str) -> int:
            return httpx.get(metrics.join(f"/sante/{process}"), timeout=20).status_code

        assert (answer("beat"), answer("worker")) == (200, 503)
        workers.start_worker()
        workers.wait_for(lambda: lives("worker"), what="the sign of a worker")
        assert (answer("beat"), answer("worker")) == (200, 200)
