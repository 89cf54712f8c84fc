"""Record what became of each message, and what follows: a retry, or the next channel.

Each outcome is one transaction, committed synchronously (`synchronous_commit` on): after a
crash of the database host no recorded message is forgotten, hence sent twice.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Coalesce

from audit.trail import insurer_scope, record
from notifications.campaigns.answers import keep_example
from notifications.channels import Outcome
from notifications.deadlocks import done_again_after_deadlock
from notifications.models import Campaign, CampaignState, Channel, Notification, State
from notifications.prepared import first_row
from notifications.receipts.applying import apply_waiting
from notifications.references import derive, fingerprint
from notifications.sending.doubts import DOUBT_DELAY, awaits_second_attempt
from notifications.sending.fallback import fall_back
from notifications.sending.moves import move
from notifications.sending.retries import ATTEMPTS, retry_delay
from notifications.sending.suppression import SUPPRESSING, suppress_address_of
from notifications.sending.unfinished import unfinished
from notifications.states import FAILURES, OUTCOMES

RECORD = """
WITH moved AS (
    UPDATE notifications_notification SET state = %(state)s::text, reason = %(reason)s::text,
        attempts = attempts + 1, due_at = %(due_at)s, reference_fingerprint = %(fingerprint)s
    WHERE id = %(id)s AND batch_id = %(batch)s AND state = 'sending'
    RETURNING id, campaign_id, channel, people, uncounted, receipts_wait
), named AS (
    INSERT INTO notifications_providerreference (sender, reference, notification_id)
    SELECT b.sender, %(reference)s::text, moved.id
    FROM moved JOIN notifications_dispatchbatch b ON b.id = %(batch)s
    WHERE %(reference)s::text <> '' ON CONFLICT DO NOTHING
), told AS (
    INSERT INTO notifications_deliveryevent (campaign_id, notification_id, channel, state, reason,
        previous_state, previous_reason, people, messages, uncounted, at)
    SELECT campaign_id, id, channel, %(state)s::text, %(reason)s::text, 'sending', '', people, 1,
        uncounted, %(now)s
    FROM moved
)
SELECT c.state = 'sending' AND c.interruptions = b.interruptions AS goes_on, moved.receipts_wait
FROM moved JOIN notifications_campaign c ON c.id = moved.campaign_id
JOIN notifications_dispatchbatch b ON b.id = %(batch)s
"""


class LeaseLostError(Exception):
    """The message is no longer leased to this batch: another process recovered it."""


@done_again_after_deadlock
def record_outcome(*, batch_id: int, outcome: Outcome, now: datetime) -> bool:
    """Move a message from `sending` to its outcome, with its event.

    Returns whether its batch is still to be sent: staff may have paused the campaign since, or
    people may have left its list. Raises LeaseLostError.
    """
    if outcome.state not in OUTCOMES:
        raise ValueError(f"{outcome.state} is not the outcome of a send")
    if outcome.state in FAILURES or outcome.state in (State.DEFERRED, State.SUPPRESSED):
        goes_on, receipts_wait = _record_failure(batch_id, outcome, now)
    else:
        delay = DOUBT_DELAY if outcome.state == State.UNCERTAIN else timedelta()
        goes_on, receipts_wait = _move(batch_id, outcome, due_at=now + delay, now=now)
    if receipts_wait:
        apply_waiting(notification_id=outcome.notification_id, now=now)
    return goes_on


def _move(batch_id: int, outcome: Outcome, *, due_at: datetime, now: datetime) -> tuple[bool, bool]:
    values = {
        "id": outcome.notification_id,
        "batch": batch_id,
        "state": outcome.state.value,
        "reason": outcome.reason,
        "due_at": due_at,
        "fingerprint": fingerprint(derive(outcome.notification_id)),
        "reference": outcome.provider_reference[:120],
        "now": now,
    }
    found = first_row(RECORD, values)
    if found is None:
        raise LeaseLostError
    return found["goes_on"], found["receipts_wait"]


def _record_failure(batch_id: int, outcome: Outcome, now: datetime) -> tuple[bool, bool]:
    """Defer a temporary failure while attempts remain; else try the people's next channel."""
    with transaction.atomic():
        message = Notification.objects.select_for_update().get(pk=outcome.notification_id)
        keep_example(message=message, reason=outcome.reason, text=outcome.answer)
        if outcome.state == State.DEFERRED and message.attempts + 1 < ATTEMPTS:
            due_at = now + retry_delay(message.attempts + 1)
            return _move(batch_id, outcome, due_at=due_at, now=now)
        state = State.FAILED if outcome.state == State.DEFERRED else outcome.state
        found = _move(batch_id, replace(outcome, state=state), due_at=now, now=now)
        if state in SUPPRESSING and message.channel == Channel.EMAIL:
            suppress_address_of(notification_id=message.pk, reason=outcome.reason, now=now)
        fall_back(message, state=state, reason=outcome.reason, now=now)
    return found


def give_up(*, now: datetime) -> None:
    """End what was refused for a time once too often, by a receipt: on to the next channel."""
    exhausted = Notification.objects.filter(
        state=State.DEFERRED, attempts__gte=ATTEMPTS, due_at__lte=now
    )
    for notification_id in exhausted.values_list("pk", flat=True)[:1000]:
        with transaction.atomic():
            message = exhausted.select_for_update().filter(pk=notification_id).first()
            if message is None:
                continue
            move(message, to=State.FAILED, reason=message.reason, due_at=now, now=now)
            fall_back(message, state=State.FAILED, reason=message.reason, now=now)


def note_sending(*, campaign_id: int, now: datetime) -> None:
    """Note when the campaign's first and last messages were handed over, by batch."""
    Campaign.objects.filter(pk=campaign_id).update(
        first_message_at=Coalesce("first_message_at", Value(now)), last_message_at=now
    )


def finish_if_done(*, campaign_id: int, now: datetime) -> bool:
    """End a campaign once no message is in progress."""
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if campaign.state != CampaignState.SENDING:
            return False
        if unfinished(Campaign.objects.filter(pk=campaign_id)).exists():
            return False
        if awaits_second_attempt(campaign):
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
