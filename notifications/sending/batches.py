"""Lease a batch for the campaign whose turn it is, lay its messages out, and end it.

Nothing of it waits for a provider: PostgreSQL and the processor do it, in threads beside those
connections that are sending.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Lock
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from notifications.campaigns.halting import halt_campaign, halt_if_failing
from notifications.channels import Outcome, Outgoing, connections_of, window_of
from notifications.cooperation import by_a_clerk
from notifications.models import Channel, State
from notifications.notices.rendering import EmailText, Message
from notifications.outbox.settling import settle
from notifications.sending.leases import BATCH_SIZE, abandon_batch, claim_batch, close_batch
from notifications.sending.letterheads import Letterhead, Letterheads
from notifications.sending.outcomes import record_outcome
from notifications.sending.pacing import Slots, account_and_pace, give_back_slots, reserve, rest
from notifications.sending.recorder import Recorder
from notifications.sending.suppression import suppressed_in
from notifications.sending.turns import Turn, turns_in_order

DOWN_DELAY = timedelta(seconds=30)
PATIENCE = 5.0  # seconds; longer waits are left to the sweep
FIRST_BATCH, SMALLEST_BATCH = 100, 20
SPEEDS_KEPT = 100  # more campaigns than send at once
BATCH_SECONDS = 2.0  # of sending, about: a slow server would leave most of a long batch


class Speeds:
    """Messages a second over a connection, as the last batch of a campaign on a channel went.

    Of those that sent last, `SPEEDS_KEPT` at most: a worker process outlives many campaigns.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[int, Channel], float] = OrderedDict()

    def of(self, campaign_id: int, channel: Channel) -> float | None:
        """Return the last speed, None where none is known."""
        return self._seen.get((campaign_id, channel))

    def note(self, campaign_id: int, channel: Channel, speed: float) -> None:
        """Keep a speed, and forget that of whoever has not sent for longest."""
        self._seen[campaign_id, channel] = speed
        self._seen.move_to_end((campaign_id, channel))
        if len(self._seen) > SPEEDS_KEPT:
            self._seen.popitem(last=False)


@dataclass
class Crew:
    """What all connections of a process share."""

    recorder: Recorder
    speeds: Speeds = field(default_factory=Speeds)
    letterheads: Letterheads = field(default_factory=Letterheads)
    _looking: int = 0
    _guard: Lock = field(default_factory=Lock)

    @contextmanager
    def looking(self) -> Iterator[int]:
        """Give how many others are looking whose turn it is, and count as one for the block."""
        with self._guard:
            others, self._looking = self._looking, self._looking + 1
        try:
            yield others
        finally:
            with self._guard:
                self._looking -= 1


@dataclass
class Hand:
    """A connection of a crew, which leases until `end` (seconds of a clock that nobody sets)."""

    crew: Crew
    end: float

    def next_size(self, turn: Turn) -> int:
        """Return how many messages to lease: all connections of a process end together."""
        known = self.crew.speeds.of(turn.campaign_id, turn.channel)
        speed = FIRST_BATCH / BATCH_SECONDS if known is None else known
        seconds = min(BATCH_SECONDS, self.end - time.monotonic())
        return max(SMALLEST_BATCH, min(BATCH_SIZE, int(speed * seconds)))


class Addressed(NamedTuple):
    """A message as it leaves, and the fingerprint of its reference."""

    outgoing: Outgoing
    fingerprint: bytes


@dataclass(frozen=True)
class Batch:
    """Messages leased to a connection."""

    id: int
    letterhead: Letterhead
    channel: Channel
    sender: str
    slots: Slots
    messages: list[Addressed]


def next_batch(hand: Hand, *, only: int | None) -> Batch | float:
    """Lease a batch for the first whose turn it is and who may send.

    Returns the batch, or how many seconds to wait before this is asked again.
    """
    found = by_a_clerk(_lease_in_turn, hand, only=only)
    return _ready(found, hand) if isinstance(found, Batch) else found


def _lease_in_turn(hand: Hand, *, only: int | None) -> Batch | float:
    """Return a batch whose messages are not laid out yet, or how many seconds to wait."""
    waits = [PATIENCE]
    with hand.crew.looking() as others:
        turns = turns_in_order(now=timezone.now(), only=only)
        first = others % max(1, len(turns))  # They see the same, and take those before.
        for turn in turns[first:] + turns[:first]:
            found = _lease(turn, hand)
            if isinstance(found, Batch):
                return found
            waits.append(found)
    return min(waits)


