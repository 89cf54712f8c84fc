"""Find a person on the lists of an insurer, whatever key version each list carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from insurers.lists.byte_columns import split
from insurers.lists.fingerprint_keys import (
    UnknownKeyVersionError,
    breach_key_name,
    version_for_new_rows,
)
from insurers.lists.fingerprints import FINGERPRINT_BYTES, MemberFingerprints, member_fingerprints
from insurers.models import AffectedList, ListState


@dataclass(frozen=True)
class Found:
    """Where a person stands: a list and the row of its file."""

    list_id: int
    ordinal: int


Person = tuple[str, str, str]
"""Member number, birth date, birth rank or "": normalised."""

# One statement, hence one snapshot: a list is seen before its exchange or after it.
_FIND = """
SELECT asked.person, member.list_id, member.ordinal
FROM unnest(%(people)s::int[], %(versions)s::smallint[], %(fingerprints)s::uuid[])
    AS asked (person, version, fingerprint)
JOIN affected_member AS member
    ON member.fingerprint = asked.fingerprint AND member.key_version = asked.version
LEFT JOIN listing_mark AS mark
    ON mark.list_id = member.list_id AND mark.ordinal = member.ordinal
WHERE member.list_id = ANY (%(lists)s) AND (%(with_ended)s OR coalesce(mark.ended, '') = '')
ORDER BY asked.person, member.list_id, member.ordinal
"""


def people_meant(*, member_number: str, birth_date: str, birth_rank: str) -> list[Person]:
    """Return whom an insurer may have listed: with the birth rank typed, or the usual one."""
    return [(member_number, birth_date, rank) for rank in ("", birth_rank or "1")]


def find_member(
    *, breach_id: int, insurer_id: UUID, identifier: str, birth_date: str, birth_rank: str = ""
) -> list[Found]:
    """Return where one person stands, as `find_members` does for many."""
    person = (identifier, birth_date, birth_rank)
    return find_members(breach_id=breach_id, insurer_id=insurer_id, people=[person])[0]


def find_members(
    *, breach_id: int, insurer_id: UUID, people: Sequence[Person], with_ended: bool = False
) -> list[list[Found]]:
    """Return where each person stands on the accepted lists (worker only), in their order.

    Whoever was withdrawn or replaced is not concerned, and whose contact was corrected stands on
    the list that did so: what has ended is not returned, also where the person was told from it,
    unless `with_ended` asks for it, lists withdrawn as a whole included.
    Raises UnknownKeyVersionError where a list is of a version that the portal does not know,
    and KeyNotFoundError where a key is lost: neither is « not found ».
    """
    while True:
        members = member_fingerprints(breach_id=breach_id, insurer_id=insurer_id)
        found = _find(members, breach_id, people, with_ended=with_ended)
        # A rotation that started meanwhile may have wrapped a list beyond what was asked for.
        if all(found) or version_for_new_rows(breach_id) == members.version:
            return found


def _find(
    members: MemberFingerprints, breach_id: int, people: Sequence[Person], *, with_ended: bool
) -> list[list[Found]]:
    searched = AffectedList.objects.with_members().that_list_people()
    searched = searched.filter(breach_id=breach_id, insurer_id=members.insurer_id)
    if not with_ended:
        searched = searched.filter(state=ListState.ACCEPTED)
    lists = dict(searched.values_list("pk", "key_version"))
    newest = max(lists.values(), default=0)
    if newest > version_for_new_rows(breach_id):
        raise UnknownKeyVersionError(breach_key_name(breach_id, newest))
    asked = [
        (place, version, UUID(bytes=fingerprint))
        for version, column in enumerate(members.all_versions(people), 1)
        for place, fingerprint in enumerate(split(column, FINGERPRINT_BYTES))
    ]
    places, versions, fingerprints = (list(column) for column in zip(*asked, strict=True))
    values: dict[str, Any] = {
        "people": places,
        "versions": versions,
        "fingerprints": fingerprints,
        "lists": list(lists),
        "with_ended": with_ended,
    }
    found: list[list[Found]] = [[] for _ in people]
    with connection.cursor() as cursor:
        cursor.execute(_FIND, values)
        for person, list_id, ordinal in cursor.fetchall():
            found[person].append(Found(list_id, ordinal))
    return found
