"""The outside provider of a generated year: what it answers, given to the functions that record.

Nothing is sent: messages are leased, recorded and given back by the portal's own functions, at the
moments that the year gives, as `notifications/sending/dispatch.py` does at the moment it is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from notifications.campaigns.halting import halt_if_failing
from notifications.channels import Outcome
from notifications.models import Acceptance, Campaign, Channel, Notification, ReceiptKind, State
from notifications.receipts.applying import record_receipt
from notifications.references import derive, fingerprint
from notifications.sending.acceptances import apply_acceptances
from notifications.sending.leases import (
    BATCH_SIZE,
    abandon_batch,
    claim_batch,
    close_batch,
)
from notifications.sending.outcomes import finish_if_done, note_sending, record_outcome
from notifications.sending.suppression import suppressed_in

SENDER = "prestataire"
PACE = timedelta(seconds=1)  # from a message to the next
CODES = {
    State.BOUNCED: "smtp-550",
    State.DEFERRED: "smtp-451",
    State.FAILED: "smtp-554",
    State.UNCERTAIN: "smtp-dropped",
}


@dataclass(frozen=True)
class Answers:
    """Of a thousand messages, how many get which answer; the others are accepted."""

    bounced: int = 0
    deferred: int = 0
    failed: int = 0
    uncertain: int = 0

    def draw(self, chance: Random) -> State:
        """Return the answer to one message."""
        drawn = chance.randrange(1000)
        for state in CODES:
            drawn -= getattr(self, state.value)
            if drawn < 0:
                return state
        return State.ACCEPTED


ACCEPTS = Answers()


def hand_over(
    campaign: Campaign,
    *,
    at: datetime,
    chance: Random,
    answers: Answers = ACCEPTS,
    most: int | None = None,
) -> datetime:
    """Send what is due at a moment, `most` messages of a channel at the most; return the end."""
    for channel in (Channel.EMAIL, Channel.SMS):
        left = most if _is_due(campaign, channel, at) else 0
        while left != 0 and (batch := _claimed(campaign, channel, at, left)):
            messages = _to_send(batch, at)
            at = _answered(campaign, batch, messages, at, chance, answers)
            close_batch(batch_id=batch, now=at, due_at=at)
            halt_if_failing(campaign_id=campaign.pk, now=at)
            left = None if left is None else left - len(messages)
    finish_if_done(campaign_id=campaign.pk, now=at)
    campaign.refresh_from_db()
    return at


def die_sending(
    campaign: Campaign, *, at: datetime, chance: Random, after: int, is_found: bool = True
) -> int:
    """Take a batch, send some of it and go: the rest stays leased, freed only where it `is_found`.

    Returns the batch.
    """
    batch = _claimed(campaign, Channel.EMAIL, at, after * 2)
    assert batch is not None
    _answered(campaign, batch, _to_send(batch, at)[:after], at, chance, ACCEPTS)
    if is_found:
        abandon_batch(batch_id=batch)
    else:
        apply_acceptances(batch_id=batch, now=at)
    return batch


def report(
    campaign: Campaign, kind: ReceiptKind, *, of: int, at: datetime, code: str = ""
) -> datetime:
    """Have the provider report on one in `of` messages that it took; return the end."""
    taken = Notification.objects.filter(campaign=campaign, state=State.ACCEPTED).order_by("pk")
    chosen = list(taken.exclude(channel=Channel.LETTER).values_list("pk", flat=True))[::of]
    for number in chosen:
        record_receipt(
            sender=SENDER,
            kind=kind,
            receipt_id=f"{kind}-{number}",
            notification_id=number,
            code=code,
            now=at,
        )
        at += PACE
    return at


def _is_due(campaign: Campaign, channel: Channel, at: datetime) -> bool:
    waiting = Notification.objects.filter(campaign=campaign, channel=channel, due_at__lte=at)
    return waiting.filter(state__in=(State.PENDING, State.DEFERRED)).exists()


def _claimed(campaign: Campaign, channel: Channel, at: datetime, most: int | None) -> int | None:
    limit = BATCH_SIZE if most is None else min(BATCH_SIZE, most)
    return claim_batch(campaign_id=campaign.pk, channel=channel, now=at, sender=SENDER, limit=limit)


def _to_send(batch: int, at: datetime) -> list[int]:
    for number in suppressed_in(batch_id=batch, now=at):
        outcome = Outcome(number, State.SUPPRESSED, "suppressed")
        record_outcome(batch_id=batch, outcome=outcome, now=at)
    leased = Notification.objects.filter(batch=batch, state=State.SENDING).order_by("pk")
    return list(leased.values_list("pk", flat=True))


def _answered(
    campaign: Campaign,
    batch: int,
    messages: list[int],
    at: datetime,
    chance: Random,
    answers: Answers,
) -> datetime:
    """Record an answer to each message, as they come; return the moment of the last."""
    taken = []
    for place, number in enumerate(messages):
        moment = at + place * PACE
        state = answers.draw(chance)
        if state == State.ACCEPTED:
            reference = fingerprint(derive(number))
            taken.append(
                Acceptance(
                    batch_id=batch,
                    notification_id=number,
                    reference_fingerprint=reference,
                    at=moment,
                )
            )
        else:
            outcome = Outcome(number, state, CODES[state])
            record_outcome(batch_id=batch, outcome=outcome, now=moment)
    Acceptance.objects.bulk_create(taken)
    if not messages:
        return at
    note_sending(campaign_id=campaign.pk, now=at)
    last = at + (len(messages) - 1) * PACE
    note_sending(campaign_id=campaign.pk, now=last)
    return last
