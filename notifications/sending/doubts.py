"""Messages in doubt: a receipt settles them, else the policy that the approver approved.

"retry" (the default) sends once more with the same Message-ID, recorded as a second attempt:
many mail systems then show it once, and whoever would have had nothing has it. "flag" never
sends again. Both wait for a receipt first.
"""

from datetime import datetime, timedelta

from django.db import connection, models, transaction
from django.utils.translation import gettext_lazy as _

from notifications.models import Campaign, CampaignState, Notification, State
from notifications.sending.fallback import look_at_who_left

DOUBT_DELAY = timedelta(minutes=10)  # what a receipt is given to come


class DoubtPolicy(models.TextChoices):
    RETRY = "retry", _("envoyer une seconde fois, une seule")
    FLAG = "flag", _("ne jamais renvoyer, seulement signaler")


SEND_AGAIN = """
WITH picked AS (
    SELECT n.id, n.reason FROM notifications_notification n
    WHERE n.campaign_id = %(campaign)s AND n.state = 'uncertain' AND n.due_at <= %(now)s
        AND n.resent_at IS NULL
    FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE notifications_notification n SET state = 'pending', reason = 'sent_again',
        resent_at = %(now)s, due_at = %(now)s
    FROM picked WHERE n.id = picked.id
    RETURNING n.id, n.campaign_id, n.channel, n.people, n.uncounted, picked.reason AS before
)
INSERT INTO notifications_deliveryevent (campaign_id, notification_id, channel, state, reason,
    previous_state, previous_reason, people, messages, uncounted, at)
SELECT campaign_id, id, channel, 'pending', 'sent_again', 'uncertain', before, people, 1,
    uncounted, %(now)s
FROM moved
RETURNING notification_id
"""


def resolve_doubts(*, now: datetime) -> int:
    """Send once more what no receipt has settled, where the policy says so; return how many."""
    sending = Campaign.objects.filter(
        state=CampaignState.SENDING, plan__in_doubt=DoubtPolicy.RETRY.value
    )
    resent = 0
    for campaign_id in sending.values_list("pk", flat=True):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(SEND_AGAIN, {"campaign": campaign_id, "now": now})
            if again := [row[0] for row in cursor.fetchall()]:
                look_at_who_left(messages=again)
            resent += len(again)
    return resent


def awaits_second_attempt(campaign: Campaign) -> bool:
    """Whether a message in doubt is still to be settled before the campaign ends."""
    doubts = Notification.objects.filter(
        campaign=campaign, state=State.UNCERTAIN, resent_at__isnull=True
    )
    return campaign.plan.get("in_doubt") == DoubtPolicy.RETRY and doubts.exists()
