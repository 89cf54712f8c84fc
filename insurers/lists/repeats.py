"""Find rows that repeat a member, and addresses that several members share, outside PostgreSQL.

Each block that is read keeps, for each of its records, the first eight bytes of the member's
fingerprint and of an address's: keyed hashes, spread evenly already. Sorting those of a list
takes a tenth of the time of reading its table again to group it. What is found repeated is
only looked at more closely: fingerprints of two members may begin alike, and the tables say so.
Among 33 million addresses the chance that two do, and count as shared, is one in thirty thousand.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import polars as pl
from django.db import connection
from psycopg import Cursor

from insurers.lists.fingerprints import HASH_BYTES
from insurers.lists.problems import Problem
from insurers.lists.tables import table_name
from insurers.models import AffectedList

SLICE_ROWS = 2_000_000
"""How many rows are sorted at a time, at the most: about 40 MB."""


class Shared(NamedTuple):
    """Addresses that more than one member has, and the members who have them."""

    addresses: int
    people: int


class Merged(NamedTuple):
    """Rows that were left out, since another row of the same person stays."""

    duplicate: int
    conflicting: int
    with_email: int
    with_phone: int
    without_contact: int


def note_repeated_rows(affected_list: AffectedList) -> None:
    """Fill the temporary table `repeated_row`, with rows whose member other rows seem to name."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS repeated_row")
        cursor.execute("CREATE TEMPORARY TABLE repeated_row (ordinal integer)")
        for hashes in _slices(affected_list, "member_hashes"):
            repeated = _repeated(hashes["hash"].sort()).unique()
            rows = hashes.filter(pl.col("hash").is_in(repeated.implode()))["row"]
            with cursor.copy("COPY repeated_row FROM STDIN") as copy:
                for some in rows.to_frame().iter_slices(100_000):
                    copy.write("".join(f"{row}\n" for row in some["row"]))
        cursor.execute("ANALYZE repeated_row")


_REPEATED = """
CREATE TEMPORARY TABLE repeated ON COMMIT DROP AS
SELECT ordinal, name_tag, fingerprint, email_fingerprint, phone_fingerprint
FROM repeated_row JOIN {table} USING (ordinal) WHERE list_id = %(list)s
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
    RETURNING ranked.ordinal, email, phone, CASE
        WHEN email IS NULL AND phone IS NULL THEN %(duplicate)s
        WHEN (email, phone) IS NOT DISTINCT FROM (kept_email, kept_phone) THEN %(duplicate)s
        ELSE %(conflicting)s END AS code
), noted AS (
    INSERT INTO insurers_listproblem (list_id, row, "column", code, severity)
    SELECT %(list)s, ordinal, '', code, 'warning' FROM gone
), left_out AS (
    INSERT INTO gone_row SELECT ordinal FROM gone
)
SELECT count(*) FILTER (WHERE code = %(duplicate)s), count(*) FILTER (WHERE code <> %(duplicate)s),
    count(email), count(phone), count(*) FILTER (WHERE email IS NULL AND phone IS NULL)
FROM gone
"""


def merge_repeated_members(affected_list: AffectedList) -> Merged:
    """Keep one row per person among those noted in `repeated_row`, of an indexed table.

    The last row that carries a contact stays. A row without a contact contradicts none, and
    one without a name is taken for the person of the same number and birth date. The others are
    named in `gone_row` until the transaction ends.
    """
    values: dict[str, Any] = {
        "list": affected_list.pk,
        "duplicate": Problem.DUPLICATE.value,
        "conflicting": Problem.CONFLICTING_CONTACT.value,
    }
    table = table_name(affected_list.pk)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS repeated, gone_row")
        cursor.execute(_REPEATED.format(table=table), values)
        cursor.execute("ANALYZE repeated")
        cursor.execute("CREATE TEMPORARY TABLE gone_row (ordinal integer) ON COMMIT DROP")
        cursor.execute(_MERGE.format(table=table), values)
        merged = Merged(*cursor.fetchone())
        cursor.execute("CREATE INDEX ON gone_row (ordinal)")
        cursor.execute("ANALYZE gone_row")
        cursor.execute("DROP TABLE repeated_row")
    return merged


def shared_addresses(affected_list: AffectedList) -> Shared:
    """Count them, without the rows named in `gone_row`."""
    addresses = people = 0
    for hashes in _slices(affected_list, "address_hashes", gone="gone_row"):
        repeated = _repeated(hashes["hash"].sort())
        addresses += repeated.n_unique()
        people += repeated.n_unique() + len(repeated)
    return Shared(addresses, people)


def _repeated(ordered: pl.Series) -> pl.Series:
    """Return the values that are equal to the one before."""
    return ordered.filter((ordered == ordered.shift(1)).fill_null(value=False))


def _slices(affected_list: AffectedList, column: str, *, gone: str = "") -> Iterator[pl.DataFrame]:
    """Yield hashes and row numbers, all those of one hash together."""
    count = 1 + affected_list.rows // SLICE_ROWS
    for number in range(count):
        yield pl.concat(
            [_block(*kept, count, number) for kept in _kept(affected_list, column, gone)],
            rechunk=False,
        )


def _block(
    first_row: int, hashes: bytes, gone: bytes | None, count: int, number: int
) -> pl.DataFrame:
    column = _numbers(hashes, pl.UInt64, "little")
    if gone:
        column = column.scatter(_numbers(gone, pl.UInt32, "big"), 0)
    rows = pl.int_range(first_row, first_row + len(column), dtype=pl.UInt32, eager=True)
    is_here = (column % count == number) & (column != 0)
    return pl.DataFrame({"hash": column.filter(is_here), "row": rows.filter(is_here)})


def _numbers(
    content: bytes, dtype: type[pl.UInt64 | pl.UInt32], order: Literal["little", "big"]
) -> pl.Series:
    size = HASH_BYTES if dtype == pl.UInt64 else 4
    array = pl.Array(dtype, len(content) // size)
    whole = pl.Series([content], dtype=pl.Binary)
    return whole.bin.reinterpret(dtype=array, endianness=order).explode()


def _kept(
    affected_list: AffectedList, column: str, gone: str
) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Yield each block's first row, hashes, and the places of the rows that are gone."""
    left_out = "NULL::bytea"
    if gone:
        left_out = (
            f"(SELECT string_agg(int4send((ordinal - first_row)::integer), '') FROM {gone}"
            " WHERE ordinal >= first_row AND ordinal < first_row + records)"
        )
    connection.ensure_connection()
    # Django's own cursors know no binary results, twice as quick.
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        yield from cursor.stream(
            f"SELECT first_row, {column}, {left_out} FROM insurers_listblock"
            " WHERE list_id = %s ORDER BY number",
            [affected_list.pk],
            binary=True,
        )
