"""Write what publishing a list changes on the lists before it: marks, never rewritten rows."""

from collections.abc import Collection, Sequence

from django.db import connection
from django.db.models import Count, F, Q

from insurers.lists.tables import index_table, make_table, table_name
from insurers.models import AffectedList, ListingMark

MANY = 10_000
ROWS_TOGETHER = 10_000

# In the order of the file. The reading named them in no problem: docs/decisions/0007.
_STAYS = """
CREATE TEMPORARY TABLE stays ON COMMIT DROP AS
SELECT DISTINCT ordinal FROM met
WHERE ended = '' AND NOT has_news AND earlier_list = ANY (%s) ORDER BY ordinal
"""
_NOTE = """
INSERT INTO insurers_listedalready (list_id, rows)
SELECT %s, array_agg(ordinal ORDER BY ordinal) FROM stays
GROUP BY ordinal / %s ORDER BY min(ordinal)
"""
_DELETE = "DELETE FROM {table} AS member USING stays WHERE member.ordinal = stays.ordinal"
_KEEP = """
INSERT INTO {table} SELECT member.* FROM {table}_read AS member
WHERE NOT EXISTS (SELECT FROM stays WHERE stays.ordinal = member.ordinal)
"""


def remove_members_listed(affected_list: AffectedList, *, lists: Sequence[int]) -> int:
    """Remove the people who are on one of `lists` with no other address; return how many.

    They are those of the table `stays`, made here from the table `met` of `comparison.compare`.
    """
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS stays")
        cursor.execute(_STAYS, [list(lists)])
        removed = int(cursor.rowcount)
        cursor.execute("ANALYZE stays")
        if not removed:
            return 0
        cursor.execute(_NOTE, [affected_list.pk, ROWS_TOGETHER])
        if 2 * removed < affected_list.members:
            cursor.execute(_DELETE.format(table=table_name(affected_list.pk)))
        else:
            _keep_the_others(affected_list.pk)
    return removed


def _keep_the_others(list_id: int) -> None:
    """Move the few who remain to a table of their own: deleted rows would keep their room."""
    table = table_name(list_id)
    read = f"list_{list_id:d}_read"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {read}")
        make_table(list_id)
        cursor.execute(_KEEP.format(table=table))
        cursor.execute(f"DROP TABLE members.{read}")
        index_table(list_id)


def mark_known(list_id: int, *, lists: Sequence[int]) -> int:
    """Mark the people of a new list who are on another one: they count there.

    Whose listings have all ended is to be settled: this one may count. Return how many people
    the list gives another address than one of `lists`; comes after `remove_members_listed`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH known AS ("
            " SELECT ordinal, bool_and(ended <> '') AS is_stale,"
            " bool_or(ended = '' AND has_news AND earlier_list = ANY (%s)) AS is_changed"
            " FROM met WHERE NOT EXISTS (SELECT FROM stays WHERE stays.ordinal = met.ordinal)"
            " GROUP BY ordinal"
            "), noted AS ("
            " INSERT INTO members.listing_mark (list_id, ordinal, is_counted, is_stale)"
            " SELECT %s, ordinal, false, is_stale FROM known"
            ") SELECT count(*), count(*) FILTER (WHERE is_changed) FROM known",
            [list(lists), list_id],
        )
        marked, changed = cursor.fetchone() or (0, 0)
    _know_marks(marked)
    return int(changed)


def end_leaving() -> int:
    """Mark the people of the table `leaving`; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO members.listing_mark AS mark (list_id, ordinal, ended, is_stale)"
            " SELECT list_id, ordinal, min(reason), true FROM leaving GROUP BY 1, 2"
            " ON CONFLICT (list_id, ordinal)"
            " DO UPDATE SET ended = EXCLUDED.ended, is_stale = true WHERE mark.ended = ''"
        )
        ended = int(cursor.rowcount)
    _know_marks(ended)
    return ended


# Whoever counted on a list that has left may count on another one.
_LOOK_AGAIN = """
UPDATE members.listing_mark AS mark SET is_stale = true
FROM members.affected_member AS member
WHERE mark.list_id = ANY (%(others)s) AND NOT mark.is_counted AND mark.ended = ''
    AND member.list_id = ANY (%(others)s)
    AND member.list_id = mark.list_id AND member.ordinal = mark.ordinal
    AND member.fingerprint IN (
        SELECT fingerprint FROM members.affected_member WHERE list_id = ANY (%(gone)s)
    )
"""


def end_whole(lists: Collection[AffectedList]) -> int:
    """End lists of one breach and insurer that no campaign used; return how many people left.

    Nobody was told from there and no message waits, so that nothing is written by person,
    unless some of them are on other lists too. The caller moves the lists to their state.
    """
    gone = [found.pk for found in lists]
    if not gone:
        return 0
    ListingMark.objects.filter(list_id__in=gone).delete()
    AffectedList.objects.filter(pk__in=gone).update(
        members_ended=F("members"), members_uncounted=F("members")
    )
    first = next(iter(lists))
    others = AffectedList.objects.that_stand_by_person().filter(
        breach_id=first.breach_id, insurer_id=first.insurer_id, members_uncounted__gt=0
    )
    if standing := list(others.exclude(pk__in=gone).values_list("pk", flat=True)):
        with connection.cursor() as cursor:
            cursor.execute(_LOOK_AGAIN, {"others": standing, "gone": gone})
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
