"""Find rows that repeat a member, and addresses that several members share, outside PostgreSQL.

Each block that is read keeps, for each of its records, the first eight bytes of the member's
fingerprint and of an address's: keyed hashes, spread evenly already. Counting those of a list
takes a tenth of the time of reading its table again to group it. What is found repeated is
only looked at more closely: fingerprints of two members may begin alike, and the tables say so.
Among 33 million addresses the chance that two do, and count as shared, is one in thirty thousand.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from psycopg import Cursor, ServerCursor

from insurers.lists.contacts import HAS_POSTAL_ADDRESS
from insurers.lists.fingerprints import HASH
from insurers.lists.problems import Problem
from insurers.lists.tables import table_name
from insurers.models import AffectedList, ListBlock

SLICE_ROWS = 4_000_000
"""How many hashes are looked at at a time, about: 32 MB; each slice reads all blocks again."""
BLOCKS_AT_ONCE = 10  # fetched from PostgreSQL: 3 MB
MANY = 16

Hashes = NDArray[np.uint64]


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


def keep_hashes(block: ListBlock, *, members: bytes, addresses: bytes) -> None:
    """Keep the hashes of a block's records, 0 where there is none (worker, in a transaction)."""
    # Django would write them into its statement, twice as long, for PostgreSQL to parse.
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        cursor.execute(
            "UPDATE insurers_listblock SET member_hashes = %b, address_hashes = %b WHERE id = %s",
            [members, addresses, block.pk],
        )


def note_repeated_rows(affected_list: AffectedList) -> None:
    """Fill the temporary table `repeated_row`, with rows whose member other rows seem to name."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS repeated_row")
        cursor.execute("CREATE TEMPORARY TABLE repeated_row (ordinal integer)")
        for repeated in _gathered(map(_repeated, _slices(affected_list, "member_hashes"))):
            for first_row, hashes in _blocks(affected_list, "member_hashes"):
                rows = first_row + np.flatnonzero(_among(hashes, repeated))
                if len(rows):
                    with cursor.copy("COPY repeated_row FROM STDIN") as copy:
                        copy.write("\n".join(map(str, rows.tolist())))
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
    for some in _slices(affected_list, "address_hashes", gone="gone_row"):
        again = _again(some.hashes)
        repetitions = int(again.sum())
        different = repetitions - int((again[1:] & again[:-1]).sum())
        addresses += different
        people += different + repetitions + some.more
    return Shared(addresses, people)


class _Slice(NamedTuple):
    """The hashes between two bounds, of all blocks, in order."""

    hashes: Hashes
    more: int  # rows left out, since a hash is kept MANY times of a block at the most


def _slices(affected_list: AffectedList, column: str, *, gone: str = "") -> Iterator[_Slice]:
    """Yield the hashes of a list slice by slice, in ascending order."""
    count = 1 + affected_list.rows // SLICE_ROWS
    for low, high in pairwise((number << 64) // count for number in range(count + 1)):
        found = np.empty(affected_list.rows // count * 9 // 8, HASH)
        size = more = 0
        for _first_row, hashes in _blocks(affected_list, column, gone=gone):
            here, beyond = _few_of_each(hashes[(hashes >= max(low, 1)) & (hashes <= high - 1)])
            if size + len(here) > len(found):
                found.resize(2 * (size + len(here)), refcheck=False)
            found[size : size + len(here)] = here
            size, more = size + len(here), more + beyond
        found.resize(size, refcheck=False)
        found.sort()
        yield _Slice(found, more)


def _few_of_each(hashes: Hashes) -> tuple[Hashes, int]:
    """Return hashes in order, each MANY times at the most, and how many were left out.

    One address may stand on a third of all rows: that would take memory for nothing.
    """
    hashes.sort()
    if not (hashes[MANY:] == hashes[:-MANY]).any():
        return hashes, 0
    different, counts = np.unique(hashes, return_counts=True)
    few = np.repeat(different, np.minimum(counts, MANY))
    return few, len(hashes) - len(few)


def _again(ordered: Hashes) -> NDArray[np.bool]:
    """Say of each hash but the first whether it is that before it."""
    return np.equal(ordered[1:], ordered[:-1])


def _repeated(some: _Slice) -> Hashes:
    """Return the hashes that several rows have, each once."""
    return np.unique(some.hashes[1:][_again(some.hashes)])


def _among(hashes: Hashes, ordered: Hashes) -> NDArray[np.bool]:
    """Say of each hash whether it is one of those in order, which are not none."""
    places = np.searchsorted(ordered, hashes)
    return np.equal(ordered.take(places, mode="clip"), hashes)


def _gathered(pieces: Iterable[Hashes]) -> Iterator[Hashes]:
    """Yield pieces joined: each costs one more reading of all blocks."""
    some: list[Hashes] = []
    for piece in filter(len, pieces):
        some.append(piece)
        if sum(map(len, some)) >= SLICE_ROWS // 4:
            yield np.concatenate(some)
            some = []
    if some:
        yield np.concatenate(some)


def _blocks(
    affected_list: AffectedList, column: str, *, gone: str = ""
) -> Iterator[tuple[int, Hashes]]:
    """Yield each block's first row, and its hashes; 0 stands for none, and for a row gone."""
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
        for first_row, content, places in kept:
            hashes = np.frombuffer(content, HASH)
            if places:
                hashes = hashes.copy()
                hashes[np.frombuffer(places, ">i4")] = 0
            yield first_row, hashes
