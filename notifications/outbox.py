"""Build a campaign's outbox in bulk SQL: one message per address, everybody accounted for.

Every member of the list ends in exactly one event here: covered by a message to send, told
already, or unreachable with a reason. All of it in one transaction of the worker.
"""

from datetime import datetime

from django.db import connection, transaction

from insurers.models import AffectedList
from notifications.models import Campaign, CampaignState, ListReach

SHARED = 8  # more members than this on one address is a placeholder until someone confirms it

# An address that stands for more than SHARED members of the list is a placeholder (or a home
# for the elderly): nothing goes there, by any channel, until the approver confirms it.
CROWDED = """
INSERT INTO notifications_crowdedaddress (campaign_id, address_fingerprint)
SELECT %(campaign)s, address FROM (
    SELECT email_fingerprint AS address FROM affected_member WHERE list_id = %(list)s
    UNION ALL
    SELECT phone_fingerprint FROM affected_member WHERE list_id = %(list)s
) AS addresses
WHERE address IS NOT NULL AND NOT %(shared_confirmed)s
GROUP BY address HAVING count(*) > %(shared)s
"""

# Members of the list, with the first channel of the plan that reaches each.
MEMBERS = """
CREATE TEMPORARY TABLE planned ON COMMIT DROP AS
SELECT m.ordinal, m.fingerprint, m.name_tag, m.email_fingerprint, m.phone_fingerprint,
    CASE WHEN m.email_fingerprint IS NOT NULL AND e.campaign_id IS NULL
            AND 'email' = ANY (%(channels)s) THEN 'email'
         WHEN m.phone_fingerprint IS NOT NULL AND p.campaign_id IS NULL
            AND 'sms' = ANY (%(channels)s) THEN 'sms'
    END AS channel,
    CASE WHEN e.campaign_id IS NOT NULL OR p.campaign_id IS NOT NULL THEN 'shared_address'
         WHEN m.contact_flags <> 0 THEN 'invalid_contact' ELSE 'no_contact' END AS lack
FROM affected_member m
LEFT JOIN notifications_crowdedaddress e
    ON e.campaign_id = %(campaign)s AND e.address_fingerprint = m.email_fingerprint
LEFT JOIN notifications_crowdedaddress p
    ON p.campaign_id = %(campaign)s AND p.address_fingerprint = m.phone_fingerprint
WHERE m.list_id = %(list)s
"""

# The constraint decides who is told already, also between campaigns built at the same time.
CLAIM = """
INSERT INTO notifications_told
    (breach_id, insurer_id, operator_id, fingerprint, name_tag, campaign_id, list_id, ordinal)
SELECT %(breach)s, %(insurer)s, o.operator_id, p.fingerprint, p.name_tag, %(campaign)s, %(list)s,
    p.ordinal
FROM planned p CROSS JOIN insurers_affectedlist_operators o
WHERE p.channel IS NOT NULL AND o.affectedlist_id = %(list)s
ORDER BY p.fingerprint, p.name_tag, o.operator_id
ON CONFLICT DO NOTHING;
CREATE TEMPORARY TABLE claimed ON COMMIT DROP AS
SELECT DISTINCT ordinal FROM notifications_told
WHERE campaign_id = %(campaign)s AND list_id = %(list)s;
"""

MESSAGES = """
CREATE TEMPORARY TABLE covered ON COMMIT DROP AS
SELECT p.ordinal, p.channel,
    CASE p.channel WHEN 'email' THEN p.email_fingerprint ELSE p.phone_fingerprint END AS address
FROM planned p JOIN claimed USING (ordinal);
WITH made AS (
    INSERT INTO notifications_notification
        (campaign_id, kind, channel, address_fingerprint, list_id, ordinal, people, state, reason,
         attempts, due_at)
    SELECT %(campaign)s, 'notice', channel, address, %(list)s, min(ordinal), count(*), 'pending',
        '', 0, %(now)s
    FROM covered GROUP BY channel, address ORDER BY min(ordinal)
    RETURNING id, channel, address_fingerprint
)
INSERT INTO notifications_notificationmember (notification_id, list_id, ordinal)
SELECT made.id, %(list)s, covered.ordinal
FROM made JOIN covered ON made.channel = covered.channel
    AND made.address_fingerprint = covered.address;
"""

