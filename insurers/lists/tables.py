"""The stand-alone table that a list is copied into, until it becomes a partition.

Tables are named after the list's id, so that a reading that was killed leaves nothing that
the next one does not find. Functions here run in the worker's transactions.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connection, transaction
from psycopg import Copy

from insurers.lists.copy_format import COPY_COLUMNS, COPY_END, COPY_START
from insurers.lists.member_rows import Fault
from insurers.lists.memory import memory_to_build
from insurers.models import AffectedMember

# Full pages: rows are never added to a list afterwards.
BY_FINGERPRINT = "(fingerprint) WITH (fillfactor = 100)"
BY_ROW = "(list_id, ordinal) WITH (fillfactor = 100)"


def table_name(list_id: int) -> str:
    """Return the qualified name of a list's table."""
    return f"members.list_{list_id:d}"


def member_columns() -> list[str]:
    """Return the names of a member's columns."""
    return [str(field.column) for field in AffectedMember._meta.concrete_fields]


def make_table(list_id: int) -> None:
    """Create a list's empty table, in place of what a killed reading left."""
    drop_table(list_id)
    with connection.cursor() as cursor:
        # The check spares PostgreSQL a scan when the table becomes a partition.
        cursor.execute(
            f"CREATE TABLE {table_name(list_id)}"
            f" (LIKE members.affected_member, CHECK (list_id = {list_id:d}))"
        )


def drop_table(list_id: int) -> None:
    """Drop a list's table, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {table_name(list_id)}")


@contextmanager
def rows_copied(table: str) -> Iterator[Copy]:
    """Append to a table what the block writes, as `copy_format` makes it."""
    statement = f"COPY {table} ({COPY_COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, connection.wrap_database_errors:
        with cursor.copy(statement) as copy:
            copy.write(COPY_START)
            yield copy
            copy.write(COPY_END)


def note_faults(list_id: int, faults: Sequence[Fault]) -> None:
    """Append to what the list's error file will say (PostgreSQL has no COPY under row security)."""
    if not faults:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO insurers_listproblem (list_id, row, "column", code, severity)'
            " SELECT %s, * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])",
            [
                list_id,
                [fault.row for fault in faults],
                [fault.column for fault in faults],
                [fault.problem.value for fault in faults],
                [fault.severity.value for fault in faults],
            ],
        )


@contextmanager
def indexes_built(list_id: int) -> Iterator[None]:
    """Build a full table's beside what the block does, each on a connection of its own.

    A partition's are the parent's, ready-made. A table that others do not see yet gets them
    before the block. A sample of a few thousand rows tells the planner enough. Can be killed
    and run again: what is built stays.
    """
    table = table_name(list_id)
    with ThreadPoolExecutor(max_workers=2) as threads:
        building: list[Future[None]] = []
        if not _is_indexed(table):
            if connection.in_atomic_block:
                with connection.cursor() as cursor, memory_to_build(cursor):
                    build_indexes(table)
            else:
                building = [threads.submit(_build_apart, one) for one in _indexes(list_id)]
        yield
        for one in building:
            one.result()
    with transaction.atomic(), connection.cursor() as cursor:
        if building:
            cursor.execute(f"ALTER TABLE {table} ADD PRIMARY KEY USING INDEX list_{list_id:d}_pkey")
        cursor.execute("SET LOCAL default_statistics_target = 10")
        cursor.execute(f"ANALYZE {table}")


def _is_indexed(table: str) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        # A worker that was killed may have left connections that still build: wait for them.
        cursor.execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
        cursor.execute(
            "SELECT FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'", [table]
        )
        return cursor.fetchone() is not None


def _indexes(list_id: int) -> list[str]:
    """Return statements that can run side by side, as an ALTER TABLE cannot."""
    name, table = f"list_{list_id:d}", table_name(list_id)
    return [
        f"CREATE INDEX IF NOT EXISTS {name}_fingerprint_idx ON {table} {BY_FINGERPRINT}",
        f"CREATE UNIQUE INDEX IF NOT EXISTS {name}_pkey ON {table} {BY_ROW}",
    ]


def _build_apart(statement: str) -> None:
    try:
        with connection.cursor() as cursor, memory_to_build(cursor):
            cursor.execute(statement)
    finally:
        connection.close()


def build_indexes(table: str) -> None:
    """Build them one after the other, on a table of any name."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX ON {table} {BY_FINGERPRINT}")
        cursor.execute(f"ALTER TABLE {table} ADD PRIMARY KEY {BY_ROW}")


def attach_table(list_id: int) -> None:
    """Make a list's members part of `affected_member`, all at once, on commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE members.affected_member"
            f" ATTACH PARTITION {table_name(list_id)} FOR VALUES IN ({list_id:d})"
        )
