"""What the demonstration says, refuses and keeps; the other whole ways begin after its restart."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

from breachportal.embedded.state import PROJECT
from tests.whole_way.conftest import Demo

SUMMARY = re.compile(r"people=(\d+) messages=(\d+) accepted=\d+ delivered=\d+ unreachable=\d+")


def test_it_ends_with_what_it_did_and_what_to_try(demo: Demo) -> None:
    said = demo.said()
    summary = SUMMARY.search(said)
    assert summary is not None
    assert int(summary[1]) > 0
    assert "Trois choses à essayer" in said


def test_the_portal_answers_where_it_says(demo: Demo) -> None:
    address = re.search(r"Le portail : (\S+)", demo.said())
    assert address is not None
    with urllib.request.urlopen(address[1], timeout=10) as answer:  # noqa: S310 (http, our own)
        assert answer.status == 200


def test_a_second_start_is_refused_while_it_runs(demo: Demo) -> None:
    demo.said()
    command = [sys.executable, "-m", "breachportal.embedded", "--state", str(demo.state)]
    second = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert "tourne déjà" in second.stderr


def test_it_is_not_reset_while_it_runs(demo: Demo) -> None:
    demo.said()
    command = [sys.executable, "-m", "breachportal.embedded", "reset", "--state", str(demo.state)]
    reset = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert reset.returncode == 1
    assert (demo.state / "postgres").exists()


def test_killed_then_started_again_it_keeps_its_data(demo: Demo) -> None:
    before = SUMMARY.search(demo.said())
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.wait()
    demo.start()
    after = SUMMARY.search(demo.said())
    assert before is not None
    assert after is not None
    assert after[0] == before[0]
