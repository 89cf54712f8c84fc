"""The memory that PostgreSQL gets for statements over millions of rows."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.utils import CursorWrapper


@contextmanager
def memory_to_build(cursor: CursorWrapper) -> Iterator[None]:
    """Give an index that is built within the block the memory to sort in."""
    cursor.execute("SET maintenance_work_mem = '256MB'")
    try:
        yield
    finally:
        if connection.is_usable():
            cursor.execute("RESET maintenance_work_mem")


def take_memory_to_join(cursor: CursorWrapper) -> None:
    """Give statements that join millions of rows the memory for it, until the transaction ends."""
    cursor.execute("SET LOCAL work_mem = '64MB'")
