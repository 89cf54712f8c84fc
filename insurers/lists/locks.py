"""Session advisory locks: one worker per list; PostgreSQL frees those of a dead worker."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# The first number of the lock's two; others in the portal use one number or another class.
LIST_CLASS = 7401
PUBLICATION_CLASS = 7402


@contextmanager
def list_lock(list_id: int, *, wait: bool = False) -> Iterator[bool]:
    """Hold a list for the block; yield False where another worker holds it (never if `wait`)."""
    verb = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {verb}(%s, %s)", [LIST_CLASS, list_id])
        held = wait or cursor.fetchone() == (True,)
    try:
        yield held
    finally:
        if held and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LIST_CLASS, list_id])


def held_lists() -> set[int]:
    """Return the lists that some living worker holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
            " AND objsubid = 2 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [LIST_CLASS],
        )
        return {row[0] for row in cursor.fetchall()}
