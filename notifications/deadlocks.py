"""Do a transaction again that PostgreSQL gave up for another one.

Messages are locked before tallies, and both in one order, so this is rare; but it must not be
taken for the end of PostgreSQL, which leaves a batch to the sweep.
"""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected

TRIES = 3

Done = TypeVar("Done")


def done_again_after_deadlock(work: Callable[..., Done]) -> Callable[..., Done]:
    """Have a function, which is one transaction, called again where it met a deadlock."""

    @wraps(work)
    def do(**given: object) -> Done:
        for _ in range(TRIES - 1):
            try:
                return work(**given)
            except OperationalError as error:
                if connection.in_atomic_block or not isinstance(error.__cause__, DeadlockDetected):
                    raise
        return work(**given)

    return do
