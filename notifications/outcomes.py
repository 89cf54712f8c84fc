"""Record what became of each message, and what follows: a retry, the next channel, a halt.

Each outcome is one transaction, committed synchronously (`synchronous_commit` on): after a
crash of the database host no recorded message is forgotten, hence sent twice.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum, Value
from django.db.models.functions import Coalesce

from audit.trail import insurer_scope, record
from insurers.lists.wrapping import fingerprints_agree
from insurers.models import AffectedList
from notifications.channels import Outcome
from notifications.channels.email import NO_ANSWER
from notifications.models import Campaign, CampaignState, Channel, Notification, State, Tally
from notifications.references import derive, fingerprint
from notifications.register import ended_and_failed
from notifications.states import FAILURES, IN_PROGRESS, OUTCOMES

ATTEMPTS = 6
FIRST_DELAY = timedelta(minutes=1)  # doubled at each further attempt
UNANSWERED = 3
WATCHED = 100  # messages after which the share of failures counts

RECORD = """
WITH moved AS (
    UPDATE notifications_notification SET state = %(state)s, reason = %(reason)s,
        attempts = attempts + 1, due_at = %(due_at)s, reference_fingerprint = %(fingerprint)s
    WHERE id = %(id)s AND batch_id = %(batch)s AND state = 'sending'
    RETURNING id, campaign_id, channel, people, uncounted
)
INSERT INTO notifications_deliveryevent (campaign_id, notification_id, channel, state, reason,
    previous_state, previous_reason, people, messages, uncounted, at)
SELECT campaign_id, id, channel, %(state)s, %(reason)s, 'sending', '', people, 1, uncounted, %(now)s
FROM moved
"""


class LeaseLostError(Exception):
    """The message is no longer leased to this batch: another process recovered it."""


def record_outcome(*, batch_id: int, outcome: Outcome, now: datetime) -> None:
    """Move a message from `sending` to its outcome, with its event. Raises LeaseLostError."""
    if outcome.state not in OUTCOMES:
        raise ValueError(f"{outcome.state} is not the outcome of a send")
    if outcome.state in FAILURES or outcome.state == State.DEFERRED:
        _record_failure(batch_id, outcome, now)
        return
    _move(batch_id, outcome, due_at=now, now=now)


def _move(batch_id: int, outcome: Outcome, *, due_at: datetime, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            RECORD,
            {
                "id": outcome.notification_id,
                "batch": batch_id,
                "state": outcome.state.value,
                "reason": outcome.reason,
                "due_at": due_at,
                "fingerprint": fingerprint(derive(outcome.notification_id)),
                "now": now,
            },
        )
        if cursor.rowcount != 1:
            raise LeaseLostError


def _record_failure(batch_id: int, outcome: Outcome, now: datetime) -> None:
    """Defer a temporary failure while attempts remain; else try the people's next channel."""
    with transaction.atomic():
        message = Notification.objects.select_for_update().get(pk=outcome.notification_id)
        if outcome.state == State.DEFERRED and message.attempts + 1 < ATTEMPTS:
            _move(batch_id, outcome, due_at=now + FIRST_DELAY * 2**message.attempts, now=now)
            return
        state = State.FAILED if outcome.state == State.DEFERRED else outcome.state
        _move(batch_id, Outcome(message.pk, state, outcome.reason), due_at=now, now=now)
        _fall_back(message, state=state, reason=outcome.reason, now=now)


