"""The parts of SMS at their provider, and what receipts make of them.

A message is delivered once every part of it is, and has failed once one has.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from notifications.channels.sms_account import SmsAccount
from notifications.channels.sms_receipts import SmsReceipt, same_id
from notifications.models import ReceiptKind, SmsPart, State
from notifications.receipts.applying import record_receipt

WAITED_FOR = timedelta(days=4)  # messages are valid for two, and a receipt may be late
KEPT = timedelta(days=30)  # providers name new messages as old ones sooner or later


@transaction.atomic
def keep_parts(account: SmsAccount, notification_id: int, provider_ids: Sequence[str]) -> None:
    """Note a message's parts, before its outcome is recorded (worker only).

    A receipt that came before (some do) counts now. A provider that counts from one again gives
    its old names to new messages: the last is meant. A message that is sent again has the parts
    of its last attempt.
    """
    now = timezone.now()
    names = {same_id(n, receipt_ids=account.receipt_ids, is_receipt=False) for n in provider_ids}
    SmsPart.objects.filter(notification_id=notification_id).delete()
    ours = SmsPart.objects.filter(account=account.name, provider_id__in=names)
    ours.filter(notification_id__isnull=False).delete()
    ours.update(notification_id=notification_id, noted_at=now)
    SmsPart.objects.bulk_create(
        [
            SmsPart(
                account=account.name,
                provider_id=name,
                notification_id=notification_id,
                noted_at=now,
            )
            for name in sorted(names)
        ],
        ignore_conflicts=True,
    )
    _settle(account, notification_id, now)


@transaction.atomic
def take_receipt(account: SmsAccount, receipt: SmsReceipt, *, now: datetime) -> None:
    """Keep what a provider says of a part; tell the message's once its parts decide it."""
    name = same_id(receipt.provider_id, receipt_ids=account.receipt_ids, is_receipt=True)
    part, _is_new = SmsPart.objects.select_for_update().get_or_create(
        account=account.name, provider_id=name[:65], defaults={"noted_at": now}
    )
    part.state, part.reason = receipt.state, receipt.reason
    part.save(update_fields=["state", "reason"])
    if part.notification_id is not None:
        _settle(account, part.notification_id, now)


def awaits_receipts(account: SmsAccount, *, now: datetime) -> datetime | None:
    """Return since when parts of this account wait for their receipt, or None."""
    waiting = _waiting(account).filter(noted_at__gt=now - WAITED_FOR)
    return waiting.order_by("noted_at").values_list("noted_at", flat=True).first()


def parts_that_wait(account: SmsAccount) -> set[str]:
    """Return the provider's names of the parts that wait for their receipt."""
    return set(_waiting(account).values_list("provider_id", flat=True))


def _waiting(account: SmsAccount) -> QuerySet[SmsPart]:
    return SmsPart.objects.filter(account=account.name, state="")


def forget_old_parts(*, now: datetime) -> None:
    """Forget parts whose receipts, if any, came long ago."""
    SmsPart.objects.filter(noted_at__lt=now - KEPT).delete()


def _settle(account: SmsAccount, notification_id: int, now: datetime) -> None:
    parts = list(SmsPart.objects.filter(notification_id=notification_id).order_by("pk"))
    failed = next((part for part in parts if part.state == State.FAILED), None)
    if failed is not None:
        kind, code = ReceiptKind.FAILED, failed.reason
    elif all(part.state == State.DELIVERED for part in parts):
        kind, code = ReceiptKind.DELIVERED, parts[0].reason
    else:
        return
    record_receipt(
        sender=account.name,
        kind=kind,
        receipt_id=f"{notification_id}:{parts[0].pk}",
        notification_id=notification_id,
        code=code,
        now=now,
    )
