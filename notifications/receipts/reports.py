"""Apply what comes back by mail and by webhooks to the messages they are about (worker).

A report counts for the account it came to: its token was made for that account, or its Message-ID
is that of a message which the account's insurer sent to the very address.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from operator import attrgetter
from uuid import UUID

import polars as pl
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.core.handlers.wsgi import WSGIRequest
from django.db import transaction
from django.db.models.functions import Length
from django.utils.module_loading import import_string

from insurers.lists.byte_columns import split
from insurers.lists.fingerprints import FINGERPRINT_BYTES, address_fingerprints
from insurers.lists.sealing import open_sealed
from insurers.models import AddressKey
from notifications.campaigns.answers import without_addresses
from notifications.channels.providers import METADATA, PROVIDERS, Provider
from notifications.models import Campaign, Channel, Notification, ReceiptKind, SealedReceipt
from notifications.receipts.applying import record_receipt
from notifications.receipts.bounces import Report, read_report
from notifications.receipts.tokens import read_token
from notifications.receipts.webhooks import view_options
from notifications.references import message_id
from notifications.senders.choosing import account_of

logger = logging.getLogger(__name__)

KINDS = {
    EventType.DELIVERED: ReceiptKind.DELIVERED,
    EventType.DEFERRED: ReceiptKind.DELAYED,
    EventType.COMPLAINED: ReceiptKind.COMPLAINED,
    EventType.REJECTED: ReceiptKind.FAILED,
    EventType.FAILED: ReceiptKind.FAILED,
}
OF_THE_ADDRESS = {RejectReason.BOUNCED, RejectReason.INVALID}
AT_ONCE = 200
BYTES_AT_ONCE = 16 * 1024**2  # several times that once they are opened and read


def apply_letter(*, content: bytes, account: str, insurer_id: UUID | None, now: datetime) -> bool:
    """Apply a letter from the mailbox of an account; return whether it is about a message of ours.

    `insurer_id` is None for the portal's own account, which sends for every insurer.
    """
    report = read_report(content)
    if report is None:
        return False
    notification_id = _message_of(report, account=account, insurer_id=insurer_id)
    if notification_id is None:
        return False
    record_receipt(
        sender=account,
        kind=ReceiptKind(report.said.value),
        receipt_id=hashlib.sha256(content).hexdigest(),
        notification_id=notification_id,
        code=report.code,
        text=without_addresses(report.text, report.recipients),
        now=now,
    )
    return True


def _message_of(report: Report, *, account: str, insurer_id: UUID | None) -> int | None:
    for token in report.tokens:
        notification_id = read_token(token, account=account)
        if notification_id is not None:
            return notification_id
    for place in [insurer_id] if insurer_id else _insurers_that_send():
        for candidate in _candidates(report, place):
            if message_id(candidate) in report.message_ids:
                return candidate
    return None


def _candidates(report: Report, insurer_id: UUID) -> Iterator[int]:
    """Yield the messages that an insurer sent to the addresses of a report, the last first."""
    if not (report.message_ids and report.recipients):
        return
    in_use = AddressKey.objects.filter(insurer=insurer_id, destroyed_at=None).first()
    if in_use is None:
        return  # The contacts are purged: no address means anything any more.
    emails = address_fingerprints(insurer_id=insurer_id, number=in_use.number).emails(
        pl.Series(report.recipients, dtype=pl.String)
    )
    found = Notification.objects.filter(
        campaign__in=Campaign.objects.filter(insurer=insurer_id),
        channel=Channel.EMAIL,
        address_fingerprint__in=[
            UUID(bytes=email) for email in split(emails.fingerprints, FINGERPRINT_BYTES)
        ],
    )
    yield from found.order_by("-pk").values_list("pk", flat=True)


def _insurers_that_send() -> list[UUID]:
    sending = Campaign.objects.exclude(approved_at=None)
    return list(sending.order_by().values_list("insurer", flat=True).distinct())


def apply_sealed_receipts(*, now: datetime) -> int:
    """Open what webhooks brought, apply it and delete it, oldest first; return how many."""
    total = 0
    while taken := _apply_some(now):
        total += taken
    return total


def _apply_some(now: datetime) -> int:
    with transaction.atomic():
        found = SealedReceipt.objects.select_for_update(skip_locked=True).order_by("received_at")
        held = found.annotate(size=Length("sealed")).values_list("pk", "size")[:AT_ONCE]
        taken = SealedReceipt.objects.filter(pk__in=_few(held)).order_by("received_at")
        receipts = list(taken.select_related("identity"))
        told = [found for receipt in receipts for found in _told_by(receipt)]
        # Messages are locked in one order, and all before any event of theirs is written; what is
        # said of one stays in its own order.
        messages = Notification.objects.filter(pk__in={one.notification_id for one in told})
        list(messages.select_for_update().order_by("pk").values_list("pk"))
        for told_one in sorted(told, key=attrgetter("notification_id")):
            record_receipt(**vars(told_one), now=now)
        SealedReceipt.objects.filter(pk__in=[receipt.pk for receipt in receipts]).delete()
    return len(receipts)


def _few(held: Iterable[tuple[UUID, int]]) -> list[UUID]:
    """Return the first of these receipts, one at least, that are held whole in memory."""
    few: list[UUID] = []
    total = 0
    for pk, size in held:
        total += size
        if few and total > BYTES_AT_ONCE:
            break
        few.append(pk)
    return few


@dataclass(frozen=True)
class _Told:
    """What a provider said of one message, as `record_receipt` takes it."""

    sender: str
    kind: ReceiptKind
    receipt_id: str
    notification_id: int
    code: str
    text: str = field(repr=False)


def _told_by(receipt: SealedReceipt) -> Iterator[_Told]:
    account = account_of(receipt.identity)
    provider = PROVIDERS[receipt.identity.transport]
    try:
        events = [(event, _kind(event, provider), _token(event)) for event in _events(receipt)]
    except Exception:  # Whatever a provider wrote, the others' receipts go on.
        logger.warning("a webhook of sending identity %s could not be read", receipt.identity_id)
        return
    for event, kind, token in events:
        notification_id = read_token(token, account=account)
        if kind is not None and notification_id is not None:
            yield _Told(
                sender=account,
                kind=kind,
                receipt_id=str(event.event_id or _digest(event)),
                notification_id=notification_id,
                code=f"{receipt.identity.transport}-{event.reject_reason or kind.value}",
                text=without_addresses(str(event.mta_response or ""), [str(event.recipient or "")]),
            )


def _events(receipt: SealedReceipt) -> list[AnymailTrackingEvent]:
    """Rebuild the request that the web process checked and have anymail read it."""
    brought = json.loads(open_sealed(bytes(receipt.sealed)))
    identity = receipt.identity
    view = import_string(PROVIDERS[identity.transport].webhook)(**view_options(identity))
    body = base64.b64decode(brought["body"])
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": brought["content_type"],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
        }
    )
    return list(view.parse_events(request))


def _token(event: AnymailTrackingEvent) -> str:
    return str((event.metadata or {}).get(METADATA, ""))


def _digest(event: AnymailTrackingEvent) -> str:
    """Name an event that its provider does not: posted again, it says the same."""
    return hashlib.sha256(json.dumps(event.esp_event, sort_keys=True).encode()).hexdigest()


def _kind(event: AnymailTrackingEvent, provider: Provider) -> ReceiptKind | None:
    said = provider.kind_of(event)
    if said is None and event.event_type == EventType.BOUNCED:
        return ReceiptKind.HARD if event.reject_reason in OF_THE_ADDRESS else ReceiptKind.FAILED
    return said or KINDS.get(event.event_type)
