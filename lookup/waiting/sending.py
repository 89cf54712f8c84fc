"""Write to waiting addresses: one message at a time, over one connection, by one worker (worker).

A row says that its message is in hand before it leaves, and what became of it afterwards. The
lock under which that happens is freed by PostgreSQL when its holder dies, so what is found in hand
was a dead worker's, and may have left. It is sent once more, never a third time: a second copy
does little harm, and nobody waits in vain. A connection that breaks after the message counts the
same.
"""

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from insurers.lists.locks import session_lock
from insurers.lists.sealing import DamagedError
from insurers.models import Insurer
from lookup.models import Ending, WaitingAddress, WaitingRequest
from lookup.waiting.addresses import Addresses
from lookup.waiting.answered import answered_insurers
from lookup.waiting.ends import end_wait, forget_old
from lookup.waiting.keys import waiting_key
from lookup.waiting.links import link_to_remove
from lookup.waiting.messages import asking_layout, filled, portal_name, telling_layout
from lookup.waiting.requests import AT_ONCE, take_requests
from notifications.channels import ChannelDownError, Outcome, Outgoing, SenderRefusedError
from notifications.channels.email import EmailChannel
from notifications.models import Channel, State
from notifications.notices.rendering import MessageLayout
from notifications.references import message_id
from notifications.senders.choosing import PORTAL, portal_sender
from notifications.sending.pacing import Pace, reserve
from notifications.sending.retries import retry_delay

LOCK_CLASS, LOCK = 7501, 1  # insurers/lists/locks.py has the others
SLICE_SECONDS = 20.0  # then other tasks have their turn
AT_MOST = 500  # messages over one connection
ATTEMPTS = 10  # over four days
NOBODY = 0  # the number of no notification: what bounces is for nobody

logger = logging.getLogger(__name__)


def write_to_waiting(*, now: datetime) -> None:
    """Forget, read and write what is due at `now`; nothing where another worker does so."""
    with session_lock(LOCK_CLASS, LOCK) as held:
        if not held:
            return
        forget_old(now=now)
        if not (WaitingRequest.objects.exists() or WaitingAddress.objects.exists()):
            return
        deadline = time.monotonic() + SLICE_SECONDS
        addresses = Addresses(waiting_key(now=now))
        resolve_doubts(now=now)
        while take_requests(addresses=addresses, now=now) == AT_ONCE:
            if time.monotonic() > deadline:
                break
        messages = _Round(addresses, deadline)
        while (due := _due(now)) and messages.send(due):
            pass


def resolve_doubts(*, now: datetime) -> None:
    """Have what a dead worker had in hand sent once more, unless it was in doubt before."""
    for address in WaitingAddress.objects.exclude(taken_up_at=None):
        _doubt(address, now)


def _due(now: datetime) -> list[WaitingAddress]:
    """Return some to write to: first those who just asked, then those who are to be told."""
    due = WaitingAddress.objects.filter(due_at__lte=now, taken_up_at=None)
    confirmed = due.exclude(confirmed_at=None)
    is_quiet = settings.QUIET_HOURS is not None and settings.QUIET_HOURS.cover(now)
    waited_for = set() if is_quiet else set(confirmed.values_list("insurer_id", flat=True))
    answered = answered_insurers(waited_for)
    chosen = due.filter(Q(confirmed_at=None) | Q(insurer_id__in=answered))
    return list(chosen.order_by(F("confirmed_at").asc(nulls_first=True), "due_at")[:AT_MOST])


