"""Send campaigns' messages: by turns, a leased batch each, every outcome recorded before the next.

No database transaction is open while a provider is called.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from notifications.campaigns.halting import (
    WATCHED,
    halt_campaign,
    halt_if_failing,
    halt_refused,
    refusals,
)
from notifications.channels import Channel as Via
from notifications.channels import (
    ChannelDownError,
    Outcome,
    Outgoing,
    SenderRefusedError,
    channel_for,
)
from notifications.channels.base import Foreseen
from notifications.cooperation import by_a_clerk, in_a_thread, sleep
from notifications.models import Channel, State
from notifications.sending.batches import (
    PATIENCE,
    Batch,
    Crew,
    Hand,
    abandon,
    end_batch,
    next_batch,
)
from notifications.sending.leases import is_still_sent
from notifications.sending.outcomes import (
    LeaseLostError,
    finish_if_done,
    note_sending,
    record_outcome,
)
from notifications.sending.pacing import AHEAD, Slots
from notifications.sending.recorder import Recorder
from notifications.sending.turns import turns_in_order
from notifications.states import FAILURES

GRACE = 5.0  # seconds for the batch in hand; what a slow server leaves goes back


def dispatch_campaign(*, campaign_id: int, seconds: float) -> bool:
    """Send for one campaign, over one connection, as `dispatch` does for all."""
    remains = dispatch(seconds=seconds, crew=Crew(Recorder(connection)), only=campaign_id)
    finish_if_done(campaign_id=campaign_id, now=timezone.now())
    return remains


def dispatch(*, seconds: float, crew: Crew, only: int | None = None) -> bool:
    """Send for all campaigns for about `seconds`; return whether messages remain due now."""
    hand = Hand(crew, end=time.monotonic() + seconds)
    while time.monotonic() <= hand.end:
        found = next_batch(hand, only=only)
        if isinstance(found, Batch):
            _send(found, hand)
        elif found >= min(hand.end - time.monotonic(), PATIENCE):
            return False
        else:
            sleep(max(0.01, found))
    return bool(by_a_clerk(turns_in_order, now=timezone.now(), only=only))


def _send(batch: Batch, hand: Hand) -> None:
    try:
        is_taken = _is_taken(batch, hand)
    except (OperationalError, InterfaceError, LeaseLostError):
        raise  # PostgreSQL is gone, and the lease with it: the sweep recovers the batch, or has.
    except Exception:
        by_a_clerk(abandon, batch, hand)
        raise
    by_a_clerk(end_batch, batch, hand, is_taken=is_taken)


def _is_taken(batch: Batch, hand: Hand) -> bool:
    """Send a batch as far as the campaign and its provider go; return whether that one took it."""
    campaign = batch.letterhead.campaign
    watch = _Watch(campaign_id=campaign.pk, channel=batch.channel)
    started = time.monotonic()
    try:
        via = by_a_clerk(channel_for, batch.channel, insurer_id=campaign.insurer_id)
        send = partial(_send_through, via, batch, watch, hand)
        if via.gives_way:
            send()
        else:
            in_a_thread(send)
    except ChannelDownError:
        return False
    except SenderRefusedError:
        by_a_clerk(
            halt_campaign, campaign_id=campaign.pk, reason="sender_refused", now=timezone.now()
        )
        return False
    if watch.seen:
        speed = watch.seen / (time.monotonic() - started)
        hand.crew.speeds.note(campaign.pk, batch.channel, speed)
    return True


def _send_through(via: Via, batch: Batch, watch: "_Watch", hand: Hand) -> None:
    gate = _Gate(batch_id=batch.id, slots=batch.slots, until=hand.end + GRACE)
    fingerprints = {outgoing.notification_id: known for outgoing, known in batch.messages}
    now = None
    for outcome in via.send(gate.let_through([outgoing for outgoing, _known in batch.messages])):
        if now is None:
            by_a_clerk(note_sending, campaign_id=watch.campaign_id, now=timezone.now())
        now = timezone.now()
        if outcome.state == State.ACCEPTED:
            known = fingerprints[outcome.notification_id]
            gate.is_open = hand.crew.recorder.record(
                batch_id=batch.id, outcome=outcome, fingerprint=known
            )
        else:
            gate.is_open = by_a_clerk(record_outcome, batch_id=batch.id, outcome=outcome, now=now)
        if watch.halts_after(outcome, now=now):
            gate.is_open = False
    if now is not None:
        by_a_clerk(note_sending, campaign_id=watch.campaign_id, now=now)


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
            by_a_clerk(
                halt_refused,
                campaign_id=self.campaign_id,
                channel=self.channel,
                since=since,
                now=now,
            )
            return True
        if not self.is_alarmed or self.seen % WATCHED:
            return False
        return by_a_clerk(halt_if_failing, campaign_id=self.campaign_id, now=now)


@dataclass
class _Gate:
    """Lets messages through one by one, at their slots, until staff, a halt or time close it."""

    batch_id: int
    slots: Slots
    until: float
    is_open: bool = True

    def let_through(self, messages: list[Outgoing]) -> Foreseen:
        """Return what may be sent; a message that does not come out was not sent."""
        return Foreseen(messages, self._pass, goes_on=self._goes_on)

    def _goes_on(self) -> bool:
        self.is_open = self.is_open and by_a_clerk(is_still_sent, batch_id=self.batch_id)
        return self.is_open

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
                self._goes_on()
            if not self.is_open or time.monotonic() > self.until:
                return
            yield message