EVENTS = """
INSERT INTO notifications_deliveryevent
    (campaign_id, channel, state, previous_state, reason, previous_reason, people, messages, at)
SELECT %(campaign)s, channel, 'pending', '', '', '', sum(people), count(*), %(now)s
FROM notifications_notification WHERE campaign_id = %(campaign)s GROUP BY channel
UNION ALL
SELECT %(campaign)s, '', 'unreachable', '', lack, '', count(*), 0, %(now)s
FROM planned WHERE channel IS NULL GROUP BY lack
UNION ALL
SELECT %(campaign)s, '', 'told_already', '', 'earlier_campaign', '', count(*), 0, %(now)s
FROM planned LEFT JOIN claimed USING (ordinal)
WHERE channel IS NOT NULL AND claimed.ordinal IS NULL HAVING count(*) > 0;
"""

DROP = "DROP TABLE planned, claimed, covered"


def build_outbox(*, campaign_id: int, now: datetime) -> bool:
    """Make the messages of an approved campaign; return False where that was done before."""
    with transaction.atomic():
        campaign = (
            Campaign.objects.select_for_update(skip_locked=True)
            .filter(pk=campaign_id, state=CampaignState.APPROVED)
            .first()
        )
        if campaign is None:
            return False  # Built, or another worker is at it.
        values = {
            "campaign": campaign.pk,
            "breach": campaign.breach_id,
            "insurer": campaign.insurer_id,
            "list": campaign.affected_list_id,
            "channels": campaign.plan["channels"],
            "shared": SHARED,
            "shared_confirmed": campaign.shared_addresses_confirmed,
            "now": now,
        }
        with connection.cursor() as cursor:
            for script in (CROWDED, MEMBERS, CLAIM, MESSAGES, EVENTS, DROP):
                for statement in script.split(";\n"):
                    if statement.strip():
                        cursor.execute(statement, values)
        Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.SENDING)
    return True


REACH = """
WITH members AS (
    SELECT email_fingerprint AS email, phone_fingerprint AS phone, contact_flags
    FROM affected_member WHERE list_id = %(list)s
), shared AS (
    SELECT count(*) AS people FROM members WHERE coalesce(email, phone) IS NOT NULL
    GROUP BY coalesce(email, phone) HAVING count(*) > %(shared)s
)
SELECT count(*) FILTER (WHERE email IS NOT NULL),
    count(DISTINCT email),
    count(*) FILTER (WHERE email IS NULL AND phone IS NOT NULL),
    count(DISTINCT phone) FILTER (WHERE email IS NULL),
    count(*) FILTER (WHERE email IS NULL AND phone IS NULL AND contact_flags = 0),
    count(*) FILTER (WHERE email IS NULL AND phone IS NULL AND contact_flags <> 0),
    (SELECT coalesce(sum(people), 0) FROM shared),
    (SELECT count(*) FROM shared)
FROM members
"""


def count_reach(*, affected_list: AffectedList) -> ListReach:
    """Count how an accepted list can be reached, once (worker only)."""
    with connection.cursor() as cursor:
        cursor.execute(REACH, {"list": affected_list.pk, "shared": SHARED})
        counts = cursor.fetchone() or (0,) * 8
    return ListReach.objects.get_or_create(
        affected_list=affected_list,
        defaults={
            "email_people": counts[0],
            "email_addresses": counts[1],
            "phone_only_people": counts[2],
            "phone_only_numbers": counts[3],
            "no_contact_people": counts[4],
            "invalid_contact_people": counts[5],
            "shared_people": counts[6],
            "shared_addresses": counts[7],
        },
    )[0]
