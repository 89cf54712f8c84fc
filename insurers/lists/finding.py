"""Find a person on the lists of an insurer, whatever key version each list carries."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from insurers.lists.fingerprint_keys import (
    UnknownKeyVersionError,
    breach_key_name,
    version_for_new_rows,
)
from insurers.lists.fingerprints import MemberFingerprints, member_fingerprints
from insurers.models import AffectedList, ListState


@dataclass(frozen=True)
class Found:
    """Where a person stands: a list and the row of its file."""

    list_id: int
    ordinal: int


# One statement, hence one snapshot: a list is seen before its exchange or after it.
_FIND = """
SELECT member.list_id, member.ordinal
FROM unnest(%(versions)s::smallint[], %(fingerprints)s::uuid[]) AS asked (version, fingerprint)
JOIN affected_member AS member
    ON member.fingerprint = asked.fingerprint AND member.key_version = asked.version
LEFT JOIN listing_mark AS mark
    ON mark.list_id = member.list_id AND mark.ordinal = member.ordinal
WHERE member.list_id = ANY (%(lists)s) AND coalesce(mark.ended, '') = ''
ORDER BY member.list_id, member.ordinal
"""


def find_member(
    *, breach_id: int, insurer_id: UUID, identifier: str, birth_date: str, birth_rank: str = ""
) -> list[Found]:
    """Return where a person (normalised values) stands on the accepted lists (worker only).

    Whoever was withdrawn or replaced is not concerned, and whose contact was corrected stands on
    the list that did so: what has ended is not returned, also where the person was told from it.
    Raises UnknownKeyVersionError where a list is of a version that the portal does not know,
    and KeyNotFoundError where a key is lost: neither is « not found ».
    """
    while True:
        members = member_fingerprints(breach_id=breach_id, insurer_id=insurer_id)
        found = _find(members, breach_id, (identifier, birth_date, birth_rank))
        # A rotation that started meanwhile may have wrapped a list beyond what was asked for.
        if found or version_for_new_rows(breach_id) == members.version:
            return found


def _find(members: MemberFingerprints, breach_id: int, person: tuple[str, str, str]) -> list[Found]:
    accepted = AffectedList.objects.with_members().filter(
        breach_id=breach_id, insurer_id=members.insurer_id, state=ListState.ACCEPTED
    )
    lists = dict(accepted.values_list("pk", "key_version"))
    asked = members.all_versions(*person)
    newest = max(lists.values(), default=0)
    if newest > version_for_new_rows(breach_id):
        raise UnknownKeyVersionError(breach_key_name(breach_id, newest))
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND,
            {
                "versions": list(range(1, len(asked) + 1)),
                "fingerprints": [UUID(bytes=fingerprint) for fingerprint in asked],
                "lists": list(lists),
            },
        )
        return [Found(*row) for row in cursor.fetchall()]
