"""Bring the fingerprints of a list under a newer key version: HMAC(Kn, …), without identifiers.

Only fingerprints leave the database, and come back wrapped: PostgreSQL copies the rows. One
connection reads the next ones while the other writes.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from insurers.lists.fingerprint_keys import (
    UnknownKeyVersionError,
    breach_key_name,
    version_for_new_rows,
)
from insurers.lists.fingerprints import (
    FINGERPRINT_BYTES,
    MemberFingerprints,
    member_fingerprints,
)
from insurers.lists.locks import fingerprints_stand_still
from insurers.lists.rewriting import rewrite_table
from insurers.lists.tables import member_columns
from insurers.models import AffectedList, FingerprintKey, KeyState

_PAGES = 500  # of 8 KB at once, some 20,000 members: a column is hashed quickly where it is long
_STRETCH = "old.ctid >= %(start)s::tid AND old.ctid < %(end)s::tid"


class RowsMovedError(Exception):
    """The rows of a table that nobody writes to are not where they were read."""


class Stretch(NamedTuple):
    """Rows that lie beside each other: their ordinals and new fingerprints, as arrays in SQL."""

    rows: int
    ordinals: str
    fingerprints: str
    start: str
    end: str


def fingerprints_agree(*, breach_id: int, insurer_id: UUID) -> bool:
    """Whether all fingerprints of an insurer in a breach are of one version, until commit.

    Ask before comparing those of different rows, in the same transaction; where the answer is
    no, a rotation is under way: try again later (the sweeps do).
    """
    if not fingerprints_stand_still(breach_id, insurer_id):
        return False
    wrapping = FingerprintKey.objects.filter(breach_id=breach_id, state=KeyState.WRAPPING).first()
    return wrapping is None or str(insurer_id) in wrapping.insurers_done


def is_comparable(affected_list: AffectedList) -> bool:
    """Whether a list that was brought up to date can be compared with others, until commit."""
    return (
        fingerprints_agree(breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id)
        and version_for_new_rows(affected_list.breach_id) == affected_list.key_version
    )


def bring_up_to_date(affected_list: AffectedList) -> None:
    """Wrap a list's fingerprints up to the version of new rows (worker only, under its lock)."""
    members = member_fingerprints(
        breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id
    )
    wrap_list(affected_list, members)


def wrap_list(affected_list: AffectedList, members: MemberFingerprints) -> None:
    """Wrap a list up to the version of `members`; nothing happens where that is done.

    Raises UnknownKeyVersionError where the list is of a version newer than any key.
    """
    version = affected_list.key_version
    if version > members.version:
        raise UnknownKeyVersionError(breach_key_name(affected_list.breach_id, version))
    if version == members.version:
        return

    def note_version() -> None:
        AffectedList.objects.filter(pk=affected_list.pk).update(key_version=members.version)

    rewrite_table(
        affected_list.pk,
        fill=lambda old, new: _copy_wrapped(affected_list, members, old, new),
        then=note_version,
    )
    affected_list.key_version = members.version


def _copy_wrapped(
    affected_list: AffectedList, members: MemberFingerprints, old: str, new: str
) -> None:
    _refuse_other_versions(affected_list, old)
    changing = {"key_version": "%(version)s", "fingerprint": "wrapped.fingerprint"}
    columns = member_columns()
    copy = (
        f"INSERT INTO {new} ({', '.join(columns)})"
        f" SELECT {', '.join(changing.get(column, f'old.{column}') for column in columns)}"
        f" FROM {old} AS old JOIN unnest(%(ordinals)s::integer[], %(fingerprints)s::uuid[])"
        f" AS wrapped (ordinal, fingerprint) USING (ordinal) WHERE {_STRETCH}"
    )
    with ThreadPoolExecutor(max_workers=1) as thread, connection.cursor() as cursor:
        try:
            for stretch in _ahead(thread, _wrapped(old, members, affected_list.key_version)):
                cursor.execute(copy, {**stretch._asdict(), "version": members.version})
                if cursor.rowcount != stretch.rows:
                    raise RowsMovedError
        finally:
            thread.submit(_close_connection)


def _refuse_other_versions(affected_list: AffectedList, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT key_version FROM {table} WHERE key_version <> %s LIMIT 1",
            [affected_list.key_version],
        )
        if (other := cursor.fetchone()) is not None:
            raise UnknownKeyVersionError(breach_key_name(affected_list.breach_id, other[0]))


def _close_connection() -> None:
    connection.close()  # Each thread has its own.


def _ahead(thread: Executor, stretches: Iterator[Stretch]) -> Iterator[Stretch]:
    """Yield what an iterator yields, whose next value is made in a thread meanwhile."""
    later = thread.submit(next, stretches, None)
    while (stretch := later.result()) is not None:
        later = thread.submit(next, stretches, None)
        yield stretch


def _wrapped(table: str, members: MemberFingerprints, version: int) -> Iterator[Stretch]:
    """Yield the table's rows, by stretches of pages: an index may not be there yet."""
    read = (
        "SELECT count(*), array_agg(ordinal)::text, string_agg(uuid_send(fingerprint), '')"
        f" FROM {table} AS old WHERE {_STRETCH}"
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s) / current_setting('block_size')::int", [table])
        (pages,) = cursor.fetchone()
        for first in range(0, pages, _PAGES):
            where = {"start": f"({first},0)", "end": f"({first + _PAGES},0)"}
            cursor.execute(read, where)
            rows, ordinals, fingerprints = cursor.fetchone()
            if rows:
                newest = members.wrap(bytes(fingerprints), version=version)
                as_array = f"{{{newest.hex(',', FINGERPRINT_BYTES)}}}"
                yield Stretch(rows, ordinals, as_array, **where)
