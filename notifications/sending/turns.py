"""Whose turn it is: campaigns share the workers batch by batch, whoever came first."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from notifications.models import Channel


@dataclass(frozen=True)
class Turn:
    """A campaign that has messages due on a channel."""

    campaign_id: int
    channel: Channel


# Whoever was served longest ago comes first; within a campaign, the first channel of its plan.
# Letters are exported, not sent. One look into an index for each campaign, however many messages
# are due: of EXISTS, PostgreSQL would read them all.
TURNS = """
SELECT c.id, p.channel FROM notifications_campaign c
CROSS JOIN LATERAL jsonb_array_elements_text(c.plan->'channels') WITH ORDINALITY
    AS p(channel, place)
CROSS JOIN LATERAL (
    SELECT FROM notifications_notification n
    WHERE n.campaign_id = c.id AND n.channel = p.channel
        AND n.state IN ('pending', 'deferred') AND n.due_at <= %(now)s
    ORDER BY n.due_at LIMIT 1
) AS due
WHERE c.state = 'sending' AND p.channel <> 'letter' AND (%(only)s IS NULL OR c.id = %(only)s)
    AND coalesce((c.plan->>'starts_at')::timestamptz <= %(now)s, true)
ORDER BY (
    SELECT max(b.id) FROM notifications_dispatchbatch b WHERE b.campaign_id = c.id
) NULLS FIRST, c.id, p.place
"""


def turns_in_order(*, now: datetime, only: int | None = None) -> list[Turn]:
    """Return who may send now, the longest unserved first; nobody during quiet hours."""
    if settings.QUIET_HOURS is not None and settings.QUIET_HOURS.cover(now):
        return []
    with connection.cursor() as cursor:
        cursor.execute(TURNS, {"now": now, "only": only})
        return [Turn(row[0], Channel(row[1])) for row in cursor.fetchall()]
