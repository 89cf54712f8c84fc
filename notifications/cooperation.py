"""Let one thread serve many connections: each gives way to the others where it would wait.

Threads that send side by side wait for the interpreter's lock twice a message, and for each other's
writes: that took as long as the messages themselves. Greenlets (https://greenlet.readthedocs.io)
of one thread wait for nothing but their servers, and what servers answered meanwhile is written
at once. They share the thread's database connection, so nobody gives way within a transaction.
Outside `run_together` the same functions simply wait.
"""

import os
import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections
from greenlet import getcurrent, greenlet

T = TypeVar("T")
GATHERED = 0.01  # seconds that a write waits for those who can still go on


class _Job(greenlet):
    """One that gives way to the others of its loop."""

    loop: "_Loop"


class _Loop:
    """Runs the jobs of one thread, and looks for what they wait for when none can go on."""

    def __init__(self) -> None:
        self._able: deque[_Job] = deque()
        self._late: dict[_Job, float] = {}  # when each that waits is told that it was for nothing
        self._watching: dict[int, _Job] = {}  # by file descriptor
        self._writers: dict[Callable[[], None], list[_Job]] = {}
        self._write_by = 0.0
        self._running = 0
        self._ended: deque[_Job] = deque()  # whose thread has ended
        self._poll = select.poll()
        self._bell, self._rope = os.pipe()
        self._poll.register(self._bell, select.POLLIN)
        self._main = getcurrent()
        # Of this thread; Django looks it up anew each time it is asked for.
        self.database = connections[DEFAULT_DB_ALIAS]

    def run(self, functions: Sequence[Callable[[], T]]) -> list[T | BaseException]:
        results: list[Any] = [None] * len(functions)

        def job(number: int, function: Callable[[], T]) -> None:
            try:
                results[number] = function()
            except BaseException as error:
                results[number] = error
            finally:
                self._running -= 1

        self._running = len(functions)
        try:
            for number, function in enumerate(functions):
                one = _Job(job)
                one.loop = self
                one.switch(number, function)
            while self._running:
                if self._able:
                    self._able.popleft().switch()
                else:
                    self._write_or_wait()
        finally:
            os.close(self._bell)
            os.close(self._rope)
        return results

    def _write_or_wait(self) -> None:
        if self._writers:
            self._look(0)  # What has come meanwhile is written as well, if there is an end to it.
            if not self._able or time.monotonic() >= self._write_by:
                waiting, self._writers = self._writers, {}
                for write, jobs in waiting.items():
                    write()
                    self._able += jobs
            return
        soonest = min(self._late.values(), default=None)
        self._look(None if soonest is None else max(0.0, soonest - time.monotonic()))

    def _look(self, seconds: float | None) -> None:
        """See who can go on, waiting so long for the first."""
        for number, _event in self._poll.poll(None if seconds is None else seconds * 1000):
            if number == self._bell:
                os.read(self._bell, 4096)
                while self._ended:
                    self._able.append(self._ended.popleft())
            else:
                self._poll.unregister(number)
                job = self._watching.pop(number)
                del self._late[job]
                self._able.append(job)
        now = time.monotonic()
        for job in [job for job, late in self._late.items() if late <= now]:
            del self._late[job]
            self._able.append(job)

    def give_way(self) -> None:
        self._main.switch()

    def wait_for(self, job: _Job, number: int, event: int, seconds: float) -> None:
        self._poll.register(number, event)
        self._watching[number] = job
        self._late[job] = time.monotonic() + seconds
        self.give_way()
        if self._watching.pop(number, None) is not None:
            self._poll.unregister(number)
            raise TimeoutError("no answer in time")

    def sleep(self, job: _Job, seconds: float) -> None:
        self._late[job] = time.monotonic() + seconds
        self.give_way()

    def write_together(self, job: _Job, write: Callable[[], None]) -> None:
        if not self._writers:
            self._write_by = time.monotonic() + GATHERED
        self._writers.setdefault(write, []).append(job)
        self.give_way()

    def in_a_thread(self, job: _Job, function: Callable[[], T]) -> T:
        found: list[T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                found.append(function())
            except BaseException as error:
                failed.append(error)
            finally:
                connection.close()  # This thread's own.
                self._ended.append(job)
                os.write(self._rope, b"!")

        Thread(target=run, daemon=True).start()
        self.give_way()
        if failed:
            raise failed[0]
        return found[0]


def run_together(functions: Sequence[Callable[[], T]]) -> list[T]:
    """Call functions side by side in this thread; return what they return, or raise the first
    error that one of them raised, once all have ended."""
    results = _Loop().run(functions)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(list[T], results)


def _job() -> _Job | None:
    """Return who is asked to give way, None outside `run_together`."""
    job = getcurrent()
    if not isinstance(job, _Job):
        return None
    if job.loop.database.in_atomic_block:
        raise AssertionError("others would write within this transaction")
    return job


def wait_readable(number: int, *, seconds: float) -> None:
    """Let others go on until a socket (its file descriptor) has something to read.

    Raises TimeoutError.
    """
    _wait_for(number, select.POLLIN, seconds)


def wait_writable(number: int, *, seconds: float) -> None:
    """Let others go on until a socket takes more; raise TimeoutError."""
    _wait_for(number, select.POLLOUT, seconds)


def _wait_for(number: int, event: int, seconds: float) -> None:
    job = _job()
    if job is not None:
        job.loop.wait_for(job, number, event, seconds)
        return
    alone = select.poll()
    alone.register(number, event)
    if not alone.poll(max(0.0, seconds) * 1000):
        raise TimeoutError("no answer in time")


def sleep(seconds: float) -> None:
    """Let others go on for so long."""
    job = _job()
    if job is not None:
        job.loop.sleep(job, seconds)
    else:
        time.sleep(seconds)


def in_a_thread(function: Callable[[], T]) -> T:
    """Call what knows no giving way, in a thread of its own, while others go on."""
    job = _job()
    return job.loop.in_a_thread(job, function) if job is not None else function()


def write_together(write: Callable[[], None]) -> bool:
    """Have `write` called once for all who ask for it, when nobody else can go on, but soon.

    It must not raise. Returns False outside `run_together`: nobody called it.
    """
    job = _job()
    if job is None:
        return False
    job.loop.write_together(job, write)
    return True
