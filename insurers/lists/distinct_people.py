"""Count people once who stand on several lists."""

from collections.abc import Sequence

from django.db import connection
from django.db.models import F, Sum

from insurers.models import AffectedList

_STANDING = """
SELECT fingerprint, name_tag FROM members.affected_member
LEFT JOIN members.listing_mark AS mark USING (list_id, ordinal)
WHERE list_id = ANY (%(lists)s) AND coalesce(mark.ended, '') = ''
"""

# Whoever's contact is corrected stays listed, at another address; whoever's was corrected before
# left from there then.
_LEAVING = """
SELECT list_id, ordinal FROM leaving LEFT JOIN members.listing_mark AS mark USING (list_id, ordinal)
WHERE reason <> 'corrected' AND coalesce(mark.ended, '') = ''
"""
_LEAVING_BY_LIST = f"SELECT list_id, count(*) FROM ({_LEAVING}) AS listing GROUP BY list_id"
_PEOPLE_LEAVING = f"""
SELECT fingerprint, name_tag FROM ({_LEAVING}) AS listing
JOIN members.affected_member USING (list_id, ordinal)
"""

# A row without a name is the first of the twins that share its fingerprint.
_PEOPLE = """
SELECT count(*) FROM (
    SELECT DISTINCT fingerprint, coalesce(nullif(name_tag, 0),
        min(nullif(name_tag, 0)) OVER (PARTITION BY fingerprint), 0) AS person
    FROM ({rows}) AS listing
) AS people
"""


def people_standing(lists: Sequence[int]) -> int:
    """Return how many people stand on at least one of the lists (worker only)."""
    found = AffectedList.objects.filter(pk__in=lists)
    rows = found.aggregate(total=Sum(F("members") - F("members_ended")))["total"] or 0
    # Whoever stands on two of them does not count on one.
    if len(lists) < 2 or not found.filter(members_uncounted__gt=0).exists():
        return int(rows)
    return _count(_PEOPLE.format(rows=_STANDING), lists)


def people_leaving(*, whole: Sequence[int] = ()) -> int:
    """Return how many people leave: those of the table `leaving`, and of the lists `whole`."""
    with connection.cursor() as cursor:
        cursor.execute(_LEAVING_BY_LIST)
        rows = dict(cursor.fetchall())
    if not rows:
        return people_standing(whole)
    if len(rows) == 1 and not whole:
        return int(sum(rows.values()))
    both = f"{_PEOPLE_LEAVING} UNION ALL {_STANDING}"
    return _count(_PEOPLE.format(rows=both), whole)


def _count(statement: str, lists: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"lists": list(lists)})
        return int((cursor.fetchone() or (0,))[0])
