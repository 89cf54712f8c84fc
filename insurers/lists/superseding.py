"""Write what publishing a list changes on the lists before it: marks, never rewritten rows."""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q

from insurers.models import AffectedList, ListEffect, ListingMark

MANY = 10_000
ROWS_TOGETHER = 10_000

# What the lists before say of each person of the new one: listed there with no other address, or
# with another one, for the same operators at least; or only where nothing more is sent from.
_KNOWN = """
CREATE TEMPORARY TABLE known ON COMMIT DROP AS
SELECT ordinal, bool_and(ended <> '') AS is_stale,
    coalesce(bool_or(NOT has_news) FILTER (WHERE ended = '' AND earlier_list = ANY (%(lists)s)),
        false) AS is_listed,
    coalesce(bool_and(has_news) FILTER (WHERE ended = '' AND earlier_list = ANY (%(lists)s)),
        false) AS is_changed
FROM met GROUP BY ordinal
"""
# The reading named them in no problem: docs/decisions/0007.
_NOTE = """
INSERT INTO insurers_listedalready (list_id, rows)
SELECT %(list)s, array_agg(ordinal ORDER BY ordinal) FROM known WHERE is_listed
GROUP BY ordinal / %(together)s ORDER BY min(ordinal)
"""
_MARK = """
INSERT INTO members.listing_mark (list_id, ordinal, is_counted, is_stale)
SELECT %(list)s, ordinal, false, is_stale FROM known ORDER BY ordinal
"""
_COUNT_KNOWN = """
SELECT count(*), count(*) FILTER (WHERE is_listed), count(*) FILTER (WHERE is_changed) FROM known
"""


def mark_known(list_id: int, *, lists: Sequence[int]) -> tuple[int, int]:
    """Mark the people of a new list who are on another one: they count there.

    Whose listings have all ended is to be settled: this one may count. Return how many people
    are on one of `lists` with no other address, and how many with another one only. Reads the
    table `met` of `comparison.compare`.
    """
    values: dict[str, Any] = {"list": list_id, "lists": list(lists), "together": ROWS_TOGETHER}
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS known")
        cursor.execute(_KNOWN, values)
        for statement in (_NOTE, _MARK):
            cursor.execute(statement, values)
        cursor.execute(_COUNT_KNOWN)
        marked, listed, changed = cursor.fetchone() or (0, 0, 0)
    _know_marks(marked)
    return int(listed), int(changed)


# Only where a campaign uses the list, or another list names the person, is there more to do than
# this: messages to cancel, a listing to count instead. Settling writes these marks once more.
_OPEN = """
SELECT leaving.*, leaving.list_id = ANY (%(used)s) OR elsewhere.list_id IS NOT NULL AS is_open
FROM leaving LEFT JOIN (
    SELECT DISTINCT member.list_id, member.ordinal FROM leaving
    JOIN members.affected_member AS member USING (list_id, ordinal)
    JOIN members.affected_member AS other ON other.fingerprint = member.fingerprint
        AND other.list_id = ANY (%(lists)s) AND other.list_id <> member.list_id
) AS elsewhere USING (list_id, ordinal)
"""
_OPEN_ON_ONE_LIST = "SELECT *, list_id = ANY (%(used)s) AS is_open FROM leaving"
_END_MARKED = """
UPDATE members.listing_mark AS mark SET ended = reason,
    is_counted = is_counted AND is_open, is_stale = is_stale OR is_open
FROM ({leaving}) AS leaving
WHERE mark.list_id = leaving.list_id AND mark.ordinal = leaving.ordinal
    AND mark.ended IN ('', 'corrected')
"""
_END = """
INSERT INTO members.listing_mark (list_id, ordinal, ended, is_counted, is_stale)
SELECT list_id, ordinal, reason, is_open, is_open FROM ({leaving}) AS leaving
WHERE NOT EXISTS (
    SELECT FROM members.listing_mark AS mark
    WHERE mark.list_id = leaving.list_id AND mark.ordinal = leaving.ordinal
)
ORDER BY list_id, ordinal
"""


def end_leaving(affected_list: AffectedList) -> int:
    """Mark the people of the table `leaving`, for a list of their insurer; return how many."""
    standing = AffectedList.objects.that_stand_by_person().filter(
        breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id, purged_at=None
    )
    standing = standing | AffectedList.objects.filter(pk=affected_list.pk)
    lists = list(standing.exclude(effect=ListEffect.WITHDRAW).values_list("pk", flat=True))
    used = list(standing.filter(is_in_use=True).values_list("pk", flat=True))
    leaving = _OPEN if len(lists) > 1 else _OPEN_ON_ONE_LIST
    ended = 0
    with connection.cursor() as cursor:
        for statement in (_END_MARKED, _END):
            cursor.execute(statement.format(leaving=leaving), {"lists": lists, "used": used})
            ended += int(cursor.rowcount)
    _know_marks(ended)
    return ended


# Whoever counted on a list that leaves may count on another one.
_LOOK_AGAIN = """
UPDATE members.listing_mark AS mark SET is_stale = true
FROM members.affected_member AS member
WHERE mark.list_id = ANY (%(others)s) AND NOT mark.is_counted AND mark.ended = ''
    AND member.list_id = ANY (%(others)s)
    AND member.list_id = mark.list_id AND member.ordinal = mark.ordinal
    AND member.fingerprint IN (
        SELECT fingerprint FROM members.affected_member
        LEFT JOIN members.listing_mark AS gone USING (list_id, ordinal)
        WHERE list_id = ANY (%(gone)s) AND coalesce(gone.is_counted, true)
    )
"""


def end_whole(lists: Collection[AffectedList]) -> int:
    """End lists of one breach and insurer that no campaign used; return how many people left.

    Nobody was told from there and no message waits, so that nothing is written by person,
    unless some of them are on other lists too. The caller moves the lists to their state,
    then announces it (`acceptance.announce_listings`).
    """
    gone = [found.pk for found in lists]
    if not gone:
        return 0
    first = next(iter(lists))
    others = AffectedList.objects.that_stand_by_person().filter(
        breach_id=first.breach_id, insurer_id=first.insurer_id, purged_at=None
    )
    if standing := list(others.exclude(pk__in=gone).values_list("pk", flat=True)):
        with connection.cursor() as cursor:
            cursor.execute(_LOOK_AGAIN, {"others": standing, "gone": gone})
    AffectedList.objects.filter(pk__in=gone).update(
        members_ended=F("members"), members_uncounted=F("members")
    )
    return sum(found.members - found.members_ended for found in lists)


def _know_marks(written: int) -> None:
    """Let PostgreSQL know the marks anew where many were written in this transaction."""
    if written > MANY:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE members.listing_mark")


def count_marks(*, list_ids: Sequence[int]) -> None:
    """Bring the lists' counts of ended and uncounted people in step with the marks."""
    counts = (
        ListingMark.objects.filter(list_id__in=list_ids)
        .values("list_id")
        .annotate(
            ended_people=Count("ordinal", filter=~Q(ended="")),
            uncounted_people=Count("ordinal", filter=Q(is_counted=False)),
        )
    )
    for row in counts:
        AffectedList.objects.filter(pk=row["list_id"]).update(
            members_ended=row["ended_people"], members_uncounted=row["uncounted_people"]
        )
