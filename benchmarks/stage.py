"""A PostgreSQL and a Redis of its own, and workers, as production settings have them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import django
import psycopg
import yaml

from benchmarks.figures import note
from breachportal.embedded.postgres import Cluster, start_cluster
from breachportal.embedded.redis import RedisServer, start_redis
from breachportal.embedded.state import PROJECT, generate_secrets

DATABASE = "portal"


@dataclass(frozen=True)
class Stage:
    """Servers that run, and the folder of everything that they and the workers write."""

    folder: Path
    cluster: Cluster
    roles: dict[str, str]
    """The environment of processes that sign in as their own role."""

    def superuser(self) -> psycopg.Connection:
        """Connect as the cluster's superuser, with autocommit."""
        return self.cluster.connect(DATABASE)

    def fill_log(self) -> None:
        """Make the files of log that PostgreSQL keeps to use again, as where it has run before."""
        with self.superuser() as conn:
            conn.execute("""
                SELECT pg_logical_emit_message(false, 'benchmark', repeat('.', 16000000))
                FROM generate_series(1, (SELECT setting::int / 16 FROM pg_settings
                    WHERE name = 'min_wal_size'))
            """)
            conn.execute("CHECKPOINT")

    def processor_seconds(self) -> float:
        """Return what all of PostgreSQL has used of the processors so far."""
        postmaster = self.cluster.process.pid
        ticks = _ticks(postmaster, ended=True) + sum(map(_ticks, children(postmaster)))
        return ticks / os.sysconf("SC_CLK_TCK")


def postgres_settings() -> list[str]:
    """Return PostgreSQL's settings in production, each as `name=value`."""
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    _postgres, *options = compose["services"]["postgres"]["command"].split()
    return [option for option in options if option != "-c"]


@contextmanager
def servers() -> Iterator[Stage]:
    """Start durable servers, migrate, and set Django up as a worker, for the block."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as name:
        folder = Path(name)
        settings = postgres_settings()
        note(f"PostgreSQL as docker-compose.yml has it: {' '.join(settings)}")
        cluster = start_cluster(folder / "servers", runtime=folder, settings=settings)
        redis = start_redis(folder / "servers", runtime=folder)
        try:
            cluster.provision(DATABASE)
            os.environ |= _environment(folder, cluster, redis)
            roles = dict(os.environ)
            owner = os.environ | {"PORTAL_ROLE": "owner"}
            migrate = [sys.executable, "manage.py", "migrate", "-v", "0"]
            subprocess.run(migrate, check=True, env=owner)
            collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0"]
            subprocess.run(collect, check=True)
            # The script itself makes insurers, lists and pages: it is every role at once.
            superuser = f"postgresql://postgres@/{DATABASE}?host={cluster.sockets}"
            os.environ["DATABASE_URL_WORKER"] = superuser
            django.setup()
            yield Stage(folder, cluster, roles)
        finally:
            redis.stop()
            cluster.stop()


def _environment(folder: Path, cluster: Cluster, redis: RedisServer) -> dict[str, str]:
    for name in ("uploads", "keys", "sms", "static"):
        (folder / name).mkdir()
    databases = {
        f"DATABASE_URL_{role.upper()}": cluster.url(role, DATABASE)
        for role in ("web", "worker", "owner")
    }
    return (
        databases
        | generate_secrets()
        | {
            "DJANGO_SETTINGS_MODULE": "breachportal.settings",
            "PORTAL_ROLE": "worker",
            "PORTAL_URL": "https://portail.example.fr",
            "REDIS_URL": f"unix://{redis.socket}?db=0",
            "UPLOAD_DIR": str(folder / "uploads"),
            "KEY_STORE_DIR": str(folder / "keys"),
            "SMS_OUTBOX_DIR": str(folder / "sms"),
            "STATIC_ROOT": str(folder / "static"),
            "DEFAULT_FROM_EMAIL": "portail@example.fr",
        }
    )


@contextmanager
def workers(
    stage: Stage,
    *,
    processes: int = 2,
    app: str = "breachportal",
    queues: str = "ingest,dispatch,default",
    name: str = "worker",
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one Celery worker of so many processes for the block."""
    log = stage.folder / f"{name}.log"
    with log.open("ab") as output:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", app, "worker"),
                *("--hostname", f"{name}@%h", "--queues", queues),
                *("--concurrency", str(processes), "--loglevel", "WARNING"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ],
            env=stage.roles,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield worker
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)


def _ticks(pid: int, *, ended: bool = False) -> int:
    """Return the processor time of a process, and of its children that ended where asked."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, fields[11 : 15 if ended else 13]))


def children(pid: int) -> list[int]:
    """Return the processes that a process started, none where it is gone."""
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except (FileNotFoundError, ProcessLookupError):
        return []


def processor_seconds(pid: int) -> float:
    """Return what a process and all that it started have used, those that ended included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    used = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return used + sum(map(processor_seconds, children(pid)))


def wait_until(condition: Callable[[], object], *, seconds: float) -> None:
    """Poll a condition twenty times a second."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError
        time.sleep(0.05)
