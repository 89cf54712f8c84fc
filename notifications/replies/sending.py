"""Send the answers to people's questions, one at a time, each recorded before the next.

They leave by the insurer's own sender and within its pace, as its notices do, but on a queue of
their own: nobody waits behind a campaign. A worker that is killed leaves at most one in doubt for
each of its connections; it is not sent again, and whoever waits for it may ask again.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from insurers.lists.contacts import Contact, ContactOpener, open_contacts
from insurers.lists.keystore import KeyNotFoundError
from insurers.models import AffectedList, AffectedMember, ListState
from notifications.channels import (
    ChannelDownError,
    Outcome,
    Outgoing,
    SenderRefusedError,
    channel_for,
)
from notifications.channels.sms_account import sms_account
from notifications.models import Channel, ProviderReference, Reply, State, Suppression
from notifications.notices.rendering import Language
from notifications.references import derive, fingerprint, message_id
from notifications.replies.texts import ReplyFacts, reply_email, reply_facts, reply_sms
from notifications.sending.pacing import Pace, account_and_pace, reserve, rest
from notifications.sending.retries import retry_delay
from notifications.sending.suppression import LASTS, SUPPRESSING

FIRST_NUMBER = 1 << 62
"""Above every notification's: what references, Message-IDs and receipts know an answer by."""
IN_DOUBT_AFTER = timedelta(minutes=10)
TRIED_FOR = timedelta(minutes=30)  # people were told to wait for an hour
DOWN_DELAY = timedelta(seconds=30)
PATIENCE = 2.0  # seconds that a connection waits for its pace

DUE = """
SELECT DISTINCT insurer_id, channels[1] FROM notifications_reply
WHERE state IN ('pending', 'deferred') AND due_at <= %s
"""
CLAIM = """
UPDATE notifications_reply SET state = 'sending', due_at = %(doubt_at)s, attempts = attempts + 1
WHERE id = (
    SELECT id FROM notifications_reply
    WHERE state IN ('pending', 'deferred') AND due_at <= %(now)s
        AND insurer_id = %(insurer)s AND channels[1] = %(channel)s
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id
"""


@dataclass
class _Listed:
    """What the answers to people of a list share."""

    affected_list: AffectedList
    contacts: ContactOpener
    _facts: dict[tuple[Language, tuple[int, ...]], ReplyFacts] = field(default_factory=dict)

    def facts(self, reply: Reply) -> ReplyFacts:
        """Return what the directory says, in the language of the question."""
        language: Language = "en" if reply.language == "en" else "fr"
        key = (language, tuple(reply.breach_ids))
        if key not in self._facts:
            self._facts[key] = reply_facts(
                affected_list=self.affected_list, breach_ids=reply.breach_ids, language=language
            )
        return self._facts[key]


@dataclass
class _Way:
    """A connection by which an insurer's answers leave on one channel, for a while."""

    insurer_id: UUID
    channel: Channel
    until: float
    in_hand: dict[int, Reply] = field(default_factory=dict)
    sender: str = ""
    _lists: dict[int, "_Listed | None"] = field(default_factory=dict)

    def messages(self) -> Iterator[Outgoing]:
        """Yield what is due, each claimed just before it leaves."""
        self.sender, pace = account_and_pace(insurer_id=self.insurer_id, channel=self.channel)
        while time.monotonic() < self.until and self._may_go(Pace(pace.per_second)):
            reply = _claim(self.insurer_id, self.channel, timezone.now())
            if reply is None:
                return
            outgoing = self._outgoing(reply)
            if outgoing is None:
                _end(reply, State.CANCELLED, "left", timezone.now())
                continue
            self.in_hand[outgoing.notification_id] = reply
            yield outgoing

    def _outgoing(self, reply: Reply) -> Outgoing | None:
        """Return the message, None where the person left the list, or its contacts are erased."""
        if reply.list_id not in self._lists:
            self._lists[reply.list_id] = _listed(reply.list_id)
        listed = self._lists[reply.list_id]
        members = AffectedMember.objects.filter(list_id=reply.list_id, ordinal=reply.ordinal)
        member = members.only("contact").first()
        if listed is None or member is None:
            return None
        return _message(reply, listed, listed.contacts.open(reply.ordinal, member.contact))

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


def send_replies(*, seconds: float) -> bool:
    """Send what is due, for about `seconds`; return whether more is due now."""
    until = time.monotonic() + seconds
    ways = _due(timezone.now())
    for insurer_id, channel in ways:
        _send(_Way(insurer_id, channel, until))
    return bool(ways) and bool(_due(timezone.now()))


