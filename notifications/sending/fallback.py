"""What follows a message that failed for good: the people's next channel, or their release.

E-mail, then SMS, then the letter list, as far as the campaign's plan goes. Whoever has no other
channel was not told: a later campaign may tell them.
"""

from datetime import datetime
from typing import Any

from django.db import connection

from insurers.lists.wrapping import fingerprints_agree
from insurers.models import AffectedList
from notifications.models import Campaign, CampaignKind, CampaignState, Channel, Notification, State
from notifications.sending.unfinished import unfinished

# The address of a member on a channel. A letter goes to the person, wherever that is (twins of a
# contract share a letter).
ADDRESS = {Channel.SMS: "m.phone_fingerprint", Channel.LETTER: "m.fingerprint"}

NEXT_CHANNEL = """
WITH moving AS (
    SELECT m.list_id, m.ordinal, {address} AS address,
        NOT coalesce(k.is_counted, true) AS is_uncounted
    FROM notifications_covered l
    JOIN affected_member m ON m.list_id = l.list_id AND m.ordinal = l.ordinal
    LEFT JOIN listing_mark k ON k.list_id = l.list_id AND k.ordinal = l.ordinal
    WHERE l.notification_id = %(message)s AND {address} IS NOT NULL
        AND coalesce(k.ended, '') = '' AND NOT EXISTS (
            SELECT FROM notifications_crowdedaddress c WHERE c.campaign_id = %(campaign)s
                AND c.address_fingerprint = {address}
        )
), made AS (
    INSERT INTO notifications_notification AS n
        (campaign_id, channel, address_fingerprint, list_id, ordinal, people, uncounted,
         state, reason, attempts, due_at)
    SELECT %(campaign)s, %(next)s, address, min(list_id), min(ordinal), count(*),
        count(*) FILTER (WHERE is_uncounted), 'pending', '', 0, %(now)s
    FROM moving GROUP BY address
    ON CONFLICT (campaign_id, channel, address_fingerprint) WHERE NOT (state = 'cancelled')
        DO UPDATE SET people = n.people + EXCLUDED.people,
            uncounted = n.uncounted + EXCLUDED.uncounted
        WHERE n.state NOT IN ('bounced', 'failed', 'suppressed')
    RETURNING id, address_fingerprint, ordinal, state, reason, (xmax = 0) AS is_new
), gone AS (
    SELECT made.id, made.state, made.reason, made.is_new, moving.list_id, moving.ordinal,
        moving.ordinal = made.ordinal AS is_named, moving.is_uncounted
    FROM made JOIN moving ON made.address_fingerprint = moving.address
), linked AS (
    INSERT INTO notifications_notificationmember (notification_id, list_id, ordinal)
    SELECT id, list_id, ordinal FROM gone WHERE NOT is_named
), heir AS (
    SELECT min(l.ordinal) AS ordinal
    FROM notifications_notification n JOIN gone AS named ON named.ordinal = n.ordinal
    JOIN notifications_notificationmember l ON l.notification_id = n.id
    WHERE n.id = %(message)s AND l.ordinal NOT IN (SELECT ordinal FROM gone)
), unlinked AS (
    DELETE FROM notifications_notificationmember WHERE notification_id = %(message)s
        AND ordinal IN (SELECT ordinal FROM gone UNION ALL SELECT ordinal FROM heir)
), moved AS (
    SELECT state, reason, is_new, id, count(*) AS people,
        count(*) FILTER (WHERE is_uncounted) AS uncounted
    FROM gone GROUP BY 1, 2, 3, 4
), shrunk AS (
    UPDATE notifications_notification SET people = people - (SELECT sum(people) FROM moved),
        uncounted = uncounted - (SELECT sum(uncounted) FROM moved),
        ordinal = coalesce((SELECT ordinal FROM heir), ordinal)
    WHERE id = %(message)s AND EXISTS (SELECT FROM moved)
)
INSERT INTO notifications_deliveryevent (campaign_id, notification_id, channel, state, reason,
    previous_state, previous_reason, people, messages, uncounted, at)
SELECT %(campaign)s, id, %(next)s, state, reason, '', '', people, is_new::int, uncounted, %(now)s
FROM moved
UNION ALL
SELECT %(campaign)s, %(message)s, %(channel)s, %(state)s, %(reason)s, '', '', -sum(people), 0,
    -sum(uncounted), %(now)s
FROM moved HAVING count(*) > 0
"""

RELEASE = """
DELETE FROM notifications_told t USING notifications_covered l
WHERE l.notification_id = ANY (%(messages)s) AND t.campaign_id = %(campaign)s
    AND t.list_id = l.list_id AND t.ordinal = l.ordinal
"""

CLAIM_AGAIN = """
INSERT INTO notifications_told
    (breach_id, insurer_id, operator_id, fingerprint, key_version, name_tag, campaign_id, list_id,
     ordinal)
SELECT %(breach)s, %(insurer)s, o.operator_id, m.fingerprint, m.key_version, m.name_tag,
    %(campaign)s, l.list_id, l.ordinal
FROM notifications_covered l
JOIN affected_member m ON m.list_id = l.list_id AND m.ordinal = l.ordinal
CROSS JOIN insurers_affectedlist_operators o
WHERE l.notification_id = ANY (%(messages)s) AND o.affectedlist_id = l.list_id
ORDER BY m.fingerprint, m.name_tag, o.operator_id
ON CONFLICT DO NOTHING
"""

