"""Two real workers and a beat that send by one mail server, each to be killed by itself."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.stage import children
from tests.faults.gates import Gates
from tests.faults.own_servers import OwnServers
from tests.faults.sending.inside import GATED, GATES, LEASES, PATIENCE, phase_of
from tests.faults.sending.mail_server import MailServer
from tests.faults.stack import Stack

WORKERS = 2
CONNECTIONS = 2  # of each worker: so many messages it has in hand
_LIBFAKETIME = "vendor/libfaketime/src/libfaketime.so.1"
FULL_DISK = Path("/dev/full")  # every write to it fails with ENOSPC


class Worker:
    """A worker of one child process, which alone sends; PostgreSQL knows it by its name."""

    def __init__(self, number: int, stack: Stack) -> None:
        self.number, self.name, self.stack = number, f"worker-{number}", stack

    @property
    def child(self) -> int:
        """The process that sends."""
        assert self.stack.worker is not None
        found = children(self.stack.worker.pid)
        return found[0] if found else 0

    def freeze(self) -> None:
        """Have it stand still, wherever it is."""
        assert self.stack.worker is not None
        os.killpg(self.stack.worker.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self.stack.worker is not None
        os.killpg(self.stack.worker.pid, signal.SIGCONT)

    def kill_child(self) -> None:
        """SIGKILL what sends, as the kernel does where memory runs out; Celery starts another."""
        assert self.stack.worker is not None
        child = self.child
        if child:
            os.kill(child, signal.SIGKILL)
        self.thaw()

    def kill(self) -> None:
        """SIGKILL all of it, and start another."""
        self.stack.kill_worker()
        self.stack.spawn_worker()


class Works:
    """Everything that sends: servers, workers, beat, and the mail server that records."""

    def __init__(self, folder: Path, *, name: str, servers: OwnServers, mail: MailServer) -> None:
        self.servers, self.mail, self._folder, self._name = servers, mail, folder, name
        self._clock = folder / "clock"
        self.workers = [Worker(n, self._stack(n)) for n in range(WORKERS)]
        self.gates = Gates(
            self.workers[0].stack, servers=servers.folder, phases=GATED, triggers=GATES
        )

    @property
    def broker(self) -> Stack:
        """By which tasks are published; the first beat is its too."""
        return self.workers[0].stack

    def start(self) -> None:
        """Start workers and beat; they are there when they send."""
        for worker in self.workers:
            worker.stack.spawn_worker()
        self.broker.start_beat()

    def stop(self) -> None:
        """End all processes."""
        for worker in self.workers:
            worker.stack.stop()

    def phases_of(self, worker: Worker) -> list[str]:
        """Return what each connection of a frozen worker is doing, according to PostgreSQL."""
        activity = "SELECT query, state FROM pg_stat_activity WHERE application_name = %s"
        return [phase_of(*row) for row in self._ask(activity, worker.name)]

    def leases_of(self, worker: Worker) -> frozenset[int]:
        """Return the batches of a frozen worker."""
        return frozenset(batch for (batch,) in self._ask(LEASES, worker.name))

    def fill_the_disk_of_logs(self) -> None:
        """Start both workers again where every line they log fails."""
        for worker in self.workers:
            worker.stack.stop()
            worker.stack = self._stack(worker.number, log=FULL_DISK)
            worker.stack.spawn_worker()
        self.broker.start_beat()

    def give_own_clock(self, worker: Worker) -> None:
        """Start a worker again whose clock, and nobody else's, `step_clock` moves (libfaketime)."""
        library = find_spec("libfaketime")
        assert library is not None
        assert library.origin is not None
        preload = (
            Path(library.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
        )
        # LD_PRELOAD is cut at spaces, which the project's folder may have.
        linked = self._folder / "libfaketime.so"
        linked.unlink(missing_ok=True)
        linked.symlink_to(preload)
        self.step_clock(0)
        worker.stack.kill_worker()
        worker.stack.environment |= {
            "LD_PRELOAD": str(linked),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        worker.stack.start_worker()

    def step_clock(self, seconds: int) -> None:
        """Set how far that clock is ahead, within a second."""
        self._clock.write_text(f"{seconds:+d}")

    def _ask(self, question: str, name: str) -> list[tuple[Any, ...]]:
        where = {"host": str(self.servers.folder), "user": "postgres", "dbname": self._name}
        with psycopg.connect(**where) as admin:  # type: ignore[arg-type]
            return admin.execute(question, [name]).fetchall()

    def _stack(self, number: int, *, log: Path | None = None) -> Stack:
        return Stack(
            self._folder,
            name=self._name,
            redis_db=0,
            smtp_port=self.mail.ports[number],
            servers=self.servers.folder,
            environment={
                "PGAPPNAME": f"worker-{number}",
                "SENDING_CONNECTIONS": str(CONNECTIONS),
                "EMAIL_TIMEOUT": str(PATIENCE),
            },
            processes=1,
            log=log or self._folder / f"worker-{number}.log",
        )
