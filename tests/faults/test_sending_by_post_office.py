"""The same kills of django-post_office, for comparison: it sends again what it had not noted."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from benchmarks.letter import VARIABLE, Letter, address, keep
from tests.faults.sending.mail_server import MailServer
from tests.faults.sending.report import report
from tests.faults.sending.run import Row, recovery
from tests.faults.sending.size import IS_SMALL, MESSAGES

COUNT = MESSAGES // 5
KILLS = 1 if IS_SMALL else 5
LETTER = Letter(
    "Vos données", "Bonjour, lisez ceci.\n" * 50, "<p>Bonjour, lisez ceci.</p>" * 50, ""
)

Run = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer(1).serving() as server:
        server.pace = 0.02 if IS_SMALL else 0.0
        yield server


@pytest.fixture(params=[100] if IS_SMALL else [100, 1000])
def batch(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def run(
    tmp_path: Path, mail: MailServer, batch: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Start a program of the peers' project, on a database of its own."""
    host, name = os.environ["PORTAL_TEST_FOLDER"], f"post_office_{os.getpid()}"
    monkeypatch.setenv(VARIABLE, "")
    keep(LETTER, tmp_path)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "benchmarks.mailing.settings",
        "BENCH_DATABASE": f"postgresql://postgres@/{name}?host={host}",
        "BENCH_BATCH": str(batch),
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(mail.ports[0]),
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> "subprocess.Popen[bytes]":
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", *command], env=environment, start_new_session=True
            )
        )
        return started[-1]

    with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            assert start("django", "migrate", "--run-syncdb", "-v", "0").wait(60) == 0
            yield start
        finally:
            for process in started:
                _kill(process)
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_it_loses_nobody_but_tells_again_whom_it_had_told(
    run: Run, mail: MailServer, batch: int, tmp_path: Path
) -> None:
    assert run("benchmarks.mailing.peers", "queue", str(COUNT)).wait(60) == 0
    chance, strikes = random.Random(batch), []
    drain = ("benchmarks.mailing.peers", "drain", str(tmp_path / "lock"))
    draining = run(*drain)
    for mark in sorted(chance.uniform(0.1, 0.9) for _ in range(KILLS)):
        _wait_for(lambda m=mark: len({t.recipient for t in mail.taken}) >= m * COUNT)  # type: ignore[misc]
        began = time.time()
        _kill(draining)
        strikes.append((began, time.time()))
        draining = run(*drain)
    assert draining.wait(600) == 0

    taken = Counter(message.recipient for message in mail.taken)
    lost = sum(not taken[address(number)] for number in range(COUNT))
    seconds = recovery([message.at for message in mail.taken], strikes)
    fault = f"django-post_office, batch {batch:,}: SIGKILL, {KILLS} times"
    report(Row(fault, COUNT, lost, taken.total() - len(taken), 0, seconds))
    assert lost == 0
    assert taken.total() > len(taken)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < limit, "nothing is sent"
        time.sleep(0.01)