def _due(now: datetime) -> list[tuple[UUID, Channel]]:
    with connection.cursor() as cursor:
        cursor.execute(DUE, [now])
        return [(insurer_id, Channel(channel)) for insurer_id, channel in cursor.fetchall()]


def _send(way: _Way) -> None:
    via = channel_for(way.channel, insurer_id=way.insurer_id)
    try:
        for outcome in via.send(way.messages()):
            _record(way.in_hand.pop(outcome.notification_id), outcome, timezone.now())
    except (ChannelDownError, SenderRefusedError) as refusal:
        now = timezone.now()
        rest(sender=way.sender, until=now + DOWN_DELAY, now=now)
        for number, reply in way.in_hand.items():
            reason = "server_down" if isinstance(refusal, ChannelDownError) else "sender_refused"
            _record(reply, Outcome(number, State.DEFERRED, reason), now)


def _claim(insurer_id: UUID, channel: Channel, now: datetime) -> Reply | None:
    values = {"now": now, "doubt_at": now + IN_DOUBT_AFTER}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values | {"insurer": insurer_id, "channel": channel.value})
        found = cursor.fetchone()
    return Reply.objects.get(pk=found[0]) if found else None


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


def _message(reply: Reply, listed: _Listed, contact: Contact) -> Outgoing:
    facts, number = listed.facts(reply), number_of(reply)
    reference = derive(number)
    if reply.channels[0] == Channel.EMAIL:
        address, sender_name = contact.email, facts.insurer.name
        message = reply_email(
            facts,
            contact=contact,
            code=reply.code,
            reference=reference,
            asked_at=reply.asked_at,
        )
    else:
        account = sms_account()
        address, sender_name = contact.phone, account.sender if account else ""
        message = reply_sms(facts, code=reply.code, reference=reference)
    return Outgoing(
        notification_id=number,
        address=address,
        sender_name=sender_name,
        reply_to=facts.insurer.contact_email,
        message=message,
        message_id=message_id(number),
    )


def number_of(reply: Reply) -> int:
    """Return the number of an answer as a message, which is no notification's."""
    return FIRST_NUMBER + reply.pk


def _record(reply: Reply, outcome: Outcome, now: datetime) -> None:
    """Note what became of a message, and what follows: again later, or the next channel."""
    number = number_of(reply)
    if outcome.provider_reference:
        sender, _pace = account_and_pace(insurer_id=reply.insurer_id, channel=reply.channels[0])
        ProviderReference.objects.bulk_create(
            [
                ProviderReference(
                    sender=sender,
                    reference=outcome.provider_reference[:120],
                    notification_id=number,
                )
            ],
            ignore_conflicts=True,
        )
    if outcome.state == State.DEFERRED and now - reply.made_at < TRIED_FOR:
        delay = DOWN_DELAY if outcome.reason == "server_down" else retry_delay(reply.attempts)
        _end(reply, State.DEFERRED, outcome.reason, now, due_at=now + delay)
    elif outcome.state in (State.ACCEPTED, State.UNCERTAIN):
        reply.reference_fingerprint = fingerprint(derive(number))
        _end(reply, outcome.state, outcome.reason, now)
    else:
        state = State.FAILED if outcome.state == State.DEFERRED else outcome.state
        not_arrived(reply, state=state, reason=outcome.reason, now=now)


def not_arrived(reply: Reply, *, state: State, reason: str, now: datetime) -> None:
    """Go on to the next channel; where there is none, the message has failed."""
    with transaction.atomic():
        if state in SUPPRESSING and reply.channels[0] == Channel.EMAIL:
            _suppress(reply, reason, now)
        if len(reply.channels) > 1:
            reply.channels = reply.channels[1:]
            reply.attempts, reply.address_fingerprint = 0, None
            _end(reply, State.PENDING, "", now)
        else:
            _end(reply, state, reason, now)


def _suppress(reply: Reply, reason: str, now: datetime) -> None:
    if reply.address_fingerprint is not None:
        Suppression.objects.update_or_create(
            insurer_id=reply.insurer_id,
            address_fingerprint=reply.address_fingerprint,
            defaults={"reason": reason[:60], "until_at": now + LASTS},
            create_defaults={"reason": reason[:60], "since_at": now, "until_at": now + LASTS},
        )


def _end(
    reply: Reply, state: State, reason: str, now: datetime, *, due_at: datetime | None = None
) -> None:
    reply.state, reply.reason, reply.due_at = state, reason[:60], due_at or now
    reply.save()


def mark_in_doubt(*, now: datetime) -> int:
    """Mark the answers whose worker is gone: they may have left, and are not sent again."""
    lost = Reply.objects.filter(state=State.SENDING, due_at__lte=now)
    return lost.update(state=State.UNCERTAIN, reason="worker-lost")
