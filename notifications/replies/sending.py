"""Send the answers to people's questions, one at a time, each recorded before the next.

They leave by the insurer's own sender and within its pace, as its notices do, but on a queue of
their own: nobody waits behind a campaign. A worker that is killed leaves at most one in doubt for
each of its connections; it is not sent again, and whoever waits for it may ask again.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from threading import Lock
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from insurers.lists.contacts import Contact, ContactOpener, open_contacts
from insurers.lists.keystore import KeyNotFoundError
from insurers.models import AffectedList, Breach, Insurer, ListState
from notifications.channels import (
    ChannelDownError,
    Outcome,
    Outgoing,
    SenderRefusedError,
    channel_for,
)
from notifications.channels.sms_account import sms_account
from notifications.models import Channel, Reply, State
from notifications.notices.rendering import EmailText, Language, Message, MessageLayout
from notifications.prepared import first_row
from notifications.references import derive, message_id
from notifications.replies.outcomes import DOWN, DOWN_DELAY, UNMADE, end, number_of, record
from notifications.replies.servers import Servers
from notifications.replies.texts import Subject, lay_out_reply, reply_email, reply_sms
from notifications.sending.pacing import Pace, account_and_pace, is_resting, reserve, rest

logger = logging.getLogger(__name__)

IN_DOUBT_AFTER = timedelta(minutes=10)
PATIENCE = 2.0  # seconds that a connection waits for its pace
TURN = 1.0  # seconds, after which the next insurer has a connection
LOOKED_EVERY = 0.2  # seconds, while questions are being answered
SENT_BY = (Channel.EMAIL, Channel.SMS)
_servers = Servers()

DUE = """
SELECT DISTINCT insurer_id, channels[1] FROM notifications_reply
WHERE state IN ('pending', 'deferred') AND due_at <= %s AND channels[1] = ANY (%s)
"""
CLAIM = """
UPDATE notifications_reply SET state = 'sending', due_at = %(doubt_at)s, attempts = attempts + 1
WHERE id = (
    SELECT id FROM notifications_reply
    WHERE state IN ('pending', 'deferred') AND due_at <= %(now)s
        AND insurer_id = %(insurer)s AND channels[1] = %(channel)s
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING *
"""

CONTACT = "SELECT contact FROM affected_member WHERE list_id = %(list)s AND ordinal = %(ordinal)s"


@dataclass
class _Listed:
    """What the answers to people of a list share."""

    affected_list: AffectedList
    contacts: ContactOpener
    _layouts: dict[tuple[Language, tuple[int, ...]], MessageLayout] = field(default_factory=dict)

    def layout(self, reply: Reply) -> MessageLayout:
        """Return the texts, in the language of the question."""
        language: Language = "en" if reply.language == "en" else "fr"
        key = (language, tuple(reply.breach_ids))
        if key not in self._layouts:
            subject = Subject(
                insurer=self.affected_list.insurer,
                breach=self.affected_list.breach,
                operators=tuple(self.affected_list.operators.all()),
                population=self.affected_list.population,
                breaches=tuple(Breach.objects.filter(pk__in=reply.breach_ids)),
            )
            self._layouts[key] = lay_out_reply(subject, language=language)
        return self._layouts[key]


@dataclass
class ListsInHand:
    """The lists whose people are being answered, laid out once for all connections."""

    _kept: dict[int, _Listed | None] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    def message(self, reply: Reply) -> Outgoing | None:
        """Return the message, None where the person left the list, or its contacts are erased."""
        with self._turn:
            if reply.list_id not in self._kept:
                self._kept[reply.list_id] = _listed(reply.list_id)
            listed = self._kept[reply.list_id]
            layout = listed.layout(reply) if listed is not None else None
        place = {"list": reply.list_id, "ordinal": reply.ordinal}
        member = first_row(CONTACT, place) if listed is not None else None
        if listed is None or layout is None or member is None or member["contact"] is None:
            return None
        opened = listed.contacts.open(reply.ordinal, member["contact"])
        return _message(reply, layout, listed.affected_list.insurer, opened)


@dataclass
class _Way:
    """A connection by which an insurer's answers leave on one channel, for a while."""

    insurer_id: UUID
    channel: Channel
    until: float
    lists: ListsInHand
    in_hand: dict[int, Reply] = field(default_factory=dict)
    sender: str = ""
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        self.sender, self.pace = account_and_pace(insurer_id=self.insurer_id, channel=self.channel)

    def messages(self) -> Iterator[Outgoing]:
        """Yield what is due, each claimed just before it leaves."""
        pace = self.pace
        is_free = pace == Pace()  # No slot is to be waited for then.
        if is_free and is_resting(sender=self.sender, now=timezone.now()):
            return
        while time.monotonic() < self.until and (is_free or self._may_go(Pace(pace.per_second))):
            reply = _claim(self.insurer_id, self.channel, timezone.now())
            if reply is None:
                return
            try:
                outgoing = self.lists.message(reply)
            except (OperationalError, InterfaceError):
                raise
            except Exception as error:
                # A key out of reach, or a contact that does not open: nothing has left.
                logger.error("answer %s cannot be made: %s", reply.pk, type(error).__name__)
                unmade = Outcome(number_of(reply), State.DEFERRED, UNMADE)
                record(reply, unmade, sender=self.sender, now=timezone.now())
                return
            if outgoing is None:
                end(reply, State.CANCELLED, "left", timezone.now())
                continue
            self.in_hand[outgoing.notification_id] = reply
            yield outgoing

    def _may_go(self, pace: Pace) -> bool:
        """Wait for a slot of the sender's; return whether there is one soon."""
        end = time.monotonic() + PATIENCE
        while True:
            now = timezone.now()
            slots = reserve(sender=self.sender, pace=pace, at_most=1, now=now)
            wait = (slots.start - now).total_seconds()
            if slots.count or time.monotonic() + wait > end:
                time.sleep(max(0.0, wait) if slots.count else 0.0)
                return bool(slots.count)
            time.sleep(max(0.01, wait))


def send_replies(
    *,
    seconds: float,
    channels: Sequence[Channel] = SENT_BY,
    lists: ListsInHand | None = None,
    more_come: Callable[[], bool] = lambda: False,
) -> bool:
    """Send what is due by these channels, for about `seconds`; return whether more is due now.

    Where nothing is, it ends unless `more_come`. Insurers have their turns, a second each.
    """
    until, kept = time.monotonic() + seconds, lists or ListsInHand()
    while time.monotonic() < until:
        ways = _due(channels, timezone.now())
        random.shuffle(ways)  # Several connections begin with several insurers.
        turns = [
            _send(_Way(insurer_id, channel, min(until, time.monotonic() + TURN), kept))
            for insurer_id, channel in ways
        ]
        if any(turns):
            continue
        if not more_come() and None not in turns:
            return False  # Or the rest waits: for its pace, or for a server that is away.
        time.sleep(LOOKED_EVERY)
    return bool(_due(channels, timezone.now()))


def replies_due(*, at_most: int) -> int:
    """Return how many answers are to be sent now, `at_most` so many."""
    in_progress = Reply.objects.filter(state__in=(State.PENDING, State.DEFERRED))
    return in_progress.filter(due_at__lte=timezone.now())[:at_most].count()


def _due(channels: Sequence[Channel], now: datetime) -> list[tuple[UUID, Channel]]:
    with connection.cursor() as cursor:
        cursor.execute(DUE, [now, [channel.value for channel in channels]])
        return [(insurer_id, Channel(channel)) for insurer_id, channel in cursor.fetchall()]


def _send(way: _Way) -> bool | None:
    """Send what is due by one way; return whether anything left, or was refused.

    None where its server keeps another connection waiting.
    """
    with _servers.connection(way.sender) as is_admitted:
        return _send_over(way) if is_admitted else None


def _send_over(way: _Way) -> bool:
    messages = way.messages()
    first = next(messages, None)
    if first is None:
        return False  # Another connection has it in hand: none is opened for nothing.
    try:
        via = channel_for(way.channel, insurer_id=way.insurer_id)
        for outcome in via.send(chain([first], messages)):
            _servers.note_answer(way.sender)
            reply = way.in_hand.pop(outcome.notification_id)
            record(reply, outcome, sender=way.sender, now=timezone.now())
    except (ChannelDownError, SenderRefusedError) as refusal:
        now = timezone.now()
        rest(sender=way.sender, until=now + DOWN_DELAY, now=now)
        for number, reply in way.in_hand.items():
            reason = DOWN if isinstance(refusal, ChannelDownError) else "sender_refused"
            record(reply, Outcome(number, State.DEFERRED, reason), sender=way.sender, now=now)
    return True


def _claim(insurer_id: UUID, channel: Channel, now: datetime) -> Reply | None:
    row = first_row(
        CLAIM,
        {
            "now": now,
            "doubt_at": now + IN_DOUBT_AFTER,
            "insurer": insurer_id,
            "channel": channel.value,
        },
    )
    return Reply(**row) if row is not None else None


def _listed(list_id: int) -> _Listed | None:
    """Return a list whose people can be written to, None where that is over."""
    related = ("insurer", "breach", "population")
    accepted = AffectedList.objects.select_related(*related).filter(
        pk=list_id, state=ListState.ACCEPTED, contacts_purged_at=None
    )
    affected_list = accepted.first()
    try:
        return _Listed(affected_list, open_contacts(affected_list)) if affected_list else None
    except KeyNotFoundError:
        return None  # Destroyed: a purge is under way.


def _message(reply: Reply, layout: MessageLayout, insurer: Insurer, contact: Contact) -> Outgoing:
    number = number_of(reply)
    reference = derive(number)
    message: EmailText | Message
    if reply.channels[0] == Channel.EMAIL:
        address, sender_name = contact.email, insurer.name
        message = reply_email(
            layout,
            contact=contact,
            code=reply.code,
            reference=reference,
            asked_at=reply.asked_at,
        )
    else:
        account = sms_account()
        address, sender_name = contact.phone, account.sender if account else ""
        message = reply_sms(layout, code=reply.code, reference=reference)
    return Outgoing(
        notification_id=number,
        address=address,
        sender_name=sender_name,
        reply_to=insurer.contact_email,
        message=message,
        message_id=message_id(number),
    )
