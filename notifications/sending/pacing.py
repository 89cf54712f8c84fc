"""How fast a sending identity may go: messages a second and a day, over all workers.

One row for each sender holds its next free slot. A worker reserves the slots of a batch in one
short transaction, then waits for each of them before it sends: the pace holds whatever the number
of workers, and is forgotten by no broker.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from notifications.channels.sms_account import sms_account
from notifications.models import Channel, SenderPace
from notifications.senders.choosing import PORTAL, account_of, approved_identity
from notifications.sending.quiet_hours import PARIS

LONGEST_REST = timedelta(minutes=5)
AHEAD = timedelta(seconds=1)  # slots are reserved no further, so that a pause finds few of them


@dataclass(frozen=True)
class Pace:
    """Messages a second and a day; None is no limit."""

    per_second: float | None = None
    per_day: int | None = None


@dataclass(frozen=True)
class Slots:
    """So many messages may be sent, the first at `start`, one every `spacing`.

    Where there are none, `start` is when to ask again.
    """

    count: int
    start: datetime
    spacing: timedelta


def account_and_pace(*, insurer_id: UUID, channel: str) -> tuple[str, Pace]:
    """Return who an insurer's messages on a channel are sent by, and how fast that may go.

    Pace, rest and receipts are kept by this name: who the provider knows. Insurers without an
    identity of their own share the portal's.
    """
    identity = approved_identity(insurer_id) if channel == Channel.EMAIL else None
    if identity is not None:
        pace = Pace(identity.messages_per_second, identity.messages_per_day)
        return account_of(identity), pace
    per_second, per_day = settings.SENDING_PACE.get(channel, (None, None))
    return _portal_account(channel), Pace(per_second=per_second, per_day=per_day)


def _portal_account(channel: str) -> str:
    if channel == Channel.EMAIL:
        return PORTAL
    account = sms_account()
    return f"{channel}:{account.name if account else ''}"


def reserve(*, sender: str, pace: Pace, at_most: int, now: datetime) -> Slots:
    """Reserve up to `at_most` slots that begin within a second; none while the sender rests."""
    with transaction.atomic():
        row = _locked(sender, now)
        if row.rests_until_at is not None and now < row.rests_until_at <= now + LONGEST_REST:
            return Slots(0, row.rests_until_at, timedelta())
        start, count, spacing = now, at_most, timedelta()
        if pace.per_second:
            spacing = timedelta(seconds=1 / pace.per_second)
            # A clock that was set back must not stop the sender until it has caught up.
            start = max(row.next_at, now) if row.next_at <= now + AHEAD + spacing else now
            count = max(0, min(count, -(-(now + AHEAD - start) // spacing)))
        if pace.per_day is not None:
            count = min(count, max(0, pace.per_day - row.sent_today))
            if row.sent_today >= pace.per_day:
                start = _tomorrow(now)
        if not count:
            return Slots(0, start, spacing)
        row.next_at = start + spacing * count
        row.sent_today += count
        row.rests_until_at = None
        row.save()
    return Slots(count, start, spacing)


def is_resting(*, sender: str, now: datetime) -> bool:
    """Whether a provider is left alone: what whoever has no pace asks, instead of reserving."""
    resting = SenderPace.objects.filter(pk=sender, rests_until_at__gt=now)
    return resting.filter(rests_until_at__lte=now + LONGEST_REST).exists()


def give_back_slots(*, sender: str, count: int, slots: Slots | None = None) -> None:
    """Return what was reserved today and not sent: of `slots`, where they are given, the last."""
    if count and sender:
        with transaction.atomic():
            row = SenderPace.objects.select_for_update().filter(pk=sender).first()
            if row is not None:
                row.sent_today = max(0, row.sent_today - count)
                if slots is not None and row.next_at == slots.start + slots.spacing * slots.count:
                    row.next_at -= slots.spacing * count  # Nobody has reserved any after them.
                row.save(update_fields=["sent_today", "next_at"])


def rest(*, sender: str, until: datetime, now: datetime) -> None:
    """Leave a provider alone that cannot be reached."""
    with transaction.atomic():
        row = _locked(sender, now)
        row.rests_until_at = until
        row.save(update_fields=["rests_until_at"])


def _tomorrow(now: datetime) -> datetime:
    """Return when the next day begins in Paris."""
    following = now.astimezone(PARIS).date() + timedelta(days=1)
    return datetime.combine(following, time(), tzinfo=PARIS)


def _locked(sender: str, now: datetime) -> SenderPace:
    """Return the sender's row, locked, on today's count."""
    today = now.astimezone(PARIS).date()
    mine = SenderPace.objects.select_for_update().filter(pk=sender)
    row = mine.first()
    if row is None:
        first = SenderPace(sender=sender, next_at=now, day_date=today)
        SenderPace.objects.bulk_create([first], ignore_conflicts=True)
        row = mine.get()
    if row.day_date < today:
        row.day_date, row.sent_today = today, 0
    return row