# Their other listings are looked at again. Marks that are locked are being looked at just now,
# by a worker that waits for this message.
UNSETTLE = """
UPDATE listing_mark k SET is_stale = true FROM (
    SELECT other.list_id, other.ordinal FROM notifications_covered l
    JOIN affected_member m ON m.list_id = l.list_id AND m.ordinal = l.ordinal
    JOIN affected_member other ON other.fingerprint = m.fingerprint
    JOIN listing_mark mark ON mark.list_id = other.list_id AND mark.ordinal = other.ordinal
    WHERE l.notification_id = ANY (%(messages)s) AND l.list_id = ANY (%(lists)s)
        AND m.list_id = ANY (%(lists)s) AND other.list_id = ANY (%(lists)s)
    FOR UPDATE OF mark SKIP LOCKED
) AS theirs WHERE k.list_id = theirs.list_id AND k.ordinal = theirs.ordinal
"""

# Only their own.
UNSETTLE_MARKED = """
UPDATE listing_mark k SET is_stale = true FROM (
    SELECT mark.list_id, mark.ordinal FROM notifications_covered l
    JOIN listing_mark mark ON mark.list_id = l.list_id AND mark.ordinal = l.ordinal
    WHERE l.notification_id = ANY (%(messages)s) AND {which}
    FOR UPDATE OF mark SKIP LOCKED
) AS own WHERE k.list_id = own.list_id AND k.ordinal = own.ordinal
"""
UNSETTLE_ENDED = UNSETTLE_MARKED.format(which="mark.ended <> ''")

# While the key is rotated, their other listings cannot be found: their own are marked, and
# settling looks at all once the fingerprints agree again.
UNSETTLE_OWN = f"""
WITH known AS ({UNSETTLE_MARKED.format(which="true")})
INSERT INTO listing_mark (list_id, ordinal, is_stale)
SELECT l.list_id, l.ordinal, true FROM notifications_covered l
JOIN affected_member m ON m.list_id = l.list_id AND m.ordinal = l.ordinal
WHERE l.notification_id = ANY (%(messages)s)
ON CONFLICT DO NOTHING
"""


def fall_back(message: Notification, *, state: State, reason: str, now: datetime) -> None:
    """Give the people of a failed message to their next channel; release the others' claims.

    In the transaction that recorded the failure. A campaign that was cancelled sends nothing
    more; one that was finished goes on.
    """
    campaign = Campaign.objects.get(pk=message.campaign_id)
    values: dict[str, Any] = {
        "message": message.pk,
        "campaign": message.campaign_id,
        "channel": message.channel,
        "state": state.value,
        "reason": reason,
        "now": now,
    }
    if campaign.state != CampaignState.CANCELLED:
        for channel in next_channels(campaign, message.channel):
            with connection.cursor() as cursor:
                cursor.execute(
                    NEXT_CHANNEL.format(address=ADDRESS[channel]),
                    values | {"next": channel.value},
                )
                if cursor.rowcount:
                    reopen(campaign_id=campaign.pk)
    release(campaign=campaign, messages=[message.pk])


def next_channels(campaign: Campaign, channel: str) -> list[Channel]:
    """Return the channels of the plan that come after one."""
    plan = [Channel(name) for name in campaign.plan["channels"]]
    return plan[plan.index(Channel(channel)) + 1 :] if channel in plan else []


def release(*, campaign: Campaign, messages: list[int]) -> None:
    """Take back the claims of a campaign on the people whom these messages cover."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {
            "campaign": campaign.pk,
            "messages": messages,
            "lists": _lists_of(campaign),
        }
        cursor.execute(RELEASE, values)
    _unsettle(campaign, values)


def claim_again(*, campaign: Campaign, messages: list[int]) -> None:
    """Claim the people of messages that turn out to have arrived after their claims were let go."""
    if campaign.kind != CampaignKind.NOTICE:
        return
    values: dict[str, Any] = {
        "campaign": campaign.pk,
        "breach": campaign.breach_id,
        "insurer": campaign.insurer_id,
        "messages": messages,
        "lists": _lists_of(campaign),
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_AGAIN, values)
    _unsettle(campaign, values)


def look_at_who_left(*, messages: list[int]) -> None:
    """Have settling look at messages that wait anew: some of their people may have left meanwhile.

    Nobody leases a message to whoever left, and settling had done with them when it had gone out.
    In the transaction that puts the messages back.
    """
    with connection.cursor() as cursor:
        cursor.execute(UNSETTLE_ENDED, {"messages": messages})


def _unsettle(campaign: Campaign, values: dict[str, Any]) -> None:
    agree = fingerprints_agree(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id)
    with connection.cursor() as cursor:
        cursor.execute(UNSETTLE if agree else UNSETTLE_OWN, values)


def reopen(*, campaign_id: int) -> None:
    """Let a finished campaign go on: a message of it is to be sent after all."""
    Campaign.objects.filter(pk=campaign_id, state=CampaignState.FINISHED).update(
        state=CampaignState.SENDING, finished_at=None
    )


def reopen_what_waits() -> None:
    """Let campaigns go on that ended while a receipt was giving them a message (the sweep)."""
    ended = unfinished(Campaign.objects.filter(state=CampaignState.FINISHED))
    ended.update(state=CampaignState.SENDING, finished_at=None)


def _lists_of(campaign: Campaign) -> list[int]:
    lists = AffectedList.objects.that_list_people().filter(
        breach=campaign.breach_id, insurer=campaign.insurer_id
    )
    return list(lists.values_list("pk", flat=True))
