"""Say before a list is accepted how many messages it would cancel, and whom it comes too late for.

Reads the temporary table `leaving` of `insurers.lists.comparison`.
"""

from django.db import connection

from insurers.models import ListReport

# Who left before does not leave again. Whose contact was corrected left from there only: they may
# have been told at the old address.
LEAVING = """
SELECT count(DISTINCT n.id) FILTER (WHERE n.state IN ('pending', 'deferred') AND n.people = n.gone),
    count(DISTINCT (n.list_id, n.ordinal)) FILTER (WHERE n.is_told)
FROM (
    SELECT n.id, n.state, n.people, leaving.list_id, leaving.ordinal,
        count(*) OVER (PARTITION BY n.id) AS gone,
        n.state IN ('accepted', 'delivered', 'uncertain', 'complained', 'sending') AS is_told
    FROM leaving
    JOIN notifications_covered l USING (list_id, ordinal)
    JOIN notifications_notification n ON n.id = l.notification_id
    LEFT JOIN listing_mark k ON k.list_id = leaving.list_id AND k.ordinal = leaving.ordinal
    WHERE coalesce(k.ended, '') = '' OR EXISTS (
        SELECT FROM affected_member m JOIN affected_member other USING (fingerprint)
        LEFT JOIN listing_mark there
            ON there.list_id = other.list_id AND there.ordinal = other.ordinal
        WHERE m.list_id = leaving.list_id AND m.ordinal = leaving.ordinal
            AND (m.name_tag = other.name_tag OR 0 IN (m.name_tag, other.name_tag))
            AND other.list_id = ANY (%(lists)s) AND coalesce(there.ended, '') = ''
    )
) AS n
"""


def count_leaving(*, report: ListReport) -> None:
    """Set the report's `messages_cancelled` and `leaving_told` (worker, in a transaction)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT list_id FROM leaving")
        cursor.execute(LEAVING, {"lists": [row[0] for row in cursor.fetchall()]})
        report.messages_cancelled, report.leaving_told = cursor.fetchone() or (0, 0)
