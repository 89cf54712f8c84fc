"""Keep who was told in step with the key under which people are fingerprinted."""

from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper

from insurers.lists.copy_format import COPY_END, COPY_START, blank, field
from insurers.lists.fingerprint_keys import UnknownKeyVersionError, breach_key_name
from insurers.lists.fingerprints import FINGERPRINT_BYTES, MemberFingerprints

SLICE_ROWS = 50_000  # one transaction: a bounce that releases a claim waits no longer for it

_VERSIONS = """
SELECT operator_id, key_version, count(*) FROM notifications_told
WHERE breach_id = %(breach)s AND insurer_id = %(insurer)s GROUP BY operator_id, key_version
"""

_READ = """
SELECT coalesce(string_agg(uuid_send(fingerprint), ''), '') FROM (
    SELECT DISTINCT fingerprint FROM notifications_told
    WHERE breach_id = %(breach)s AND insurer_id = %(insurer)s
        AND operator_id = %(operator)s AND key_version = %(version)s
        AND fingerprint >= %(start)s AND fingerprint <= %(end)s
) AS claimed
"""

# Written in the order of the new key: in any other, each slice would touch the whole index, and
# PostgreSQL would log a page for every row.
_PAIRS = "CREATE TEMPORARY TABLE read_pair (old uuid NOT NULL, new uuid NOT NULL)"
_SORT = (
    "CREATE TEMPORARY TABLE pair AS SELECT old, new FROM read_pair ORDER BY new",
    "CREATE INDEX ON pair (new)",
    "ANALYZE pair",
    "DROP TABLE read_pair",
)
_FORGET = "DROP TABLE IF EXISTS read_pair, pair"
_SLICE = "(SELECT old, new FROM pair WHERE new >= %(start)s AND new <= %(end)s ORDER BY new)"
_IN_ORDER = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"

_PAIR = blank(("fields", ">i2"), *field("old", "V16"), *field("new", "V16"))

_WRAP = f"""
UPDATE notifications_told AS told SET fingerprint = pair.new, key_version = %(newest)s
FROM {_SLICE} AS pair
WHERE told.breach_id = %(breach)s AND told.insurer_id = %(insurer)s
    AND told.operator_id = %(operator)s AND told.fingerprint = pair.old
    AND told.key_version = %(version)s
"""

# A receipt that came late claimed again, under the new version already, whom another campaign had
# claimed under the old one: the constraint could not tell. The first claim stays.
_DROP_LATER = f"""
DELETE FROM notifications_told AS later
USING notifications_told AS told, {_SLICE} AS pair
WHERE told.breach_id = %(breach)s AND told.insurer_id = %(insurer)s
    AND told.operator_id = %(operator)s AND told.fingerprint = pair.old
    AND told.key_version = %(version)s AND later.breach_id = %(breach)s
    AND later.insurer_id = %(insurer)s AND later.operator_id = %(operator)s
    AND later.fingerprint = pair.new AND later.name_tag = told.name_tag
    AND later.key_version = %(newest)s
"""


def wrap_told(*, breach_id: int, insurer_id: UUID, members: MemberFingerprints) -> None:
    """Wrap the claims of an insurer in a breach up to the version of `members` (worker only).

    By slices of the fingerprints, each a transaction; run again after a kill it does the rest.
    Raises UnknownKeyVersionError where a claim is of a version newer than any key.
    """
    place: dict[str, Any] = {"breach": breach_id, "insurer": insurer_id, "newest": members.version}
    with connection.cursor() as cursor:
        # Claims come by the million at once: until PostgreSQL has looked at them by itself, it
        # takes them for a few, and compares each with every pair.
        cursor.execute("ANALYZE notifications_told")
        cursor.execute(_VERSIONS, place)
        counts = cursor.fetchall()
        for operator, version, count in counts:
            if version > members.version:
                raise UnknownKeyVersionError(breach_key_name(breach_id, version))
            if version < members.version:
                values = {**place, "operator": operator, "version": version}
                _wrap_version(cursor, members, count, values)


def _wrap_version(
    cursor: CursorWrapper, members: MemberFingerprints, count: int, values: dict[str, Any]
) -> None:
    cursor.execute(_FORGET)
    cursor.execute(_PAIRS)
    for start, end in _slices(count):
        cursor.execute(_READ, {**values, "start": start, "end": end})
        old = bytes((cursor.fetchone() or (b"",))[0])
        with cursor.copy("COPY read_pair FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(COPY_START)
            copy.write(_pairs(old, members.wrap(old, version=values["version"])))
            copy.write(COPY_END)
    for statement in _SORT:
        cursor.execute(statement)
    for start, end in _slices(count):
        _wrap_slice(cursor, {**values, "start": start, "end": end})
    cursor.execute(_FORGET)


def _slices(rows: int) -> list[tuple[UUID, UUID]]:
    """Return the ranges, both ends included, that cut evenly spread fingerprints into slices."""
    count = rows // SLICE_ROWS + 1
    bounds = [(1 << 128) * number // count for number in range(count + 1)]
    return [(UUID(int=start), UUID(int=end - 1)) for start, end in pairwise(bounds)]


def _pairs(old: bytes, new: bytes) -> bytes:
    """Return two columns of fingerprints as rows for COPY."""
    rows = np.full(len(old) // FINGERPRINT_BYTES, _PAIR)
    rows["fields"] = 2
    rows["old"], rows["new"] = np.frombuffer(old, "V16"), np.frombuffer(new, "V16")
    return rows.tobytes()


def _wrap_slice(cursor: CursorWrapper, values: dict[str, Any]) -> None:
    with transaction.atomic():
        cursor.execute(_IN_ORDER)
        try:
            with transaction.atomic():
                cursor.execute(_WRAP, values)
        except IntegrityError:
            cursor.execute(_DROP_LATER, values)
            cursor.execute(_WRAP, values)
