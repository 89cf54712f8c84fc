"""Children end with their parent, and what a killed run left is found and ended."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from breachportal.embedded.process import (
    ServerDiedError,
    end_leftovers,
    find_leftovers,
    spawn,
    stop,
    wait_until,
)
from breachportal.embedded.state import PROJECT

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
PARENT = """
import sys, time
from pathlib import Path
from breachportal.embedded.process import spawn
folder = Path(sys.argv[1])
settings = {"DEMO_STATE_FILE": f"{folder}/demo.json"}
spawn([sys.executable, "-c", "import time; time.sleep(60)"], folder=folder, environment=settings)
print("ready", flush=True)
time.sleep(60)
"""


def wait_for_leftovers(folder: Path, count: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if len(find_leftovers(folder)) == count:
            return True
        time.sleep(0.05)
    return False


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        assert wait_for_leftovers(tmp_path, 1)
        parent.kill()
    assert wait_for_leftovers(tmp_path, 0)


def test_what_an_earlier_run_left_is_ended(tmp_path: Path) -> None:
    settings = {"DEMO_STATE_FILE": f"{tmp_path}/demo.json"}
    child = spawn(SLEEP, folder=tmp_path, environment=settings)
    assert wait_for_leftovers(tmp_path, 1)
    end_leftovers(tmp_path)
    assert child.wait(5) == -signal.SIGTERM


def test_the_processes_of_another_folder_are_left_alone(tmp_path: Path) -> None:
    settings = {"DEMO_STATE_FILE": f"{tmp_path}/a neighbour/demo.json"}
    child = spawn(SLEEP, folder=tmp_path, environment=settings)
    assert wait_for_leftovers(tmp_path / "a neighbour", 1)
    assert find_leftovers(tmp_path / "a") == []
    stop(child)


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = spawn([sys.executable, "-c", STUBBORN], folder=tmp_path, environment={})
    time.sleep(0.5)
    stop(child, seconds=0.2)
    assert child.returncode == -signal.SIGKILL


def test_a_childs_settings_are_those_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL_OWNER", "postgresql://elsewhere")
    command = [sys.executable, "-c", "import os; print('DATABASE_URL_OWNER' in os.environ)"]
    spawn(command, folder=tmp_path, environment={}, log=tmp_path / "log").wait()
    assert (tmp_path / "log").read_text() == "False\n"


def test_waiting_for_a_server_that_ended_says_so(tmp_path: Path) -> None:
    child = spawn([sys.executable, "-c", "raise SystemExit(3)"], folder=tmp_path, environment={})
    with pytest.raises(ServerDiedError, match="code 3"):
        wait_until(lambda: False, process=child, name="Redis")