NEXT_CHANNEL = """
WITH covered AS (
    SELECT m.list_id, m.ordinal, m.phone_fingerprint AS address,
        NOT coalesce(k.is_counted, true) AS is_uncounted
    FROM notifications_notificationmember l
    JOIN affected_member m ON m.list_id = l.list_id AND m.ordinal = l.ordinal
    LEFT JOIN listing_mark k ON k.list_id = l.list_id AND k.ordinal = l.ordinal
    WHERE l.notification_id = %(message)s AND m.phone_fingerprint IS NOT NULL
        AND coalesce(k.ended, '') = '' AND NOT EXISTS (
            SELECT FROM notifications_crowdedaddress c WHERE c.campaign_id = %(campaign)s
                AND c.address_fingerprint = m.phone_fingerprint
        )
), made AS (
    INSERT INTO notifications_notification AS n
        (campaign_id, kind, channel, address_fingerprint, list_id, ordinal, people, uncounted,
         state, reason, attempts, due_at)
    SELECT %(campaign)s, 'notice', 'sms', address, min(list_id), min(ordinal), count(*),
        count(*) FILTER (WHERE is_uncounted), 'pending', '', 0, %(now)s
    FROM covered GROUP BY address
    ON CONFLICT (campaign_id, channel, address_fingerprint) WHERE NOT (state = 'cancelled')
        DO UPDATE SET people = n.people + EXCLUDED.people,
            uncounted = n.uncounted + EXCLUDED.uncounted
        WHERE n.state NOT IN ('bounced', 'failed')
    RETURNING id, address_fingerprint, state, reason, (xmax = 0) AS is_new
), linked AS (
    INSERT INTO notifications_notificationmember (notification_id, list_id, ordinal)
    SELECT made.id, list_id, ordinal FROM covered JOIN made ON made.address_fingerprint = address
    RETURNING notification_id, list_id, ordinal
), unlinked AS (
    DELETE FROM notifications_notificationmember l USING linked
    WHERE l.notification_id = %(message)s AND l.list_id = linked.list_id
        AND l.ordinal = linked.ordinal
), moved AS (
    SELECT made.state, made.reason, made.is_new, made.id, count(*) AS people,
        count(*) FILTER (WHERE covered.is_uncounted) AS uncounted
    FROM made JOIN linked ON linked.notification_id = made.id
    JOIN covered ON covered.list_id = linked.list_id AND covered.ordinal = linked.ordinal
    GROUP BY 1, 2, 3, 4
), shrunk AS (
    UPDATE notifications_notification SET people = people - (SELECT sum(people) FROM moved),
        uncounted = uncounted - (SELECT sum(uncounted) FROM moved)
    WHERE id = %(message)s AND EXISTS (SELECT FROM moved)
)
INSERT INTO notifications_deliveryevent (campaign_id, notification_id, channel, state, reason,
    previous_state, previous_reason, people, messages, uncounted, at)
SELECT %(campaign)s, id, 'sms', state, reason, '', '', people, is_new::int, uncounted, %(now)s
FROM moved
UNION ALL
SELECT %(campaign)s, %(message)s, 'email', %(state)s, %(reason)s, '', '', -sum(people), 0,
    -sum(uncounted), %(now)s
FROM moved HAVING count(*) > 0
"""

# Whoever has no other channel was not told: a later campaign may tell them.
RELEASE = """
DELETE FROM notifications_told t USING notifications_notificationmember l
WHERE l.notification_id = %(message)s AND t.campaign_id = %(campaign)s
    AND t.list_id = l.list_id AND t.ordinal = l.ordinal
"""

# Their other listings are looked at again. Marks that are locked are being looked at just now,
# by a worker that waits for this message.
UNSETTLE = """
UPDATE listing_mark k SET is_stale = true FROM (
    SELECT other.list_id, other.ordinal FROM notifications_notificationmember l
    JOIN affected_member m ON m.list_id = l.list_id AND m.ordinal = l.ordinal
    JOIN affected_member other ON other.fingerprint = m.fingerprint
    JOIN listing_mark mark ON mark.list_id = other.list_id AND mark.ordinal = other.ordinal
    WHERE l.notification_id = %(message)s AND l.list_id = ANY (%(lists)s)
        AND m.list_id = ANY (%(lists)s) AND other.list_id = ANY (%(lists)s)
    FOR UPDATE OF mark SKIP LOCKED
) AS theirs WHERE k.list_id = theirs.list_id AND k.ordinal = theirs.ordinal
"""


