"""Tell people whom a campaign left to another one, once that one turns out not to tell them."""

from collections.abc import Mapping
from datetime import datetime

from django.db import connection

from notifications.models import Campaign
from notifications.outbox.planning import (
    CLAIM,
    CLAIMED,
    CLAIMS,
    COVER,
    MEMBERS,
    UNLESS_CLAIMED,
    run,
    values_of,
)
from notifications.sending.fallback import reopen

# A family's message that left already covers whoever joins it; one that failed tells nobody.
JOIN_MESSAGES = """
CREATE TEMPORARY TABLE joined ON COMMIT DROP AS
WITH made AS (
    INSERT INTO notifications_notification AS n
        (campaign_id, channel, address_fingerprint, list_id, ordinal, people, uncounted,
         state, reason, attempts, due_at)
    SELECT %(campaign)s, channel, address, %(list)s, min(ordinal), count(*),
        count(*) FILTER (WHERE is_uncounted), 'pending', '', 0, %(now)s
    FROM covered GROUP BY channel, address ORDER BY min(ordinal)
    ON CONFLICT (campaign_id, channel, address_fingerprint) WHERE NOT (state = 'cancelled')
        DO UPDATE SET people = n.people + EXCLUDED.people,
            uncounted = n.uncounted + EXCLUDED.uncounted,
            ordinal = CASE WHEN n.people = 0 THEN EXCLUDED.ordinal ELSE n.ordinal END
    RETURNING id, channel, address_fingerprint, ordinal, state, reason, (xmax = 0) AS is_new
)
SELECT made.id, made.channel, made.state, made.reason, made.is_new, covered.ordinal,
    covered.ordinal = made.ordinal AS is_named, covered.is_uncounted
FROM made JOIN covered ON made.channel = covered.channel
    AND made.address_fingerprint = covered.address;
INSERT INTO notifications_notificationmember (notification_id, list_id, ordinal)
SELECT id, %(list)s, ordinal FROM joined WHERE NOT is_named;
DELETE FROM notifications_told t USING joined
WHERE joined.state IN ('bounced', 'failed', 'suppressed') AND t.campaign_id = %(campaign)s
    AND t.list_id = %(list)s AND t.ordinal = joined.ordinal;
INSERT INTO notifications_deliveryevent (campaign_id, channel, state, reason, previous_state,
    previous_reason, people, messages, uncounted, at)
SELECT %(campaign)s, channel, state, reason, '', '', count(*),
    count(DISTINCT id) FILTER (WHERE is_new), count(*) FILTER (WHERE is_uncounted), %(now)s
FROM joined GROUP BY channel, state, reason
UNION ALL
SELECT %(campaign)s, '', %(stood)s, %(stood_reason)s, '', '', -count(*), 0,
    -count(*) FILTER (WHERE is_uncounted), %(now)s
FROM joined HAVING count(*) > 0;
"""


# Whom another campaign has claimed meanwhile.
TOLD_ELSEWHERE = """
INSERT INTO notifications_deliveryevent (campaign_id, channel, state, reason, previous_state,
    previous_reason, people, messages, uncounted, at)
SELECT %(campaign)s, '', place.state, place.reason, '', '', place.sign * count(*), 0,
    place.sign * count(*) FILTER (WHERE p.is_uncounted), %(now)s
FROM planned p LEFT JOIN joined USING (ordinal) CROSS JOIN (
    VALUES ('told_already', 'earlier_campaign', 1), (%(stood)s, %(stood_reason)s, -1)
) AS place(state, reason, sign)
WHERE p.channel IS NOT NULL AND joined.ordinal IS NULL
GROUP BY place.state, place.reason, place.sign
"""

STOOD_TOLD_ALREADY = {"stood": "told_already", "stood_reason": "earlier_campaign"}


def tell_released(
    *, campaign: Campaign, now: datetime, stood: Mapping[str, str] = STOOD_TOLD_ALREADY
) -> None:
    """Make messages for people whom a built campaign had left out, for a reason that is gone.

    They are those of the temporary table `released`; whoever is claimed elsewhere is left out
    again. `stood` is the state and reason they are counted in. The campaign goes on if it was
    finished.
    """
    only = " WHERE ordinal IN (SELECT ordinal FROM released WHERE campaign_id = %(campaign)s)"
    values = values_of(campaign, now) | dict(stood)
    run((MEMBERS + only, CLAIMS, CLAIM + UNLESS_CLAIMED, CLAIMED, COVER, JOIN_MESSAGES), values)
    if stood is not STOOD_TOLD_ALREADY:
        run((TOLD_ELSEWHERE,), values)
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM joined WHERE state = 'pending')")
        (has_work,) = cursor.fetchone() or (False,)
    run(("DROP TABLE planned, claims, claimed, covered, joined",), {})
    if has_work:
        reopen(campaign_id=campaign.pk)
