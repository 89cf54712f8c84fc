"""Write what publishing a list changes on the lists before it: marks, never rewritten rows."""

from collections.abc import Sequence

from django.db import connection
from django.db.models import Count, Q

from insurers.lists.problems import Problem
from insurers.lists.tables import table_name
from insurers.models import AffectedList, ListingMark

MANY = 10_000

_REMOVE = """
WITH stays AS (
    SELECT DISTINCT ordinal FROM met
    WHERE ended = '' AND NOT has_news AND earlier_list = ANY (%(lists)s)
), gone AS (
    DELETE FROM {table} AS member USING stays WHERE member.ordinal = stays.ordinal
    RETURNING member.ordinal
), noted AS (
    INSERT INTO insurers_listproblem (list_id, row, "column", code, severity)
    SELECT %(list)s, ordinal, '', %(code)s, 'warning' FROM gone
), forgotten AS (
    DELETE FROM met USING gone WHERE met.ordinal = gone.ordinal
)
SELECT count(*) FROM gone
"""


def remove_members_listed(list_id: int, *, lists: Sequence[int]) -> int:
    """Remove the people who are on one of `lists` with no other address; return how many.

    Reads and thins out the table `met` of `comparison.compare`.
    """
    if not lists:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _REMOVE.format(table=table_name(list_id)),
            {"list": list_id, "lists": list(lists), "code": Problem.ALREADY_LISTED.value},
        )
        (removed,) = cursor.fetchone() or (0,)
    return int(removed)


def count_changed(*, lists: Sequence[int]) -> int:
    """Count the people whom the list gives another address than one of `lists` (after removal)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT ordinal) FROM met"
            " WHERE ended = '' AND has_news AND earlier_list = ANY (%s)",
            [list(lists)],
        )
        (changed,) = cursor.fetchone() or (0,)
    return int(changed)


def mark_known(list_id: int) -> None:
    """Mark the people of a new list who are on another one: they count there.

    Whose listings have all ended is to be settled: this one may count.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO members.listing_mark (list_id, ordinal, is_counted, is_stale)"
            " SELECT %s, ordinal, false, bool_and(ended <> '') FROM met GROUP BY ordinal",
            [list_id],
        )
        _know_marks(cursor.rowcount)


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
