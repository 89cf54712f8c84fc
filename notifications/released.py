"""Tell people whom a campaign left to another one, once that one turns out not to tell them."""

from datetime import datetime

from django.db import connection

from notifications.models import Campaign, CampaignState
from notifications.planning import CLAIM, COVER, DROP, MEMBERS, run, values_of

# A family's message that left already covers whoever joins it; one that failed tells nobody.
JOIN_MESSAGES = """
CREATE TEMPORARY TABLE joined ON COMMIT DROP AS
WITH made AS (
    INSERT INTO notifications_notification AS n
        (campaign_id, kind, channel, address_fingerprint, list_id, ordinal, people, uncounted,
         state, reason, attempts, due_at)
    SELECT %(campaign)s, 'notice', channel, address, %(list)s, min(ordinal), count(*),
        count(*) FILTER (WHERE is_uncounted), 'pending', '', 0, %(now)s
    FROM covered GROUP BY channel, address ORDER BY min(ordinal)
    ON CONFLICT (campaign_id, channel, address_fingerprint) WHERE NOT (state = 'cancelled')
        DO UPDATE SET people = n.people + EXCLUDED.people,
            uncounted = n.uncounted + EXCLUDED.uncounted
    RETURNING id, channel, address_fingerprint, state, reason, (xmax = 0) AS is_new
)
SELECT made.id, made.channel, made.state, made.reason, made.is_new, covered.ordinal,
    covered.is_uncounted
FROM made JOIN covered ON made.channel = covered.channel
    AND made.address_fingerprint = covered.address;
INSERT INTO notifications_notificationmember (notification_id, list_id, ordinal)
SELECT id, %(list)s, ordinal FROM joined;
DELETE FROM notifications_told t USING joined
WHERE joined.state IN ('bounced', 'failed', 'suppressed') AND t.campaign_id = %(campaign)s
    AND t.list_id = %(list)s AND t.ordinal = joined.ordinal;
INSERT INTO notifications_deliveryevent (campaign_id, channel, state, reason, previous_state,
    previous_reason, people, messages, uncounted, at)
SELECT %(campaign)s, channel, state, reason, '', '', count(*),
    count(DISTINCT id) FILTER (WHERE is_new), count(*) FILTER (WHERE is_uncounted), %(now)s
FROM joined GROUP BY channel, state, reason
UNION ALL
SELECT %(campaign)s, '', 'told_already', 'earlier_campaign', '', '', -count(*), 0,
    -count(*) FILTER (WHERE is_uncounted), %(now)s
FROM joined HAVING count(*) > 0;
"""


def tell_released(*, campaign: Campaign, now: datetime) -> None:
    """Make messages for people whom a built campaign left to another, which did not tell them.

    They are those of the temporary table `released`; whoever is claimed is left out again.
    The campaign goes on if it was finished.
    """
    only = " WHERE ordinal IN (SELECT ordinal FROM released WHERE campaign_id = %(campaign)s)"
    run((MEMBERS + only, CLAIM, COVER, JOIN_MESSAGES), values_of(campaign, now))
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM joined WHERE state = 'pending')")
        (has_work,) = cursor.fetchone() or (False,)
    run((DROP + ", joined",), {})
    if has_work:
        Campaign.objects.filter(pk=campaign.pk, state=CampaignState.FINISHED).update(
            state=CampaignState.SENDING, finished_at=None
        )
