"""What became of an answer, by its provider's word, now or later; and what follows."""

from datetime import datetime, timedelta

from django.db import transaction

from notifications.channels.base import Outcome
from notifications.models import (
    Channel,
    ProviderReference,
    Receipt,
    ReceiptKind,
    Reply,
    State,
    Suppression,
)
from notifications.references import derive, fingerprint
from notifications.sending.retries import retry_delay
from notifications.sending.suppression import LASTS, SUPPRESSING
from notifications.states import FAILURES, after_receipt

FIRST_NUMBER = 1 << 62
"""Above every notification's: what references, Message-IDs and receipts know an answer by."""
TRIED_FOR = timedelta(minutes=30)  # people were told to wait for an hour
DOWN_DELAY = timedelta(seconds=30)
DOWN = "server_down"


def number_of(reply: Reply) -> int:
    """Return the number of an answer as a message, which is no notification's."""
    return FIRST_NUMBER + reply.pk


def is_reply(number: int | None) -> bool:
    """Whether the message of this number is an answer."""
    return number is not None and number >= FIRST_NUMBER


def record(reply: Reply, outcome: Outcome, *, sender: str, now: datetime) -> None:
    """Note what became of a message, and what follows: again later, or the next channel."""
    number = number_of(reply)
    if outcome.provider_reference:
        ProviderReference.objects.bulk_create(
            [
                ProviderReference(
                    sender=sender,
                    reference=outcome.provider_reference[:120],
                    notification_id=number,
                )
            ],
            ignore_conflicts=True,
        )
    if outcome.state == State.DEFERRED and now - reply.made_at < TRIED_FOR:
        delay = DOWN_DELAY if outcome.reason == DOWN else retry_delay(reply.attempts)
        end(reply, State.DEFERRED, outcome.reason, now, due_at=now + delay)
    elif outcome.state in (State.ACCEPTED, State.UNCERTAIN):
        reply.reference_fingerprint, reply.sent_at = fingerprint(derive(number)), now
        end(reply, outcome.state, outcome.reason, now)
    else:
        state = State.FAILED if outcome.state == State.DEFERRED else outcome.state
        not_arrived(reply, state=state, reason=outcome.reason, now=now)
    waiting = Receipt.objects.filter(notification_id=number, is_applied=False)
    for receipt in waiting.order_by("pk"):
        with transaction.atomic():
            apply_to_reply(number=number, receipt=receipt, now=now)


def not_arrived(reply: Reply, *, state: State, reason: str, now: datetime) -> None:
    """Go on to the next channel; where there is none, the message has failed."""
    with transaction.atomic():
        if state in SUPPRESSING and reply.channels[0] == Channel.EMAIL:
            _suppress(reply, reason, now)
        if len(reply.channels) > 1:
            reply.channels = reply.channels[1:]
            reply.attempts, reply.address_fingerprint = 0, None
            end(reply, State.PENDING, "", now)
        else:
            end(reply, state, reason, now)


def _suppress(reply: Reply, reason: str, now: datetime) -> None:
    if reply.address_fingerprint is not None:
        Suppression.objects.update_or_create(
            insurer_id=reply.insurer_id,
            address_fingerprint=reply.address_fingerprint,
            defaults={"reason": reason[:60], "until_at": now + LASTS},
            create_defaults={"reason": reason[:60], "since_at": now, "until_at": now + LASTS},
        )


def end(
    reply: Reply, state: State, reason: str, now: datetime, *, due_at: datetime | None = None
) -> None:
    reply.state, reply.reason, reply.due_at = state, reason[:60], due_at or now
    reply.save()


def apply_to_reply(*, number: int, receipt: Receipt, now: datetime) -> None:
    """Apply what a provider says of an answer that it took, in the transaction that keeps it."""
    reply = Reply.objects.select_for_update().filter(pk=number - FIRST_NUMBER).first()
    if reply is None or reply.state == State.SENDING:
        receipt.save()
        return  # The send's own answer, once it is recorded, applies it.
    receipt.is_applied = True
    receipt.save()
    state = State(reply.state)
    to = after_receipt(state, ReceiptKind(receipt.kind))
    if to == State.DEFERRED:
        to = State.FAILED  # It was given up there, after hours; here too.
    if to == state:
        return
    reason = receipt.code or f"receipt-{receipt.kind}"
    if to in FAILURES:
        not_arrived(reply, state=to, reason=reason, now=now)
        return
    if to in SUPPRESSING:
        _suppress(reply, reason, now)
    end(reply, to, reason, now)


def mark_in_doubt(*, now: datetime) -> int:
    """Mark the answers whose worker is gone: they may have left, and are not sent again."""
    lost = Reply.objects.filter(state=State.SENDING, due_at__lte=now)
    return lost.update(state=State.UNCERTAIN, reason="worker-lost")
