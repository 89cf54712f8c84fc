"""Receipts: what a provider says of a message after its answer, in whatever order it comes.

A receipt is kept once, then applied to its message. While the message is being sent it waits
for the send's own answer, which applies it; one that names an attempt which nobody has recorded
yet waits for the sweep. The strongest word stays (`notifications/states.py`), so receipts that
come early, twice, late or in another order end the same. What a failure has set in motion (an
SMS after a bounce) is not called back.
"""

import hashlib
from datetime import datetime

from django.db import models, transaction

from insurers.models import ListPurge
from notifications.campaigns.answers import keep_example, scrubbed
from notifications.models import (
    Campaign,
    Channel,
    Notification,
    ProviderReference,
    Receipt,
    ReceiptKind,
    State,
)
from notifications.replies.outcomes import apply_to_reply, is_reply
from notifications.sending.fallback import claim_again, fall_back, look_at_who_left, release, reopen
from notifications.sending.moves import move
from notifications.sending.retries import retry_delay
from notifications.sending.suppression import SUPPRESSING, suppress_address_of
from notifications.states import FAILURES, NOT_ARRIVED, TOLD, after_receipt

# Whoever is behind such a message was let go: another campaign may tell them.
RELEASED = FAILURES | {State.SUPPRESSED, State.CANCELLED}


def record_receipt(
    *,
    sender: str,
    kind: ReceiptKind,
    receipt_id: str,
    now: datetime,
    notification_id: int | None = None,
    reference: str = "",
    code: str = "",
    text: str = "",
) -> bool:
    """Keep a receipt and apply it to its message; return whether it is new (worker only).

    `sender` is the provider account that brought it, as `pacing.account_and_pace` names it. The
    message is given by `notification_id`, where the caller opened a token that was made for this
    sender (a Message-ID, a return path), or by the provider's own `reference`, which counts only
    for the sender that sent by it. `receipt_id` is the provider's name for the receipt, or a hash
    of it: the same one again changes nothing. `code` is short, such as "smtp-550" or "5.1.1";
    `text` is the provider's sentence, which is scrubbed here. Of an unknown message it is kept
    and changes nothing. A receipt never raises for what it says.

    `DELAYED` is for a provider that goes on trying; `SOFT` for one that gave up for a temporary
    reason, so that the portal tries again itself.
    """
    name = "\0".join([sender, kind, receipt_id]).encode(errors="backslashreplace")
    key = hashlib.sha256(name).hexdigest()
    with transaction.atomic():
        if notification_id is None and reference:
            notification_id = _by_reference(sender, reference)
        answered = notification_id if is_reply(notification_id) else None
        message = None if answered else _locked(notification_id)
        receipt, is_new = Receipt.objects.get_or_create(
            key=key,
            defaults={
                "sender": sender,
                "notification_id": message.pk if message else answered,
                "reference": reference[:120],
                "kind": kind,
                "code": code[:60],
                "text": scrubbed(text),
                "received_at": now,
            },
        )
        if is_new and message is not None:
            _apply(message, receipt, now)
        if is_new and answered is not None:
            apply_to_reply(number=answered, receipt=receipt, now=now)
    return is_new


def apply_waiting(*, notification_id: int, now: datetime) -> None:
    """Apply the receipts that came while a message was being sent."""
    with transaction.atomic():
        message = _locked(notification_id)
        if message is None or message.state == State.SENDING:
            return
        waiting = Receipt.objects.filter(notification_id=notification_id, is_applied=False)
        for receipt in waiting.order_by("pk"):
            _apply(message, receipt, now)
        Notification.objects.filter(pk=notification_id).update(receipts_wait=False)


def apply_what_waits(*, now: datetime) -> None:
    """Apply what a worker that died had not, and receipts that came before their reference."""
    unknown = Receipt.objects.filter(notification_id=None).exclude(reference="")
    for receipt in _that_are_known(unknown):
        with transaction.atomic():
            found = _by_reference(receipt.sender, receipt.reference)
            if found is not None and is_reply(found):
                receipt.notification_id = found
                apply_to_reply(number=found, receipt=receipt, now=now)
                continue
            message = _locked(found)
            if message is not None:
                receipt.notification_id = message.pk
                receipt.save(update_fields=["notification_id"])
                _apply(message, receipt, now)
    stuck = Notification.objects.filter(receipts_wait=True).exclude(state=State.SENDING)
    for notification_id in stuck.values_list("pk", flat=True):
        apply_waiting(notification_id=notification_id, now=now)


def _by_reference(sender: str, reference: str) -> int | None:
    found = ProviderReference.objects.filter(sender=sender, reference=reference[:120])
    return found.values_list("notification_id", flat=True).first()


def _that_are_known(receipts: models.QuerySet[Receipt]) -> list[Receipt]:
    known = ProviderReference.objects.filter(
        sender=models.OuterRef("sender"), reference=models.OuterRef("reference")
    )
    return list(receipts.filter(models.Exists(known)).order_by("pk")[:1000])


def _locked(notification_id: int | None) -> Notification | None:
    if notification_id is None:
        return None
    return Notification.objects.select_for_update().filter(pk=notification_id).first()


def _apply(message: Notification, receipt: Receipt, now: datetime) -> None:
    """Move a locked message where the receipt takes it, with what follows."""
    if message.state == State.SENDING:
        message.receipts_wait = True
        message.save(update_fields=["receipts_wait"])
        return
    receipt.is_applied = True
    receipt.save(update_fields=["is_applied"])
    before = State(message.state)
    to = after_receipt(before, ReceiptKind(receipt.kind))
    if to == State.DEFERRED and ListPurge.objects.filter(list=message.list_id).exists():
        to = State.FAILED  # Its contacts are purged: nothing can be sent from there.
    if to == before or message.people == 0:
        return  # Nothing new; or all its people left the list meanwhile.
    reason = receipt.code or f"receipt-{receipt.kind}"
    if to in NOT_ARRIVED:
        keep_example(message=message, reason=reason, text=receipt.text)
    move(message, to=to, reason=reason, due_at=now + retry_delay(message.attempts), now=now)
    if to in SUPPRESSING and message.channel == Channel.EMAIL:
        suppress_address_of(notification_id=message.pk, reason=reason, now=now)
    campaign = Campaign.objects.get(pk=message.campaign_id)
    if to == State.DEFERRED:
        look_at_who_left(messages=[message.pk])
        reopen(campaign_id=campaign.pk)
    elif to in FAILURES and before in RELEASED:
        release(campaign=campaign, messages=[message.pk])
    elif to in FAILURES:
        fall_back(message, state=to, reason=reason, now=now)
    elif to in TOLD and before in RELEASED:
        claim_again(campaign=campaign, messages=[message.pk])
