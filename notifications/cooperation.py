"""Let one thread serve many connections: each gives way to the others where it would wait.

Threads that send side by side wait for the interpreter's lock twice a message, and for each other's
writes: that took as long as the messages themselves. Greenlets (https://greenlet.readthedocs.io)
of one thread wait for nothing but their servers, and each can let the others go first, to write
what all have brought at once. They share the thread's database connection, so nobody gives way
within a transaction. Outside `run_together` the same functions simply wait.
"""

import os
import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock, Thread, get_ident
from typing import Any, ParamSpec, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, Error, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from greenlet import getcurrent, greenlet

T = TypeVar("T")
P = ParamSpec("P")
PATIENCE = 0.01  # seconds at most that one lets the others go first
CLERKS = 2  # threads that wait for PostgreSQL, each with a connection of its own


class _Job(greenlet):
    """One that gives way to the others of its loop."""

    loop: "_Loop"


class _Loop:
    """Runs the jobs of one thread, and looks for what they wait for when none can go on."""

    def __init__(self) -> None:
        self._able: deque[_Job] = deque()
        self._late: dict[_Job, float] = {}  # when each that waits is told that it was for nothing
        self._watching: dict[int, _Job] = {}  # by file descriptor
        self._last: deque[tuple[_Job, float]] = deque()  # who let others go first, and until when
        self._running = 0
        self._woken: deque[_Job] = deque()  # by another thread
        self._poll = select.poll()
        self._bell, self._rope = os.pipe()
        self._ringing = Lock()  # Nobody rings once it is taken down.
        self._poll.register(self._bell, select.POLLIN)
        self._main, self._thread = getcurrent(), get_ident()
        self._clerks = ThreadPoolExecutor(CLERKS, initializer=self._meet_clerk)
        self._databases: list[BaseDatabaseWrapper] = []
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
                elif self._last:
                    self._let_the_last_go_on()
                else:
                    soonest = min(self._late.values(), default=None)
                    self._look(None if soonest is None else max(0.0, soonest - time.monotonic()))
        finally:
            self._clerks.shutdown()
            for database in self._databases:
                database.close()
            with self._ringing:
                os.close(self._bell)
                os.close(self._rope)
        return results

    def _meet_clerk(self) -> None:
        database = connections[DEFAULT_DB_ALIAS]
        database.inc_thread_sharing()  # Closed with the loop.
        self._databases.append(database)

    def _let_the_last_go_on(self) -> None:
        self._look(0)  # Whoever has an answer meanwhile goes first too, if there is an end to it.
        job, until = self._last[0]
        if not self._able or time.monotonic() >= until:
            self._last.popleft()
            self._able.append(job)

    def _look(self, seconds: float | None) -> None:
        """See who can go on, waiting so long for the first."""
        for number, _event in self._poll.poll(None if seconds is None else seconds * 1000):
            if number == self._bell:
                os.read(self._bell, 4096)
                while self._woken:
                    self._able.append(self._woken.popleft())
            else:
                self._poll.unregister(number)
                job = self._watching.pop(number)
                self._late.pop(job, None)
                self._able.append(job)
        now = time.monotonic()
        for job in [job for job, late in self._late.items() if late <= now]:
            del self._late[job]
            self._able.append(job)

    def give_way(self) -> None:
        self._main.switch()

    def wait_for(self, job: _Job, number: int, event: int, seconds: float | None) -> None:
        self._poll.register(number, event)
        self._watching[number] = job
        if seconds is not None:
            self._late[job] = time.monotonic() + seconds
        self.give_way()
        if self._watching.pop(number, None) is not None:
            self._poll.unregister(number)
            raise TimeoutError("no answer in time")

    def sleep(self, job: _Job, seconds: float) -> None:
        self._late[job] = time.monotonic() + seconds
        self.give_way()

    def go_last(self, job: _Job) -> None:
        self._last.append((job, time.monotonic() + PATIENCE))
        self.give_way()

    def wake(self, job: _Job) -> None:
        if get_ident() == self._thread:
            self._able.append(job)
            return
        with self._ringing:
            self._woken.append(job)
            os.write(self._rope, b"!")

    def by_a_clerk(self, job: _Job, function: Callable[[], T]) -> T:
        done = self._clerks.submit(_at_work, function)
        done.add_done_callback(lambda _done: self.wake(job))
        self.give_way()
        return done.result()

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
                self.wake(job)

        Thread(target=run, daemon=True).start()
        self.give_way()
        if failed:
            raise failed[0]
        return found[0]


def _at_work(function: Callable[[], T]) -> T:
    try:
        return function()
    except Error:
        # PostgreSQL may have ended it: whose work this clerk does next is to have another.
        connection.close()
        raise


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


def wait_readable(number: int, *, seconds: float | None = None) -> None:
    """Let others go on until a socket (its file descriptor) has something to read.

    Raises TimeoutError after so many seconds.
    """
    _wait_for(number, select.POLLIN, seconds)


def wait_writable(number: int, *, seconds: float | None = None) -> None:
    """Let others go on until a socket takes more; raise TimeoutError."""
    _wait_for(number, select.POLLOUT, seconds)


def _wait_for(number: int, event: int, seconds: float | None) -> None:
    job = _job()
    if job is not None:
        job.loop.wait_for(job, number, event, seconds)
        return
    alone = select.poll()
    alone.register(number, event)
    if not alone.poll(None if seconds is None else max(0.0, seconds) * 1000):
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


def by_a_clerk(function: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Call what waits for PostgreSQL, in one of a few threads for that, while others go on."""
    job, work = _job(), partial(function, *given, **named)
    return job.loop.by_a_clerk(job, work) if job is not None else work()


def let_others_go_first() -> None:
    """Go on when no other of the loop can, and soon in any case."""
    job = _job()
    if job is not None:
        job.loop.go_last(job)


class CooperativeLock:
    """A lock, had in the order of asking: whoever waits for it in a loop lets the others go on."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._is_taken = False
        self._waiting: deque[Callable[[], None]] = deque()  # How to wake each.

    def __enter__(self) -> None:
        job = _job()
        wait, wake = _pause() if job is None else (job.loop.give_way, partial(job.loop.wake, job))
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            self._waiting.append(wake)
        wait()

    def __exit__(self, *_error: object) -> None:
        with self._guard:
            self._is_taken = bool(self._waiting)
            wake = self._waiting.popleft() if self._waiting else None
        if wake is not None:
            wake()  # It is theirs now.


def _pause() -> tuple[Callable[[], object], Callable[[], None]]:
    """Return how a thread waits, and how another ends that."""
    closed = Lock()
    closed.acquire()
    return closed.acquire, closed.release