def _lease(turn: Turn, hand: Hand) -> Batch | float:
    letterhead = hand.crew.letterheads.of(turn.campaign_id)
    insurer_id = letterhead.campaign.insurer_id
    sender, pace = account_and_pace(insurer_id=insurer_id, channel=turn.channel)
    now = timezone.now()
    slots = reserve(sender=sender, pace=pace, at_most=hand.next_size(turn), now=now)
    if not slots.count:
        return (slots.start - now).total_seconds()
    batch_id = claim_batch(
        campaign_id=turn.campaign_id,
        channel=turn.channel,
        now=timezone.now(),
        sender=sender,
        limit=slots.count,
        window=window_of(turn.channel),
        at_once=connections_of(turn.channel),
        holder=hand.crew.recorder.leasing,
    )
    if batch_id is None:
        give_back_slots(sender=sender, count=slots.count, slots=slots)
        return PATIENCE
    return Batch(batch_id, letterhead, turn.channel, sender, slots, [])


def _ready(batch: Batch, hand: Hand) -> Batch:
    """Give the people of addresses that bounced, or complained, to their next channel; lay out
    the messages of the others."""
    try:
        # One by one: there may be hundreds, and others have work for the clerks meanwhile.
        for number in by_a_clerk(suppressed_in, batch_id=batch.id, now=timezone.now()):
            outcome = Outcome(number, State.SUPPRESSED, "suppressed")
            by_a_clerk(record_outcome, batch_id=batch.id, outcome=outcome, now=timezone.now())
        return by_a_clerk(_laid_out, batch)
    except (OperationalError, InterfaceError):
        # Nothing was sent yet: all go back, if PostgreSQL ended no more than that connection.
        by_a_clerk(_close, batch.id, hand)
        raise
    except Exception:
        # All go back too, and a person looks before anything is tried again.
        by_a_clerk(_close, batch.id, hand)
        campaign_id = batch.letterhead.campaign.pk
        by_a_clerk(halt_campaign, campaign_id=campaign_id, reason="unexpected", now=timezone.now())
        raise


def _laid_out(batch: Batch) -> Batch:
    messages = [_address(batch.letterhead, batch.channel, leased) for leased in _leased(batch.id)]
    unused = batch.slots.count - len(messages)
    give_back_slots(sender=batch.sender, count=unused, slots=batch.slots)
    return replace(batch, messages=messages)


def end_batch(batch: Batch, hand: Hand, *, is_taken: bool) -> None:
    """Give back what was not sent; leave a provider alone that did not take the batch."""
    _close(batch.id, hand)
    campaign, now = batch.letterhead.campaign, timezone.now()
    if not is_taken:
        rest(sender=batch.sender, until=now + DOWN_DELAY, now=now)
    halt_if_failing(campaign_id=campaign.pk, now=now)
    # What was being sent while its people were withdrawn has an outcome now. An outbox of millions
    # that is being made is not waited for: nobody would lease meanwhile.
    settle(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id, now=now, wait=False)


def abandon(batch: Batch, hand: Hand) -> None:
    """Free the lease where nobody knows what left: the sweep marks the message in hand.

    The campaign stops, so that the next batch does not meet the same fault.
    """
    campaign_id = batch.letterhead.campaign.pk
    halt_campaign(campaign_id=campaign_id, reason="unexpected", now=timezone.now())
    abandon_batch(batch_id=batch.id, holder=hand.crew.recorder.leasing)


def _close(batch_id: int, hand: Hand) -> None:
    now = timezone.now()
    close_batch(batch_id=batch_id, now=now, due_at=now, holder=hand.crew.recorder.leasing)


class _Leased(NamedTuple):
    """A message of a batch, and the sealed contact to send it to."""

    notification_id: int
    people: int
    ordinal: int
    contact: bytes


def _leased(batch_id: int) -> Iterator[_Leased]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.id, n.people, m.ordinal, m.contact FROM notifications_notification n"
            " JOIN affected_member m ON m.list_id = n.list_id AND m.ordinal = n.ordinal"
            " WHERE n.batch_id = %s AND n.state = 'sending' ORDER BY n.id",
            [batch_id],
        )
        rows = cursor.fetchall()
    return (_Leased(row[0], row[1], row[2], bytes(row[3])) for row in rows)


def _address(letterhead: Letterhead, channel: Channel, leased: _Leased) -> Addressed:
    contact = letterhead.contacts.open(leased.ordinal, leased.contact)
    names = letterhead.names(leased.notification_id)
    layout = letterhead.layouts["en" if contact.language == "en" else "fr"]
    message: EmailText | Message
    if channel == Channel.EMAIL:
        message = layout.email(contact=contact, people=leased.people, reference=names.reference)
    else:
        message = layout.short_message(reference=names.reference)
    outgoing = Outgoing(
        notification_id=leased.notification_id,
        address=contact.email if channel == Channel.EMAIL else contact.phone,
        sender_name=(
            letterhead.sms_sender if channel == Channel.SMS else letterhead.content.controller_name
        ),
        reply_to=letterhead.content.contact_email,
        message=message,
        message_id=names.message_id,
    )
    return Addressed(outgoing, names.fingerprint)