# While the key is rotated, their other listings cannot be found: their own are marked, and
# settling looks at all once the fingerprints agree again.
UNSETTLE_OWN = """
WITH known AS (
    UPDATE listing_mark k SET is_stale = true FROM (
        SELECT mark.list_id, mark.ordinal FROM notifications_notificationmember l
        JOIN listing_mark mark ON mark.list_id = l.list_id AND mark.ordinal = l.ordinal
        WHERE l.notification_id = %(message)s
        FOR UPDATE OF mark SKIP LOCKED
    ) AS own WHERE k.list_id = own.list_id AND k.ordinal = own.ordinal
)
INSERT INTO listing_mark (list_id, ordinal, is_stale)
SELECT l.list_id, l.ordinal, true FROM notifications_notificationmember l
JOIN affected_member m ON m.list_id = l.list_id AND m.ordinal = l.ordinal
WHERE l.notification_id = %(message)s
ON CONFLICT DO NOTHING
"""


def _fall_back(message: Notification, *, state: State, reason: str, now: datetime) -> None:
    """Give the people of a failed e-mail to their next channel; release the others' claims."""
    values: dict[str, Any] = {
        "message": message.pk,
        "campaign": message.campaign_id,
        "state": state.value,
        "reason": reason,
        "now": now,
    }
    campaign = Campaign.objects.get(pk=message.campaign_id)
    lists = AffectedList.objects.that_list_people().filter(
        breach=campaign.breach_id, insurer=campaign.insurer_id
    )
    values["lists"] = list(lists.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        if message.channel == Channel.EMAIL and Channel.SMS in campaign.plan["channels"]:
            cursor.execute(NEXT_CHANNEL, values)
        cursor.execute(RELEASE, values)
        agree = fingerprints_agree(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id)
        cursor.execute(UNSETTLE if agree else UNSETTLE_OWN, values)


def note_sending(*, campaign_id: int, now: datetime) -> None:
    """Note when the campaign's first and last messages were handed over, by batch."""
    Campaign.objects.filter(pk=campaign_id).update(
        first_message_at=Coalesce("first_message_at", Value(now)), last_message_at=now
    )


def halt_if_failing(*, campaign_id: int) -> bool:
    """Stop a campaign whose failures pass what it tolerates.

    Permanent failures count after the first WATCHED messages; connections that broke before the
    server's answer after UNANSWERED, since each leaves a message in doubt.
    """
    ended, failed = ended_and_failed(campaign_id)
    in_doubt = Tally.objects.filter(campaign=campaign_id, state=State.UNCERTAIN, reason=NO_ANSWER)
    unanswered = in_doubt.aggregate(total=Sum("messages"))["total"] or 0
    tolerated = Campaign.objects.values_list("tolerated_failures", flat=True).get(pk=campaign_id)
    if unanswered >= UNANSWERED and unanswered > tolerated * ended:
        return halt_campaign(campaign_id=campaign_id, reason="no_answer", unanswered=unanswered)
    if ended >= WATCHED and failed > tolerated * ended:
        return halt_campaign(campaign_id=campaign_id, reason="failures", ended=ended, failed=failed)
    return False


def halt_campaign(*, campaign_id: int, reason: str, **counts: int) -> bool:
    """Stop a campaign that is sending, with the reason, in the trail; return whether it was."""
    with transaction.atomic():
        halted = Campaign.objects.filter(pk=campaign_id, state=CampaignState.SENDING).update(
            state=CampaignState.HALTED, halt_reason=reason
        )
        if halted:
            campaign = Campaign.objects.get(pk=campaign_id)
            record(
                action="campaign.halted",
                scope=insurer_scope(campaign.insurer_id),
                subject=f"campaign:{campaign_id}",
                detail={"reason": reason, **counts},
            )
    return bool(halted)


def finish_if_done(*, campaign_id: int, now: datetime) -> bool:
    """End a campaign once no message is in progress."""
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        in_progress = Notification.objects.filter(campaign_id=campaign_id, state__in=IN_PROGRESS)
        if campaign.state != CampaignState.SENDING or in_progress.exists():
            return False
        campaign.state = CampaignState.FINISHED
        campaign.finished_at = now
        campaign.save(update_fields=["state", "finished_at"])
        record(
            action="campaign.finished",
            scope=insurer_scope(campaign.insurer_id),
            subject=f"campaign:{campaign_id}",
        )
    return True
