"""Send campaigns' messages: by turns, a leased batch each, every outcome recorded before the next.

No database transaction is open while a provider is called.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from insurers.lists.contacts import ContactOpener, open_contacts
from notifications.campaigns.halting import (
    WATCHED,
    halt_campaign,
    halt_if_failing,
    halt_refused,
    refusals,
)
from notifications.campaigns.sms_cost import sms_plan
from notifications.channels import (
    ChannelDownError,
    Outcome,
    Outgoing,
    SenderRefusedError,
    channel_for,
    connections_of,
    window_of,
)
from notifications.channels.base import Channel as Via
from notifications.channels.base import Foreseen
from notifications.cooperation import in_a_thread, sleep
from notifications.models import Campaign, Channel, State
from notifications.notices.content import NoticeContent
from notifications.notices.rendering import (
    LANGUAGES,
    EmailText,
    Language,
    Message,
    MessageLayout,
    lay_out,
)
from notifications.outbox.settling import settle
from notifications.references import Names, namer
from notifications.sending.leases import (
    BATCH_SIZE,
    abandon_batch,
    claim_batch,
    close_batch,
    is_still_sent,
)
from notifications.sending.outcomes import finish_if_done, note_sending, record_outcome
from notifications.sending.pacing import (
    AHEAD,
    Slots,
    account_and_pace,
    give_back_slots,
    reserve,
    rest,
)
from notifications.sending.recorder import Recorder
from notifications.sending.suppression import suppressed_in
from notifications.sending.turns import Turn, turns_in_order
from notifications.states import FAILURES

DOWN_DELAY = timedelta(seconds=30)
GRACE = 5.0  # seconds for the batch in hand; what a slow server leaves goes back
PATIENCE = 5.0  # seconds; longer waits are left to the sweep
KEPT = 8  # campaigns whose layouts and keys a worker keeps in hand
FIRST_BATCH, SMALLEST_BATCH = 100, 20
BATCH_SECONDS = 2.0  # of sending, about: a slow server would leave most of a long batch


@dataclass(frozen=True)
class Letterhead:
    """What all messages of a campaign share."""

    campaign: Campaign
    content: NoticeContent
    layouts: dict[Language, MessageLayout]
    sms_sender: str
    contacts: ContactOpener
    names: Callable[[int], Names]


@dataclass
class Letterheads:
    """Those of the campaigns that a process sends for, laid out once for all its connections."""

    _kept: OrderedDict[int, Letterhead] = field(default_factory=OrderedDict)
    _turn: Lock = field(default_factory=Lock)

    def of(self, campaign_id: int) -> Letterhead:
        """Return a campaign's; halt the campaign and raise where it cannot be made."""
        with self._turn:
            if campaign_id not in self._kept:
                self._kept[campaign_id] = _made_letterhead(campaign_id)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return self._kept[campaign_id]


class Leased(NamedTuple):
    """A message of a batch, and the sealed contact to send it to."""

    notification_id: int
    people: int
    ordinal: int
    contact: bytes


class Addressed(NamedTuple):
    """A message of a batch as it leaves, and the fingerprint of its reference."""

    outgoing: Outgoing
    fingerprint: bytes


@dataclass
class Hand:
    """What a connection's sender keeps from one batch to the next."""

    recorder: Recorder
    letterheads: Letterheads
    end: float
    """When it leases no more, in seconds of a clock that nobody sets."""
    pace: float = FIRST_BATCH / BATCH_SECONDS
    """Messages a second, as its last batch went."""

    def next_batch(self) -> int:
        """Return how many messages to lease: all connections of a process end together."""
        seconds = min(BATCH_SECONDS, self.end - time.monotonic())
        return max(SMALLEST_BATCH, min(BATCH_SIZE, int(self.pace * seconds)))


def dispatch_campaign(*, campaign_id: int, seconds: float) -> bool:
    """Send for one campaign, over one connection, as `dispatch` does for all."""
    remains = dispatch(
        seconds=seconds,
        recorder=Recorder(connection),
        letterheads=Letterheads(),
        only=campaign_id,
    )
    finish_if_done(campaign_id=campaign_id, now=timezone.now())
    return remains


def dispatch(
    *, seconds: float, recorder: Recorder, letterheads: Letterheads, only: int | None = None
) -> bool:
    """Send for all campaigns for about `seconds`; return whether messages remain due now."""
    end = time.monotonic() + seconds
    hand = Hand(recorder, letterheads, end)
    while True:
        turns = turns_in_order(now=timezone.now(), only=only)
        if not turns or time.monotonic() > end:
            return bool(turns)
        waits: list[float] = []
        if _one_batch(turns, hand, waits):
            continue
        shortest = min(waits, default=PATIENCE)
        if shortest >= min(end - time.monotonic(), PATIENCE):
            return False
        sleep(max(0.01, shortest))


