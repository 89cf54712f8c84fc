"""Start services in order, keep them up, stop them in reverse."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from breachportal.embedded.process import ServerDiedError, spawn, stop

DEATHS_ALLOWED = 3
DEATHS_WINDOW = 60.0  # seconds


class StopRequestedError(Exception):
    """Ctrl-C, or a signal that asks to end."""


@dataclass
class Service:
    """One server: `start` returns once it answers; `log` is where it says why it does not."""

    label: str
    log: Path
    start: Callable[[], subprocess.Popen[bytes]]
    first_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)


class Supervisor:
    """The services of one run. A signal only raises a flag, so that no child is lost on the way."""

    def __init__(self) -> None:
        self._services: list[Service] = []
        self._stop_asked = False
        # A job started in the background inherits an ignored SIGINT: always install handlers.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)

    def _ask_to_stop(self, *_: object) -> None:
        self._stop_asked = True

    def check_stop(self) -> None:
        """:raises StopRequestedError: once a signal asked for it."""
        if self._stop_asked:
            raise StopRequestedError

    def start(self, service: Service) -> None:
        """Start a service and say how long it took to answer."""
        self.check_stop()
        with step(service.label):
            service.process = service.start()
        self._services.append(service)

    def run(
        self,
        label: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        """Run a command to its end, its output in `log`.

        :raises ServerDiedError: when it fails, with the end of its output.
        """
        self.check_stop()
        with step(label):
            self._finish(
                label, spawn(command, folder=folder, environment=environment, log=log), log
            )

    def run_in_front(
        self,
        label: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        """Run a command whose output is for the person at the terminal.

        :raises ServerDiedError: when it fails.
        """
        self.check_stop()
        self._finish(label, spawn(command, folder=folder, environment=environment), None)

    def _finish(self, label: str, process: subprocess.Popen[bytes], log: Path | None) -> None:
        try:
            while process.poll() is None:
                self.watch_once()
                time.sleep(0.1)
        finally:
            stop(process)
        if process.returncode != 0:
            raise ServerDiedError(f"{label} : échec (code {process.returncode}).{tail(log)}")

    def watch(self) -> None:
        """Keep the services up until somebody asks to stop.

        :raises StopRequestedError: when a signal asked for it.
        :raises ServerDiedError: when a service does not stay up.
        """
        while True:
            self.watch_once()
            time.sleep(0.2)

    def watch_once(self) -> None:
        """Say which service died, and start it again."""
        self.check_stop()
        for service in self._services:
            if service.process is None or service.process.poll() is None:
                continue
            cause = _cause(service.process.returncode)
            print(f"\n{service.label} s’est arrêté ({cause}). Journal : {service.log}")
            stop(service.process)
            now = time.monotonic()
            service.deaths = [at for at in service.deaths if now - at < DEATHS_WINDOW] + [now]
            if len(service.deaths) > DEATHS_ALLOWED:
                raise ServerDiedError(f"{service.label} ne tient pas debout.{tail(service.log)}")
            with step(f"{service.label}, à nouveau"):
                service.process = service.start()

    def stop_all(self) -> None:
        """Stop the services, the last one first, and kill what does not end."""
        while self._services:
            service = self._services.pop()
            if service.process is not None:
                stop(service.process, first=service.first_signal)


@contextmanager
def step(label: str) -> Iterator[None]:
    """A line of progress: what is being done, then how long it took."""
    began = time.monotonic()
    print(f"  {label} … ", end="", flush=True)
    try:
        yield
    except BaseException:
        print("interrompu", flush=True)
        raise
    print(f"prêt ({time.monotonic() - began:.1f} s)".replace(".", ","), flush=True)


def tail(log: Path | None, lines: int = 15) -> str:
    """The last lines of a log and where it is, to show under an error message."""
    if log is None or not log.exists():
        return ""
    end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    return f"\nJournal : {log}\n{end}"


def _cause(code: int) -> str:
    return f"code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
