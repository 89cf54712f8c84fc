"""Keep who was told in step with the key under which people are fingerprinted."""

from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from insurers.lists.byte_columns import split
from insurers.lists.fingerprint_keys import UnknownKeyVersionError, breach_key_name
from insurers.lists.fingerprints import FINGERPRINT_BYTES, MemberFingerprints

SLICE_ROWS = 50_000  # one transaction: a bounce that releases a claim waits no longer for it

_VERSIONS = """
SELECT key_version, count(*) FROM notifications_told
WHERE breach_id = %(breach)s AND insurer_id = %(insurer)s GROUP BY key_version
"""

_SLICE = """
SELECT DISTINCT fingerprint FROM notifications_told
WHERE breach_id = %(breach)s AND insurer_id = %(insurer)s
    AND operator_id IN (SELECT id FROM insurers_operator)
    AND fingerprint >= %(start)s AND fingerprint <= %(end)s AND key_version = %(version)s
"""

_WRAP = """
UPDATE notifications_told AS told SET fingerprint = pair.new, key_version = %(newest)s
FROM unnest(%(old)s::uuid[], %(new)s::uuid[]) AS pair (old, new), insurers_operator AS operator
WHERE told.breach_id = %(breach)s AND told.insurer_id = %(insurer)s
    AND told.operator_id = operator.id AND told.fingerprint = pair.old
    AND told.key_version = %(version)s
"""

# A receipt that came late claimed again, under the new version already, whom another campaign had
# claimed under the old one: the constraint could not tell. The first claim stays.
_DROP_LATER = """
DELETE FROM notifications_told AS later
USING notifications_told AS told, unnest(%(old)s::uuid[], %(new)s::uuid[]) AS pair (old, new)
WHERE told.breach_id = %(breach)s AND told.insurer_id = %(insurer)s
    AND told.fingerprint = pair.old AND told.key_version = %(version)s
    AND later.breach_id = %(breach)s AND later.insurer_id = %(insurer)s
    AND later.operator_id = told.operator_id AND later.fingerprint = pair.new
    AND later.name_tag = told.name_tag AND later.key_version = %(newest)s
"""


def wrap_told(*, breach_id: int, insurer_id: UUID, members: MemberFingerprints) -> None:
    """Wrap the claims of an insurer in a breach up to the version of `members` (worker only).

    By slices of the fingerprints, each a transaction; run again after a kill it does the rest.
    Raises UnknownKeyVersionError where a claim is of a version newer than any key.
    """
    place: dict[str, Any] = {"breach": breach_id, "insurer": insurer_id}
    with connection.cursor() as cursor:
        cursor.execute(_VERSIONS, place)
        counts = cursor.fetchall()
    for version, count in counts:
        if version > members.version:
            raise UnknownKeyVersionError(breach_key_name(breach_id, version))
        if version < members.version:
            for start, end in _slices(count):
                _wrap_slice(members, version, {**place, "start": start, "end": end})


def _slices(rows: int) -> list[tuple[UUID, UUID]]:
    """Return the ranges, both ends included, that cut evenly spread fingerprints into slices."""
    count = rows // SLICE_ROWS + 1
    bounds = [(1 << 128) * number // count for number in range(count + 1)]
    return [(UUID(int=start), UUID(int=end - 1)) for start, end in pairwise(bounds)]


def _wrap_slice(members: MemberFingerprints, version: int, values: dict[str, Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SLICE, {**values, "version": version})
        old = [row[0] for row in cursor.fetchall()]
        wrapped = members.wrap(b"".join([told.bytes for told in old]), version=version)
        new = [UUID(bytes=fingerprint) for fingerprint in split(wrapped, FINGERPRINT_BYTES)]
        values |= {"version": version, "newest": members.version, "old": old, "new": new}
        try:
            with transaction.atomic():
                cursor.execute(_WRAP, values)
        except IntegrityError:
            cursor.execute(_DROP_LATER, values)
            cursor.execute(_WRAP, values)
