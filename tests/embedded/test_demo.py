"""The demonstration as a person runs it, small, in a folder with an awkward path."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from breachportal.embedded.demo import first_free
from breachportal.embedded.process import find_leftovers
from breachportal.embedded.state import PROJECT

SUMMARY = re.compile(r"people=(\d+) messages=(\d+) accepted=\d+ delivered=\d+ unreachable=\d+")


class Run:
    """One `python -m breachportal.embedded`, read through a file."""

    def __init__(self, state: Path, *options: str) -> None:
        self.state = state
        self.output = state.with_name("output.txt")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "breachportal.embedded", "--state", str(state), *options],
                cwd=PROJECT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str, seconds: float = 180) -> str:
        deadline = time.monotonic() + seconds
        while text not in (said := self.output.read_text()):
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        return said

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("une démonstration") / "state"


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Run]:
    running = Run(folder, "--members", "40", "--port", str(first_free(8300)))
    running.wait_for("Ctrl-C")
    yield running
    if running.process.poll() is None:
        running.interrupt()


def test_it_ends_with_what_it_did_and_what_to_try(run: Run) -> None:
    said = run.output.read_text()
    summary = SUMMARY.search(said)
    assert summary is not None
    assert int(summary[1]) > 0
    assert "Trois choses à essayer" in said


def test_the_portal_answers_where_it_says(run: Run) -> None:
    address = re.search(r"Le portail : (\S+)", run.output.read_text())
    assert address is not None
    with urllib.request.urlopen(address[1], timeout=10) as answer:  # noqa: S310 (http, our own)
        assert answer.status == 200


def test_a_second_start_is_refused_while_it_runs(run: Run) -> None:
    command = [sys.executable, "-m", "breachportal.embedded", "--state", str(run.state)]
    second = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert "tourne déjà" in second.stderr


def test_it_is_not_reset_while_it_runs(run: Run) -> None:
    command = [sys.executable, "-m", "breachportal.embedded", "reset", "--state", str(run.state)]
    reset = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert reset.returncode == 1
    assert (run.state / "postgres").exists()


def test_killed_then_started_again_it_keeps_its_data_and_ctrl_c_leaves_nothing(run: Run) -> None:
    before = SUMMARY.search(run.output.read_text())
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait()
    again = Run(run.state, "--members", "40", "--port", str(first_free(8300)))
    after = SUMMARY.search(again.wait_for("Ctrl-C"))
    assert before is not None
    assert after is not None
    assert after[0] == before[0]
    assert again.interrupt() == 0
    assert find_leftovers(run.state) == []
