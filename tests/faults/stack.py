"""A database of its own with real worker processes, each signed in as its role, to be killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis
from django.db import connections
from django.test import override_settings
from kombu import Connection
from psycopg import sql

from breachportal.celery import app
from breachportal.environment import broker
from tests.servers import TEMPLATE

# As in production: without its banner, Celery starts where a full disk takes no line.
CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "breachportal")


class Stack:
    """Celery worker and beat processes on a database and a broker of their own."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        redis_db: int,
        smtp_port: int,
        servers: Path | None = None,
        environment: dict[str, str] | None = None,
        processes: int = 2,
        queues: str = "ingest,dispatch,default",
        log: Path | None = None,
    ) -> None:
        """`folder` is that of `own_database`; nothing else uses the broker `redis_db`.

        `servers` has the sockets of PostgreSQL and Redis; without it they are the test run's.
        """
        sockets = servers or os.environ["PORTAL_TEST_FOLDER"]
        self.log = log or folder / "worker.log"
        self.patience = 60.0
        """Seconds after which what does not come is a failure."""
        self.name = name
        self._processes = processes
        self._queues = queues
        self._redis = f"unix://{sockets}/redis.sock?db={redis_db}"
        self.environment = os.environ | {
            "DATABASE_URL_WORKER": f"postgresql://breachportal_worker@/{name}?host={sockets}",
            "REDIS_URL": self._redis,
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(smtp_port),
            **_folders(folder),
            **(environment or {}),
        }
        self._schedule = folder / f"{self.log.stem}.beat"
        self.worker: subprocess.Popen[bytes] | None = None
        self._beat: subprocess.Popen[bytes] | None = None

    def start_worker(self) -> None:
        """Start a worker and wait until it answers."""
        self.spawn_worker()
        self.wait_for(lambda: b"ready." in self.log.read_bytes(), what="the worker")

    def spawn_worker(self) -> None:
        """Start a worker, which may refuse to start."""
        self.worker = self._spawn(
            "worker",
            "--queues",
            self._queues,
            "--concurrency",
            str(self._processes),
            "--without-gossip",
            "--without-mingle",
        )

    def start_beat(self) -> None:
        """Start the sweeps; several stacks of one broker may have a beat each."""
        self._beat = self._spawn("beat", "--schedule", str(self._schedule), "--pidfile", "")

    def kill_worker(self) -> None:
        """SIGKILL the worker and its children: nothing of it can tidy up."""
        assert self.worker is not None
        os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()
        self.log.write_bytes(b"")

    def restart_worker(self) -> None:
        """SIGKILL the worker and its children, and start another."""
        self.kill_worker()
        self.start_worker()

    @property
    def beat_lives(self) -> bool:
        """Whether this stack's beat runs."""
        return self._beat is not None and self._beat.poll() is None

    def queued_by_beat(self, task: str) -> int:
        """Return how often this stack's beat says that it queued a task."""
        said = f"Sending due task .* \\({re.escape(task)}\\)"
        return len(re.findall(said, self.log.read_text(errors="replace")))

    def kill_beat(self) -> None:
        """SIGKILL beat."""
        assert self._beat is not None
        self._beat.kill()
        self._beat.wait()

    def stop(self) -> None:
        """End all processes."""
        for process in (self.worker, self._beat):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def send(self, task: str, **ids: int) -> None:
        """Publish a task on this stack's broker."""
        with Connection(broker(self._redis)) as connection:
            app.send_task(task, kwargs=ids, connection=connection)

    def sweep_until(self, condition: Callable[[], Any], *, what: str) -> None:
        """Wait until the condition holds, and send the sweep of lists oftener than beat does."""
        swept = 0.0

        def holds() -> bool:
            nonlocal swept
            if condition():
                return True
            if time.monotonic() - swept > 0.5:
                self.send("insurers.tasks.resume_lists")
                swept = time.monotonic()
            return False

        self.wait_for(holds, what=what, every=0.1)

    def forget_tasks(self) -> None:
        """Empty the broker, as a Redis that was flushed."""
        with self._client() as client:
            client.flushdb()

    def has_waiting(self, *queues: str) -> bool:
        """Whether tasks wait in any of these queues."""
        with self._client() as client:
            return any(client.exists(queue) for queue in queues)

    def wait_for(self, condition: Callable[[], Any], *, what: str, every: float = 0.02) -> None:
        """Wait until the condition, looked at `every` so many seconds, holds."""
        deadline = time.monotonic() + self.patience
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come; {self.log.read_text()}"
            time.sleep(every)

    def _client(self) -> redis.Redis:
        address = urlsplit(self._redis)
        number = int(address.query.removeprefix("db="))
        return redis.Redis(unix_socket_path=address.path, db=number)

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*CELERY, *command, "-l", "INFO"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def _folders(folder: Path) -> dict[str, str]:
    names = ("UPLOAD_DIR", "KEY_STORE_DIR", "SMS_OUTBOX_DIR", "EVIDENCE_DIR", "TRAIL_HEADS_DIR")
    return {name: str(folder / name.lower()) for name in names}


@contextmanager
def own_database(name: str, folder: Path, *, servers: Path | None = None) -> Iterator[None]:
    """Copy the template, point Django and its folders at the copy for the block, drop it."""
    host = str(servers or os.environ["PORTAL_TEST_FOLDER"])
    default = connections["default"]
    address = default.settings_dict  # the one that the connections of other threads are made from
    before = dict(address)
    _administer(
        host,
        sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER breachportal_owner").format(
            sql.Identifier(name), sql.Identifier(TEMPLATE)
        ),
    )
    default.close()
    address.update(NAME=name, HOST=host)
    try:
        folders = {key: Path(value) for key, value in _folders(folder).items()}
        with override_settings(**folders):
            yield
    finally:
        default.close()
        address.update(before)
        _administer(host, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _administer(host: str, statement: sql.Composed) -> None:
    with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute(statement)
