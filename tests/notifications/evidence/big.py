"""A campaign with as many delivery events as wanted, made by SQL; no real person is behind it."""

from django.db import connection

from notifications.models import Campaign
from tests.notifications.story import built, member

# As each message of the story has it: made, sent, then accepted, or bounced one in fifty.
_EVENTS = """
INSERT INTO notifications_deliveryevent
    (campaign_id, notification_id, channel, state, previous_state, previous_reason, reason, people,
        messages, uncounted, at)
SELECT %(campaign)s, 1000 + number, 'email', step.state, step.before, '', step.reason, 1, 1, 0,
    timestamptz '2026-03-02 10:00:00+00' + number * interval '3 milliseconds' + step.later
FROM generate_series(1, %(messages)s) AS number
CROSS JOIN LATERAL (VALUES
    ('pending', '', '', interval '0'),
    ('sending', 'pending', '', interval '1 second'),
    (CASE WHEN number %% 50 = 0 THEN 'bounced' ELSE 'accepted' END, 'sending',
        CASE WHEN number %% 50 = 0 THEN '5.1.1' ELSE '' END, interval '2 seconds')
) AS step (state, before, reason, later)
"""


def many_events(count: int) -> Campaign:
    """Add at least so many events to a campaign of one person, who is told by none of them."""
    campaign = built([member(437_512_010, email="personne@example.fr")])
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, {"campaign": campaign.pk, "messages": -(-count // 3)})
        # The list counts as many people as have events, so that the figures add up.
        cursor.execute(
            "UPDATE insurers_affectedlist SET members = members + %s WHERE id = %s",
            [-(-count // 3), campaign.affected_list_id],
        )
    return campaign