def _one_batch(turns: list[Turn], hand: Hand, waits: list[float]) -> bool:
    """Send a batch for the first whose turn it is and who may; else note how long to wait."""
    for turn in turns:
        letterhead = hand.letterheads.of(turn.campaign_id)
        campaign = letterhead.campaign
        sender, pace = account_and_pace(insurer_id=campaign.insurer_id, channel=turn.channel)
        now = timezone.now()
        slots = reserve(sender=sender, pace=pace, at_most=hand.next_batch(), now=now)
        if not slots.count:
            waits.append((slots.start - now).total_seconds())
            continue
        sent = _dispatch_batch(letterhead, turn.channel, sender, slots, hand)
        # What was being sent while its people were withdrawn has an outcome now.
        settle(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id, now=timezone.now())
        if sent:
            return True
    return False


def _made_letterhead(campaign_id: int) -> Letterhead:
    related = ("notice_version", "affected_list")
    campaign = Campaign.objects.select_related(*related).get(pk=campaign_id)
    try:
        return _letterhead(campaign)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # Or it would be met first at every turn, and nobody else would be served.
        halt_campaign(campaign_id=campaign_id, reason="unexpected", now=timezone.now())
        raise


def _letterhead(campaign: Campaign) -> Letterhead:
    content = NoticeContent.from_json(campaign.notice_version.content)
    sms_sender, has_plain_sms = sms_plan(campaign.plan)
    return Letterhead(
        campaign=campaign,
        content=content,
        layouts={
            language: lay_out(content, language=language, has_plain_sms=has_plain_sms)
            for language in LANGUAGES
        },
        sms_sender=sms_sender,
        contacts=open_contacts(campaign.affected_list),
        names=namer(),
    )


def _dispatch_batch(
    letterhead: Letterhead, channel: Channel, sender: str, slots: Slots, hand: Hand
) -> bool:
    """Send one batch; return False where there was nothing to send or nobody to take it."""
    campaign_id = letterhead.campaign.pk
    batch_id = claim_batch(
        campaign_id=campaign_id,
        channel=channel,
        now=timezone.now(),
        sender=sender,
        limit=slots.count,
        window=window_of(channel),
        at_once=connections_of(channel),
        holder=hand.recorder.database,
    )
    if batch_id is None:
        give_back_slots(sender=sender, count=slots.count, slots=slots)
        return False
    try:
        _leave_out_suppressed(batch_id)
        messages = [_address(letterhead, channel, leased) for leased in _leased(batch_id)]
        give_back_slots(sender=sender, count=slots.count - len(messages), slots=slots)
    except Exception:
        # Nothing was sent yet: all go back, and a person looks before anything is tried again.
        now = timezone.now()
        close_batch(batch_id=batch_id, now=now, due_at=now, holder=hand.recorder.database)
        halt_campaign(campaign_id=campaign_id, reason="unexpected", now=now)
        raise
    try:
        is_taken = _send(messages, batch_id, campaign_id, channel, slots, hand)
    except (OperationalError, InterfaceError):
        raise  # PostgreSQL is gone, and the lease with it: the sweep recovers the batch.
    except Exception:
        # Nobody knows what left: free the lease, so that the sweep marks the message in hand as
        # in doubt, and stop, so that the next batch does not meet the same fault.
        halt_campaign(campaign_id=campaign_id, reason="unexpected", now=timezone.now())
        abandon_batch(batch_id=batch_id, holder=hand.recorder.database)
        raise
    now = timezone.now()
    close_batch(batch_id=batch_id, now=now, due_at=now, holder=hand.recorder.database)
    if not is_taken:
        rest(sender=sender, until=now + DOWN_DELAY, now=now)
    halt_if_failing(campaign_id=campaign_id, now=now)
    return is_taken


