"""Addresses of an insurer's that nothing is sent to for a year: they bounced, or complained.

By fingerprint, for that insurer only. A leased message to such an address is not sent and its
people go on to their next channel (`batches.py`), so that what bounced a minute ago counts too.
Suppressions go with the contacts, whose key gives the fingerprints their meaning.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from notifications.models import Channel, State, Suppression

LASTS = timedelta(days=365)
SUPPRESSING = frozenset({State.BOUNCED, State.COMPLAINED})

SUPPRESS = """
INSERT INTO notifications_suppression AS s
    (insurer_id, address_fingerprint, reason, since_at, until_at)
SELECT c.insurer_id, n.address_fingerprint, %(reason)s, %(now)s, %(until)s
FROM notifications_notification n JOIN notifications_campaign c ON c.id = n.campaign_id
WHERE n.id = %(id)s AND n.address_fingerprint IS NOT NULL  -- its contacts may be purged
ON CONFLICT (insurer_id, address_fingerprint) DO UPDATE
    SET until_at = greatest(s.until_at, EXCLUDED.until_at), reason = EXCLUDED.reason
"""

IN_BATCH = """
SELECT n.id FROM notifications_notification n
JOIN notifications_campaign c ON c.id = n.campaign_id
JOIN notifications_suppression s ON s.insurer_id = c.insurer_id
    AND s.address_fingerprint = n.address_fingerprint AND s.until_at > %(now)s
WHERE n.batch_id = %(batch)s AND n.state = 'sending' ORDER BY n.id
"""


# Made by a refusal, at that moment; and no bounce or complaint elsewhere has made it last longer.
LIFT = """
DELETE FROM notifications_suppression s
USING notifications_campaign c JOIN notifications_notification n ON n.campaign_id = c.id
JOIN notifications_deliveryevent e ON e.notification_id = n.id
WHERE c.id = %(campaign)s AND n.channel = %(channel)s AND n.state = 'bounced'
    AND s.insurer_id = c.insurer_id AND s.address_fingerprint = n.address_fingerprint
    AND s.since_at >= %(since)s AND s.until_at - s.since_at = %(lasts)s
    AND e.previous_state = 'sending' AND e.state = 'bounced' AND e.at = s.since_at
"""


def suppress_address_of(*, notification_id: int, reason: str, now: datetime) -> None:
    """Send nothing more to the address of a message, for a year, for its insurer."""
    values: dict[str, Any] = {
        "id": notification_id,
        "reason": reason[:60],
        "now": now,
        "until": now + LASTS,
    }
    with connection.cursor() as cursor:
        cursor.execute(SUPPRESS, values)


def lift_suppressions(*, campaign_id: int, channel: Channel, since: datetime) -> int:
    """Forget what a campaign's refusals on a channel alone have suppressed; return how many."""
    values: dict[str, Any] = {
        "campaign": campaign_id,
        "channel": channel.value,
        "since": since,
        "lasts": LASTS,
    }
    with connection.cursor() as cursor:
        cursor.execute(LIFT, values)
        return int(cursor.rowcount)


def suppressed_in(*, batch_id: int, now: datetime) -> list[int]:
    """Return the messages of a leased batch whose address is suppressed: they are not sent."""
    with connection.cursor() as cursor:
        cursor.execute(IN_BATCH, {"batch": batch_id, "now": now})
        return [row[0] for row in cursor.fetchall()]


def purge_suppressions(*, now: datetime) -> int:
    """Forget the suppressions that ended; return how many."""
    return Suppression.objects.filter(until_at__lte=now).delete()[0]


def forget_suppressions(*, insurer_id: UUID) -> int:
    """Forget an insurer's, when its contacts and the key of its addresses are purged."""
    return Suppression.objects.filter(insurer=insurer_id).delete()[0]
