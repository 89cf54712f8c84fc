"""Addresses of an insurer's that nothing is sent to for a year: they bounced, or complained.

By fingerprint, for that insurer only; the outbox leaves them out (`planning.py`). They go with
the contacts: the fingerprints mean nothing without the key that is destroyed then.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from notifications.models import State, Suppression

LASTS = timedelta(days=365)
SUPPRESSING = frozenset({State.BOUNCED, State.COMPLAINED})

SUPPRESS = """
INSERT INTO notifications_suppression AS s
    (insurer_id, address_fingerprint, reason, since_at, until_at)
SELECT c.insurer_id, n.address_fingerprint, %(reason)s, %(now)s, %(until)s
FROM notifications_notification n JOIN notifications_campaign c ON c.id = n.campaign_id
WHERE n.id = %(id)s
ON CONFLICT (insurer_id, address_fingerprint) DO UPDATE
    SET until_at = greatest(s.until_at, EXCLUDED.until_at), reason = EXCLUDED.reason
"""


def suppress_address_of(*, notification_id: int, reason: str, now: datetime) -> None:
    """Send nothing more to the address of a message, for a year, for its insurer."""
    values = {"id": notification_id, "reason": reason[:60], "now": now, "until": now + LASTS}
    with connection.cursor() as cursor:
        cursor.execute(SUPPRESS, values)


def purge_suppressions(*, now: datetime) -> int:
    """Forget the suppressions that ended; return how many."""
    return Suppression.objects.filter(until_at__lte=now).delete()[0]


def forget_suppressions(*, insurer_id: UUID) -> int:
    """Forget an insurer's, when its contacts and the key of its addresses are purged."""
    return Suppression.objects.filter(insurer=insurer_id).delete()[0]
