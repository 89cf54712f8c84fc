"""Find rows that repeat a member, and addresses that several members share, outside PostgreSQL.

Each block that is read keeps, for each of its records, the first eight bytes of the member's
fingerprint and of an address's: keyed hashes, spread evenly already. Counting those of a list
takes a tenth of the time of reading its table again to group it. What is found repeated is
only looked at more closely: fingerprints of two members may begin alike, and the tables say so.
Among 33 million addresses the chance that two do, and count as shared, is one in thirty thousand.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeVar

import polars as pl
from django.db import connection, transaction
from psycopg import ServerCursor

from insurers.lists.contacts import HAS_POSTAL_ADDRESS
from insurers.lists.fingerprints import HASH_BYTES
from insurers.lists.problems import Problem
from insurers.lists.tables import table_name
from insurers.models import AffectedList

SLICE_ROWS = 2_000_000
"""How many different members or addresses are looked at at a time, about: some 100 MB."""
BLOCKS_AT_ONCE = 10  # fetched from PostgreSQL: 3 MB

Piece = TypeVar("Piece", pl.Series, pl.DataFrame)


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
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS repeated_row")
        cursor.execute("CREATE TEMPORARY TABLE repeated_row (ordinal integer)")
        for repeated in _gathered(map(_repeated, _counted(affected_list, "member_hashes"))):
            for hashes in _gathered(_blocks(affected_list, "member_hashes")):
                rows = _among(hashes, repeated).select("row")
                with cursor.copy("COPY repeated_row FROM STDIN") as copy:
                    for some in rows.iter_slices(100_000):
                        copy.write("".join(f"{row}\n" for row in some["row"]))
        cursor.execute("ANALYZE repeated_row")


_REPEATED = """
CREATE TEMPORARY TABLE repeated ON COMMIT DROP AS
SELECT ordinal, name_tag, fingerprint, email_fingerprint, phone_fingerprint, contact_flags
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
        ORDER BY email_fingerprint IS NULL AND phone_fingerprint IS NULL,
            email_fingerprint IS NULL AND phone_fingerprint IS NULL
                AND contact_flags & %(postal)s = 0,
            ordinal DESC
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

    The last row that carries a contact stays, or where none does, the last with a postal address.
    A row without a contact contradicts none, and one without a name is taken for the person of the
    same number and birth date. The others are named in `gone_row` until the transaction ends.
    """
    values: dict[str, Any] = {
        "list": affected_list.pk,
        "duplicate": Problem.DUPLICATE.value,
        "conflicting": Problem.CONFLICTING_CONTACT.value,
        "postal": HAS_POSTAL_ADDRESS,
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
    for counted in _counted(affected_list, "address_hashes", gone="gone_row"):
        repeated = _repeated(counted)
        addresses += len(repeated)
        people += int(_among(counted, repeated)["rows"].sum())
    return Shared(addresses, people)


def _counted(affected_list: AffectedList, column: str, *, gone: str = "") -> Iterator[pl.DataFrame]:
    """Yield hashes with a number of rows, slice by slice: all those of one hash are in one.

    Rows are counted in each block by itself, since one address may stand on a third of them all.
    """
    count = 1 + affected_list.rows // SLICE_ROWS
    for number in range(count):
        blocks = _blocks(affected_list, column, gone=gone, count=count, number=number)
        yield pl.concat([block["hash"].value_counts(name="rows") for block in blocks])


def _repeated(counted: pl.DataFrame) -> pl.Series:
    """Return the hashes that several rows have, each once."""
    ordered = counted["hash"].sort()
    in_several_blocks = ordered.filter((ordered == ordered.shift(1)).fill_null(value=False))
    in_one_block = counted.filter(pl.col("rows") > 1)["hash"]
    return pl.concat([in_several_blocks, in_one_block]).unique()


def _among(rows: pl.DataFrame, hashes: pl.Series) -> pl.DataFrame:
    return rows.filter(pl.col("hash").is_in(hashes.implode()))


def _gathered(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield pieces joined, SLICE_ROWS at a time and whatever the last one brings."""
    some: list[Piece] = []
    for piece in pieces:
        some.append(piece)
        if sum(map(len, some)) >= SLICE_ROWS:
            yield pl.concat(some)
            some = []
    if any(map(len, some)):
        yield pl.concat(some)


def _blocks(
    affected_list: AffectedList, column: str, *, gone: str = "", count: int = 1, number: int = 0
) -> Iterator[pl.DataFrame]:
    """Yield each block's hashes and row numbers, those of slice `number` of `count` alone."""
    for first_row, hashes, left_out in _kept(affected_list, column, gone):
        found = _numbers(hashes, pl.UInt64, "little")
        if left_out:
            found = found.scatter(_numbers(left_out, pl.UInt32, "big"), 0)
        rows = pl.int_range(first_row, first_row + len(found), dtype=pl.UInt32, eager=True)
        is_here = (found % count == number) & (found != 0)
        yield pl.DataFrame({"hash": found.filter(is_here), "row": rows.filter(is_here)})


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
    # Django's own cursors know no binary results, twice as quick; and others go on meanwhile.
    kept = ServerCursor(connection.connection, "kept_hashes")
    with connection.wrap_database_errors, kept:
        kept.itersize = BLOCKS_AT_ONCE
        kept.execute(
            f"SELECT first_row, {column}, {left_out} FROM insurers_listblock"
            " WHERE list_id = %s ORDER BY number",
            [affected_list.pk],
            binary=True,
        )
        yield from kept
