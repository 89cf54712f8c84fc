"""The stand-alone table that a list is copied into, until it becomes a partition.

Tables are named after the list's id, so that a reading that was killed leaves nothing that
the next one does not find. Functions here run in the worker's transactions.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from insurers.lists.copy_format import COPY_COLUMNS, COPY_END, COPY_START
from insurers.lists.member_rows import Fault
from insurers.lists.problems import Problem
from insurers.models import AffectedMember


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


def copy_members(list_id: int, rows: bytes) -> None:
    """Append members, given as `copy_format.copy_rows` makes them."""
    with connection.cursor() as cursor:
        statement = f"COPY {table_name(list_id)} ({COPY_COLUMNS}) FROM STDIN (FORMAT BINARY)"
        with connection.wrap_database_errors, cursor.copy(statement) as copy:
            copy.write(COPY_START)
            copy.write(rows)
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


def index_table(list_id: int) -> None:
    """Build the indexes of a full table: a partition's are the parent's, ready-made.

    Can be killed and run again. A sample of a few thousand rows tells the planner enough.
    """
    table = table_name(list_id)
    with connection.cursor() as cursor, memory_to_build(cursor), transaction.atomic():
        cursor.execute("SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass", [table])
        if cursor.fetchone() == (0,):
            build_indexes(table)
        cursor.execute("SET LOCAL default_statistics_target = 10")
        cursor.execute(f"ANALYZE {table}")


def build_indexes(table: str) -> None:
    """Build them on a table of any name; full pages, since rows are never added afterwards."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX ON {table} (fingerprint) WITH (fillfactor = 100)")
        cursor.execute(
            f"ALTER TABLE {table} ADD PRIMARY KEY (list_id, ordinal) WITH (fillfactor = 100)"
        )


@contextmanager
def memory_to_build(cursor: CursorWrapper) -> Iterator[None]:
    """Give an index that is built within the block the memory to sort in."""
    cursor.execute("SET maintenance_work_mem = '256MB'")
    try:
        yield
    finally:
        if connection.is_usable():
            cursor.execute("RESET maintenance_work_mem")


def attach_table(list_id: int) -> None:
    """Make a list's members part of `affected_member`, all at once, on commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE members.affected_member"
            f" ATTACH PARTITION {table_name(list_id)} FOR VALUES IN ({list_id:d})"
        )


@contextmanager
def sorting_on_all_cores() -> Iterator[None]:
    """Have what is grouped in the block be sorted, by parallel workers (in a transaction)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_hashagg = off; SET LOCAL parallel_setup_cost = 0;"
            " SET LOCAL parallel_tuple_cost = 0"
        )
        yield
        cursor.execute(
            "SET LOCAL enable_hashagg TO DEFAULT; SET LOCAL parallel_setup_cost TO DEFAULT;"
            " SET LOCAL parallel_tuple_cost TO DEFAULT"
        )


# Sorting eight bytes takes a tenth of the time of sorting the fingerprints; two fingerprints of
# one hash are looked at, and found to differ.
_REPEATED_HASHES = """
CREATE TEMPORARY TABLE repeated_hash ON COMMIT DROP AS
SELECT hash FROM (SELECT uuid_hash_extended(fingerprint, 0) AS hash FROM {table}) AS member
GROUP BY hash HAVING count(*) > 1;
ANALYZE repeated_hash;
"""
_REPEATED = """
CREATE TEMPORARY TABLE repeated ON COMMIT DROP AS
SELECT ordinal, name_tag, fingerprint, email_fingerprint, phone_fingerprint FROM {table}
WHERE uuid_hash_extended(fingerprint, 0) IN (SELECT hash FROM repeated_hash);
ANALYZE repeated;
"""
_MERGE = """
WITH named AS (
    SELECT *, coalesce(
        nullif(name_tag, 0), min(nullif(name_tag, 0)) OVER (PARTITION BY fingerprint), 0
    ) AS person
    FROM repeated
), ranked AS (
    SELECT ordinal, email_fingerprint AS email, phone_fingerprint AS phone,
        first_value(ordinal) OVER same AS kept,
        first_value(email_fingerprint) OVER same AS kept_email,
        first_value(phone_fingerprint) OVER same AS kept_phone
    FROM named
    WINDOW same AS (
        PARTITION BY fingerprint, person
        ORDER BY email_fingerprint IS NULL AND phone_fingerprint IS NULL, ordinal DESC
    )
), gone AS (
    DELETE FROM {table} AS member USING ranked
    WHERE member.list_id = %(list)s AND member.ordinal = ranked.ordinal
        AND ranked.ordinal <> ranked.kept
    RETURNING ranked.ordinal, CASE
        WHEN email IS NULL AND phone IS NULL THEN %(duplicate)s
        WHEN (email, phone) IS NOT DISTINCT FROM (kept_email, kept_phone) THEN %(duplicate)s
        ELSE %(conflicting)s END AS code
), noted AS (
    INSERT INTO insurers_listproblem (list_id, row, "column", code, severity)
    SELECT %(list)s, ordinal, '', code, 'warning' FROM gone
)
SELECT count(*) FILTER (WHERE code = %(duplicate)s), count(*) FILTER (WHERE code <> %(duplicate)s)
FROM gone
"""


def merge_repeated_members(list_id: int) -> tuple[int, int]:
    """Keep one row per person of an indexed table; return how many duplicates and conflicts went.

    The last row that carries a contact stays. A row without a contact contradicts none, and
    one without a name is taken for the person of the same number and birth date.
    """
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS repeated_hash, repeated")
        with sorting_on_all_cores():
            cursor.execute(_REPEATED_HASHES.format(table=table_name(list_id)))
        cursor.execute(_REPEATED.format(table=table_name(list_id)))
        cursor.execute(
            _MERGE.format(table=table_name(list_id)),
            {
                "list": list_id,
                "duplicate": Problem.DUPLICATE.value,
                "conflicting": Problem.CONFLICTING_CONTACT.value,
            },
        )
        duplicate, conflicting = cursor.fetchone() or (0, 0)
    return duplicate, conflicting


def count_members(list_id: int) -> dict[str, Any]:
    """Return the counts of a list, named like the fields of AffectedList."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(email_fingerprint), count(phone_fingerprint),"
            " count(*) FILTER (WHERE email_fingerprint IS NULL AND phone_fingerprint IS NULL)"
            f" FROM {table_name(list_id)}"
        )
        counts = cursor.fetchone() or (0, 0, 0, 0)
    names = ("members", "members_with_email", "members_with_phone", "members_without_contact")
    return dict(zip(names, counts, strict=True))
