"""Move one message, that the caller has locked, to another state, with its event."""

from datetime import datetime

from django.db import connection

from notifications.models import Notification, State
from notifications.references import derive, fingerprint

MOVE = """
WITH moved AS (
    UPDATE notifications_notification SET state = %(to)s, reason = %(reason)s, due_at = %(due_at)s,
        reference_fingerprint = coalesce(reference_fingerprint, %(fingerprint)s)
    WHERE id = %(id)s RETURNING id, campaign_id, channel, people, uncounted
)
INSERT INTO notifications_deliveryevent (campaign_id, notification_id, channel, state, reason,
    previous_state, previous_reason, people, messages, uncounted, at)
SELECT campaign_id, id, channel, %(to)s, %(reason)s, %(from)s, %(from_reason)s, people, 1,
    uncounted, %(now)s
FROM moved
"""


def move(message: Notification, *, to: State, reason: str, due_at: datetime, now: datetime) -> None:
    """Write the move and its event in one statement; the tallies follow by trigger.

    The message has left, though it may be a receipt alone that says so: its reference is known.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            MOVE,
            {
                "id": message.pk,
                "to": to.value,
                "reason": reason,
                "from": message.state,
                "from_reason": message.reason,
                "due_at": due_at,
                "fingerprint": fingerprint(derive(message.pk)),
                "now": now,
            },
        )
    message.state, message.reason = to, reason
