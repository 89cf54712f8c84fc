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
from notifications.prepared import first_row
from notifications.references import derive, fingerprint
from notifications.sending.retries import retry_delay
from notifications.sending.suppression import LASTS, SUPPRESSING
from notifications.states import FAILURES, after_receipt

FIRST_NUMBER = 1 << 62
"""Above every notification's: what references, Message-IDs and receipts know an answer by."""
TRIED_FOR = timedelta(minutes=30)  # people were told to wait for an hour
DOWN_DELAY = timedelta(seconds=30)
DOWN, UNMADE = "server_down", "unmade"
MOVED = ("state", "reason", "due_at", "channels", "attempts", "address_fingerprint")


def number_of(reply: Reply) -> int:
    """Return the number of an answer as a message, which is no notification's."""
    return FIRST_NUMBER + reply.pk


def is_reply(number: int | None) -> bool:
    """Whether the message of this number is an answer."""
    return number is not None and number >= FIRST_NUMBER


LEFT = """
WITH moved AS (
    UPDATE notifications_reply SET state = %(state)s, reason = %(reason)s, due_at = %(now)s,
        sent_at = %(now)s, reference_fingerprint = %(fingerprint)s
    WHERE id = %(id)s RETURNING receipts_wait
), named AS (
    INSERT INTO notifications_providerreference (sender, reference, notification_id)
    SELECT %(sender)s, %(reference)s::text, %(number)s::bigint FROM moved
    WHERE %(reference)s::text <> '' ON CONFLICT DO NOTHING
)
SELECT receipts_wait FROM moved
"""


def record(reply: Reply, outcome: Outcome, *, sender: str, now: datetime) -> None:
    """Note what became of a message, and what follows: again later, or the next channel."""
    number = number_of(reply)
    if outcome.state in (State.ACCEPTED, State.UNCERTAIN):
        if _left(reply, outcome, sender, now):
            apply_waiting_to_reply(number=number, now=now)
        return
    with transaction.atomic():
        if outcome.provider_reference:
            _name(number, outcome.provider_reference[:120], sender)
        if outcome.state == State.DEFERRED and now - reply.made_at < TRIED_FOR:
            delay = DOWN_DELAY if outcome.reason in (DOWN, UNMADE) else retry_delay(reply.attempts)
            end(reply, State.DEFERRED, outcome.reason, now, due_at=now + delay)
        else:
            state = State.FAILED if outcome.state == State.DEFERRED else outcome.state
            not_arrived(reply, state=state, reason=outcome.reason, now=now)
    apply_waiting_to_reply(number=number, now=now)


def _left(reply: Reply, outcome: Outcome, sender: str, now: datetime) -> bool:
    """Note that a message left, by one statement; return whether receipts wait for that."""
    number = number_of(reply)
    values = {
        "id": reply.pk,
        "number": number,
        "state": outcome.state.value,
        "reason": outcome.reason[:60],
        "fingerprint": fingerprint(derive(number)),
        "sender": sender,
        "reference": outcome.provider_reference[:120],
        "now": now,
    }
    found = first_row(LEFT, values)
    return found is not None and bool(found["receipts_wait"])


def _name(number: int, reference: str, sender: str) -> None:
    named = ProviderReference(sender=sender, reference=reference, notification_id=number)
    ProviderReference.objects.bulk_create([named], ignore_conflicts=True)


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
    reply.save(update_fields=MOVED)


def apply_to_reply(*, number: int, receipt: Receipt, now: datetime) -> None:
    """Apply what a provider says of an answer that it took, in the transaction that keeps it."""
    reply = Reply.objects.select_for_update().filter(pk=number - FIRST_NUMBER).first()
    if reply is None or reply.state == State.SENDING:
        receipt.save()
        if reply is not None:  # The send's own answer, once it is recorded, applies it.
            reply.receipts_wait = True
            reply.save(update_fields=["receipts_wait"])
        return
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


def apply_waiting_to_reply(*, number: int, now: datetime) -> None:
    """Apply the receipts that came while an answer was being sent."""
    waiting = Receipt.objects.filter(notification_id=number, is_applied=False)
    for receipt in waiting.order_by("pk"):
        with transaction.atomic():
            apply_to_reply(number=number, receipt=receipt, now=now)
    Reply.objects.filter(pk=number - FIRST_NUMBER, receipts_wait=True).exclude(
        state=State.SENDING
    ).update(receipts_wait=False)


def mark_in_doubt(*, now: datetime) -> int:
    """Mark the answers whose worker is gone: they may have left, and are not sent again."""
    lost = Reply.objects.filter(state=State.SENDING, due_at__lte=now)
    marked = lost.update(state=State.UNCERTAIN, reason="worker-lost")
    stuck = Reply.objects.filter(receipts_wait=True).exclude(state=State.SENDING)
    for reply in stuck.only("pk"):
        apply_waiting_to_reply(number=number_of(reply), now=now)
    return marked