class _Round:
    """Messages to send until the deadline, each claimed before it leaves."""

    def __init__(self, addresses: Addresses, deadline: float) -> None:
        self._addresses, self._deadline = addresses, deadline
        self._in_hand: WaitingAddress | None = None
        self._is_over = False
        self._layout = cache(_layout)

    def send(self, due: list[WaitingAddress]) -> bool:
        """Send over one connection, no transaction open; return whether there is time for more.

        Nobody who was written to, or put off, is due at the same moment again.
        """
        try:
            for outcome in EmailChannel(portal_sender()).send(self._messages(due)):
                self._record(outcome)
        except (ChannelDownError, SenderRefusedError) as error:
            logger.warning("waiting addresses are written to later: %s", type(error).__name__)
            if self._in_hand is not None:  # It was not sent.
                _rows(self._in_hand).update(taken_up_at=None)
            return False
        return not self._is_over

    def _messages(self, due: list[WaitingAddress]) -> Iterator[Outgoing]:
        for address in due:
            if time.monotonic() > self._deadline or not _may_leave():
                self._is_over = True
                return
            now = timezone.now()
            if not _rows(address).filter(taken_up_at=None).update(taken_up_at=now):
                continue  # Removed, or confirmed, a moment ago.
            self._in_hand = address
            try:
                outgoing = self._outgoing(address)
            except DamagedError:
                logger.warning("waiting address %s does not open: it is erased", address.pk)
                end_wait(address=address, ending=Ending.UNREACHABLE, now=now)
            else:
                yield outgoing

    def _outgoing(self, address: WaitingAddress) -> Outgoing:
        reachable = self._addresses.open(bytes(address.sealed), row_id=address.pk)
        is_asked = address.confirmed_at is None
        layout = self._layout(address.insurer_id, address.language, is_asked)
        # The same for a copy sent because the first is in doubt: mail programs show one.
        kind, since = ("asked", address.asked_at) if is_asked else ("told", address.confirmed_at)
        name = f"<{kind}-{address.pk.hex}-{since:%Y%m%d%H%M%S%f}-"
        return Outgoing(
            notification_id=NOBODY,
            address=reachable.email,
            sender_name=portal_name(address.language),
            reply_to="",
            message=filled(layout, reachable),
            message_id=message_id(NOBODY).replace("<", name),
            removal_link=link_to_remove(reachable.token, language=address.language),
        )

    def _record(self, outcome: Outcome) -> None:
        address, self._in_hand = self._in_hand, None
        if address is None:
            raise AssertionError("an outcome of no message")
        now = timezone.now()
        if outcome.state == State.ACCEPTED:
            _sent(address, now)
        elif outcome.state == State.UNCERTAIN:
            _doubt(address, now)
        elif outcome.state == State.DEFERRED and address.attempts + 1 < ATTEMPTS:
            attempts = address.attempts + 1
            _rows(address).update(
                taken_up_at=None, attempts=attempts, due_at=now + retry_delay(attempts)
            )
        else:
            end_wait(address=address, ending=Ending.UNREACHABLE, now=now)


def _sent(address: WaitingAddress, now: datetime) -> None:
    """Note that a message left, or must be taken to have left."""
    if address.confirmed_at is None:
        _rows(address).update(taken_up_at=None, due_at=None, attempts=0, is_doubtful=False)
    else:
        end_wait(address=address, ending=Ending.TOLD, now=now)


def _doubt(address: WaitingAddress, now: datetime) -> None:
    if address.is_doubtful:
        _sent(address, now)
    else:
        _rows(address).update(taken_up_at=None, due_at=now, is_doubtful=True)


def _rows(address: WaitingAddress) -> QuerySet[WaitingAddress]:
    """Return the address, unless it was removed or confirmed since it was read."""
    return WaitingAddress.objects.filter(pk=address.pk, confirmed_at=address.confirmed_at)


def _may_leave() -> bool:
    """Keep to the pace of the portal's own sender, which campaigns share."""
    per_second, per_day = settings.SENDING_PACE[Channel.EMAIL]
    pace = Pace(per_second=per_second, per_day=per_day)
    slots = reserve(sender=PORTAL, pace=pace, at_most=1, now=timezone.now())
    if slots.count:
        time.sleep(max(0.0, (slots.start - timezone.now()) / timedelta(seconds=1)))
    return bool(slots.count)


def _layout(insurer_id: UUID, language: str, is_asked: bool) -> MessageLayout:
    insurer = Insurer.objects.select_related("successor").get(pk=insurer_id)
    lay_out = asking_layout if is_asked else telling_layout
    return lay_out(insurer, language=language)
