"""Cancel what a cancelled campaign had not sent, some thousands of messages at a time.

The campaign's state has stopped the sending; what a worker holds comes back and is met by the
sweep. The people are let go: their claims are released, and other lists may tell them.
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from notifications.models import Campaign, CampaignState, Notification, State
from notifications.reasons import CAMPAIGN_CANCELLED
from notifications.sending.fallback import release

CHUNK = 5_000

CANCEL = """
WITH picked AS (
    SELECT id, state, reason FROM notifications_notification
    WHERE campaign_id = %(campaign)s AND state IN ('pending', 'deferred')
    ORDER BY channel, id LIMIT %(chunk)s FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE notifications_notification n SET state = 'cancelled', reason = %(reason)s
    FROM picked WHERE n.id = picked.id
    RETURNING n.id, n.campaign_id, n.channel, n.people, n.uncounted, picked.state AS before,
        picked.reason AS before_reason
), told AS (
    INSERT INTO notifications_deliveryevent (campaign_id, channel, state, reason, previous_state,
        previous_reason, people, messages, uncounted, at)
    SELECT campaign_id, channel, 'cancelled', %(reason)s, before, before_reason, sum(people),
        count(*), sum(uncounted), %(now)s
    FROM moved GROUP BY campaign_id, channel, before, before_reason
)
SELECT id FROM moved
"""


def cancel_messages(*, campaign_id: int, now: datetime) -> int:
    """Cancel every waiting message of a cancelled campaign; return how many."""
    campaign = Campaign.objects.get(pk=campaign_id)
    if campaign.state != CampaignState.CANCELLED:
        return 0
    values: dict[str, Any] = {
        "campaign": campaign_id,
        "chunk": CHUNK,
        "reason": CAMPAIGN_CANCELLED,
        "now": now,
    }
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(CANCEL, values)
            cancelled = [row[0] for row in cursor.fetchall()]
            if not cancelled:
                return total
            release(campaign=campaign, messages=cancelled)
        total += len(cancelled)


def cancel_what_waits(*, now: datetime) -> None:
    """Cancel what came back to campaigns that were cancelled meanwhile (the sweep)."""
    waiting = Notification.objects.filter(
        campaign__state=CampaignState.CANCELLED, state__in=(State.PENDING, State.DEFERRED)
    )
    for campaign_id in waiting.values_list("campaign", flat=True).distinct():
        cancel_messages(campaign_id=campaign_id, now=now)
