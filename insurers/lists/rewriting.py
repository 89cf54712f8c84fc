"""Replace a list's table by a rewritten one, in one transaction, while it can still be read.

A killed worker leaves nothing: PostgreSQL undoes the transaction, and the next one starts over.
"""

import time
from collections.abc import Callable

from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from insurers.lists.memory import memory_to_build
from insurers.lists.tables import attach_table, build_indexes, table_name

PATIENCE_SECONDS = 600.0
LOCK_MILLISECONDS = 500
PAUSE_SECONDS = 0.5


class TableBusyError(Exception):
    """Others read the members for so long that a table could not be put in its place."""


def rewrite_table(
    list_id: int, *, fill: Callable[[str, str], None], then: Callable[[], None]
) -> None:
    """Make a new table, `fill(old, new)` it, index it, put it in the place of the old one.

    `then` runs in the same transaction. Readers wait only for the exchange (a few
    milliseconds once it is given its lock, which it asks for by half-seconds); nobody writes
    to the old table meanwhile. Raises TableBusyError.
    """
    old, new = table_name(list_id), f"{table_name(list_id)}_new"
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {old} IN SHARE MODE")
            cursor.execute(f"CREATE TABLE {new} (LIKE {old}, CHECK (list_id = {list_id:d}))")
        fill(old, new)
        with connection.cursor() as cursor, memory_to_build(cursor):
            build_indexes(new)
            cursor.execute(f"ANALYZE {new}")
        attached = is_attached(list_id)
        patiently(lambda: _exchange(list_id, new, attached=attached))
        then()


def is_attached(list_id: int) -> bool:
    """Whether a list's table is a partition: its members are visible."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relispartition FROM pg_class WHERE oid = to_regclass(%s)",
            [table_name(list_id)],
        )
        return bool(cursor.fetchone() == (True,))


def patiently(step: Callable[[], None]) -> None:
    """Run a step that needs everybody off a table, in short attempts: readers are not held up.

    Inside a transaction, whose other work is kept. Raises TableBusyError.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
                step()
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            if time.monotonic() > deadline:
                raise TableBusyError from error
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _exchange(list_id: int, new: str, *, attached: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {table_name(list_id)}")
        cursor.execute(f"ALTER TABLE {new} RENAME TO list_{list_id:d}")
    if attached:
        attach_table(list_id)
