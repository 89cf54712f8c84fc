"""Say before a list is accepted how many messages it would cancel, and whom it comes too late for.

Reads the temporary table `leaving` of `insurers.lists.comparison`.
"""

from django.db import connection

from insurers.models import ListReport

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
) AS n
"""


def count_leaving(*, report: ListReport) -> None:
    """Set the report's `messages_cancelled` and `leaving_told` (worker, in a transaction)."""
    with connection.cursor() as cursor:
        cursor.execute(LEAVING)
        report.messages_cancelled, report.leaving_told = cursor.fetchone() or (0, 0)
