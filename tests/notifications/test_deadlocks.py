"""A deadlock is met again, and is not taken for the end of PostgreSQL."""

import pytest
from django.db import OperationalError
from psycopg.errors import AdminShutdown, DeadlockDetected

from notifications.deadlocks import TRIES, done_again_after_deadlock


class Work:
    def __init__(self, *causes: type[Exception]) -> None:
        self.causes, self.calls = list(causes), 0

    def __call__(self, **given: object) -> str:
        self.calls += 1
        if self.causes:
            raise OperationalError from self.causes.pop(0)()
        return "done"


def test_it_is_done_again() -> None:
    work = Work(DeadlockDetected, DeadlockDetected)
    assert done_again_after_deadlock(work.__call__)(n=1) == "done"
    assert work.calls == TRIES


def test_not_for_ever() -> None:
    work = Work(*[DeadlockDetected] * TRIES)
    with pytest.raises(OperationalError):
        done_again_after_deadlock(work.__call__)()
    assert work.calls == TRIES


def test_a_server_that_ends_is_another_matter() -> None:
    work = Work(AdminShutdown)
    with pytest.raises(OperationalError):
        done_again_after_deadlock(work.__call__)()
    assert work.calls == 1
