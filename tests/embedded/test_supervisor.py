"""Services are kept up, and what happens to them is said."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from breachportal.embedded.process import ServerDiedError, spawn
from breachportal.embedded.supervisor import Service, StopRequestedError, Supervisor

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    made = Supervisor()
    yield made
    made.stop_all()
    for number, handler in before.items():
        signal.signal(number, handler)


def service(folder: Path, code: str = SLEEP, label: str = "Horloge") -> Service:
    log = folder / f"{label}.log"

    def start() -> subprocess.Popen[bytes]:
        return spawn([sys.executable, "-c", code], folder=folder, environment={}, log=log)

    return Service(label=label, log=log, start=start)


def test_a_service_that_died_is_named_with_its_log_and_started_again(
    supervisor: Supervisor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = service(tmp_path)
    supervisor.start(clock)
    assert clock.process is not None
    clock.process.kill()
    clock.process.wait()
    supervisor.watch_once()
    assert clock.process.poll() is None
    said = f"Horloge s’est arrêté (signal SIGKILL). Journal : {tmp_path}/Horloge.log"
    assert said in capsys.readouterr().out


def test_a_service_that_keeps_dying_ends_the_run(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(service(tmp_path, "raise SystemExit('plus de place')"))
    with pytest.raises(ServerDiedError, match="plus de place"):
        supervisor.watch()


def test_services_are_stopped_the_last_one_first(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        f"signal.signal(15, lambda *_: (open({str(order)!r}, 'a').write('NAME '), sys.exit()))\n"
        f"open({str(tmp_path)!r} + '/NAME', 'w').close()\n"
        # A signal that comes just before a long sleep would wait for its end.
        "while True: time.sleep(0.05)"
    )
    for name in ("first", "second"):
        supervisor.start(service(tmp_path, code.replace("NAME", name), name))
        while not (tmp_path / name).exists():
            supervisor.watch_once()
    supervisor.stop_all()
    assert order.read_text() == "second first "


def test_a_command_that_fails_shows_the_end_of_its_output(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "raise SystemExit('table absente')"]
    log = tmp_path / "migrate.log"
    with pytest.raises(ServerDiedError, match="table absente"):
        supervisor.run("Tables", command, folder=tmp_path, environment={}, log=log)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_watch(supervisor: Supervisor, number: signal.Signals) -> None:
    signal.raise_signal(number)
    with pytest.raises(StopRequestedError):
        supervisor.watch()