def _send(
    messages: list[Addressed],
    batch_id: int,
    campaign_id: int,
    channel: Channel,
    slots: Slots,
    hand: Hand,
) -> bool:
    """Send a batch as far as the campaign and its provider go; return whether that one took it."""
    gate = _Gate(batch_id=batch_id, slots=slots, until=hand.end + GRACE)
    watch = _Watch(campaign_id=campaign_id, channel=channel)
    started = time.monotonic()
    try:
        via = channel_for(channel, insurer_id=hand.letterheads.of(campaign_id).campaign.insurer_id)
        send = partial(_send_through, via, messages, batch_id, gate, watch, hand.recorder)
        if via.gives_way:
            send()
        else:
            in_a_thread(send)
    except ChannelDownError:
        return False
    except SenderRefusedError:
        halt_campaign(campaign_id=campaign_id, reason="sender_refused", now=timezone.now())
        return False
    if watch.seen:
        hand.pace = watch.seen / (time.monotonic() - started)
    return True


def _send_through(
    via: Via,
    messages: list[Addressed],
    batch_id: int,
    gate: "_Gate",
    watch: "_Watch",
    recorder: Recorder,
) -> None:
    fingerprints = {outgoing.notification_id: known for outgoing, known in messages}
    now = None
    for outcome in via.send(gate.let_through([outgoing for outgoing, _known in messages])):
        if now is None:
            note_sending(campaign_id=watch.campaign_id, now=timezone.now())
        now = timezone.now()
        if outcome.state == State.ACCEPTED:
            gate.is_open = recorder.record(
                batch_id=batch_id,
                outcome=outcome,
                fingerprint=fingerprints[outcome.notification_id],
            )
        else:
            gate.is_open = record_outcome(batch_id=batch_id, outcome=outcome, now=now)
        if watch.halts_after(outcome, now=now):
            gate.is_open = False
    if now is not None:
        note_sending(campaign_id=watch.campaign_id, now=now)


@dataclass
class _Watch:
    """Has a campaign halted where its messages fail."""

    campaign_id: int
    channel: Channel
    seen: int = 0
    is_alarmed: bool = False

    def halts_after(self, outcome: Outcome, *, now: datetime) -> bool:
        """Return whether the campaign was halted: nothing more of it is to be sent."""
        self.seen += 1
        if outcome.state != State.ACCEPTED:
            self.is_alarmed = True
        is_refused = outcome.state in FAILURES
        since = refusals.too_many_since(
            campaign_id=self.campaign_id, channel=self.channel, is_refused=is_refused, now=now
        )
        if since is not None:
            halt_refused(campaign_id=self.campaign_id, channel=self.channel, since=since, now=now)
            return True
        if not self.is_alarmed or self.seen % WATCHED:
            return False
        return halt_if_failing(campaign_id=self.campaign_id, now=now)


@dataclass
class _Gate:
    """Lets messages through one by one, at their slots, until staff, a halt or time close it."""

    batch_id: int
    slots: Slots
    until: float
    is_open: bool = True

    def let_through(self, messages: list[Outgoing]) -> Foreseen:
        """Return what may be sent; a message that does not come out was not sent."""
        return Foreseen(messages, self._pass)

    def _pass(self, messages: list[Outgoing]) -> Iterator[Outgoing]:
        looked, wait = False, timedelta()
        for number, message in enumerate(messages):
            if self.slots.spacing or not number:
                wait = self.slots.start + self.slots.spacing * number - timezone.now()
            if wait > timedelta():
                # No slot is further from the one before: a clock set back is not waited for.
                longest = self.slots.spacing + (timedelta() if number else AHEAD)
                sleep(min(wait, longest).total_seconds())
            # Each outcome's record says whether the batch goes on; nothing did so yet, or
            # not for a while.
            if not looked or wait > timedelta(milliseconds=200):
                looked = True
                self.is_open = self.is_open and is_still_sent(batch_id=self.batch_id)
            if not self.is_open or time.monotonic() > self.until:
                return
            yield message


def _leave_out_suppressed(batch_id: int) -> None:
    """Give the people of addresses that bounced, or complained, to their next channel."""
    for notification_id in suppressed_in(batch_id=batch_id, now=timezone.now()):
        outcome = Outcome(notification_id, State.SUPPRESSED, "suppressed")
        record_outcome(batch_id=batch_id, outcome=outcome, now=timezone.now())
        sleep(0)  # There may be hundreds: other connections have answers meanwhile.


def _leased(batch_id: int) -> Iterator[Leased]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.id, n.people, m.ordinal, m.contact FROM notifications_notification n"
            " JOIN affected_member m ON m.list_id = n.list_id AND m.ordinal = n.ordinal"
            " WHERE n.batch_id = %s AND n.state = 'sending' ORDER BY n.id",
            [batch_id],
        )
        rows = cursor.fetchall()
    return (Leased(row[0], row[1], row[2], bytes(row[3])) for row in rows)


def _address(letterhead: Letterhead, channel: Channel, leased: Leased) -> Addressed:
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
