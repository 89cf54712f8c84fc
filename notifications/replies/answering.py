"""Answer those who ask whether they are concerned (worker): to the contact their insurer gave.

Whoever is on no accepted list, was answered lately, or cannot be reached, gets nothing, and
nobody sees a difference. One worker at a time takes questions, so that two about the same person
count one after the other.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from insurers.lists.finding import find_members, people_meant
from insurers.lists.fingerprint_keys import UnknownKeyVersionError
from insurers.lists.fingerprints import asked_about
from insurers.lists.keystore import KeyNotFoundError, StoreUnreachableError, WrongKeyError
from insurers.models import AffectedList, Insurer, ListState
from notifications.channels.sms_account import sms_account
from notifications.models import (
    Channel,
    Reply,
    SealedQuestion,
    State,
    TakenQuestion,
)
from notifications.references import own_key
from notifications.replies.questions import (
    ANSWERED_WITHIN,
    CLOCKS_DIFFER,
    Question,
    QuestionRefused,
    open_question,
)

logger = logging.getLogger(__name__)

AT_ONCE = 200
TRIED_AGAIN = timedelta(minutes=1)
ONCE_IN, THRICE_IN = timedelta(hours=24), timedelta(days=30)
AT_MOST = 3
REMEMBERED = ANSWERED_WITHIN + 2 * CLOCKS_DIFFER
ANSWERING = 41  # the advisory lock of whoever takes questions
KEY_TROUBLE = (KeyNotFoundError, StoreUnreachableError, UnknownKeyVersionError, WrongKeyError)

# Addresses that stand for too many people, and those that bounced, are left out.
LISTINGS = """
SELECT m.list_id, m.ordinal, m.name_tag, l.insurer_id, l.breach_id,
    m.email_fingerprint, m.phone_fingerprint,
    m.contact IS NOT NULL AND m.email_fingerprint IS NOT NULL AND NOT EXISTS (
        SELECT FROM notifications_suppression s WHERE s.insurer_id = l.insurer_id
            AND s.address_fingerprint = m.email_fingerprint AND s.until_at > %(now)s
    ) AND NOT EXISTS (
        SELECT FROM notifications_crowdedaddress c JOIN notifications_campaign p
            ON p.id = c.campaign_id AND p.affected_list_id = m.list_id
        WHERE c.address_fingerprint = m.email_fingerprint
    ),
    m.contact IS NOT NULL AND m.phone_fingerprint IS NOT NULL AND NOT EXISTS (
        SELECT FROM notifications_crowdedaddress c JOIN notifications_campaign p
            ON p.id = c.campaign_id AND p.affected_list_id = m.list_id
        WHERE c.address_fingerprint = m.phone_fingerprint
    )
FROM unnest(%(lists)s::int[], %(ordinals)s::int[]) AS found (list_id, ordinal)
JOIN affected_member m ON m.list_id = found.list_id AND m.ordinal = found.ordinal
JOIN insurers_affectedlist l ON l.id = m.list_id
"""


@dataclass(frozen=True)
class Listing:
    """Where somebody stands, and by which channels they can be reached from there."""

    list_id: int
    ordinal: int
    name_tag: int
    insurer_id: UUID
    breach_id: int
    email: UUID | None
    phone: UUID | None
    has_email: bool
    has_phone: bool

    @property
    def channels(self) -> list[str]:
        """E-mail, else SMS."""
        has_phone = self.has_phone and sms_account() is not None
        usable = [(Channel.EMAIL, self.has_email), (Channel.SMS, has_phone)]
        return [channel.value for channel, is_usable in usable if is_usable]


def answer_questions(*, seconds: float) -> int:
    """Take questions for about `seconds`; return how many were taken."""
    end, total = time.monotonic() + seconds, 0
    while time.monotonic() < end and (taken := _answer_some(timezone.now())):
        total += taken
    return total


@transaction.atomic
def _answer_some(now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ANSWERING])
        if not (cursor.fetchone() or (False,))[0]:
            return 0
    due = SealedQuestion.objects.filter(due_at__lte=Now()).order_by("due_at")
    rows = {row.pk: bytes(row.sealed) for row in due[:AT_ONCE]}
    asked = _opened(rows, now)
    postponed = set()
    for insurer_id, group in groupby(sorted(asked, key=_insurer), key=_insurer):
        questions = list(group)
        try:
            with transaction.atomic():
                fresh = _not_taken_before([question for _, question in questions], now)
                _answer(insurer_id, fresh, now)
        except KEY_TROUBLE:
            # Not « not found »: they wait, as long as they count.
            logger.exception("questions about insurer %s wait for its keys", insurer_id)
            postponed |= {row for row, _ in questions}
    SealedQuestion.objects.filter(pk__in=rows.keys() - postponed).delete()
    SealedQuestion.objects.filter(pk__in=postponed).update(due_at=Now() + TRIED_AGAIN)
    return len(rows)


def _insurer(asked: tuple[UUID, Question]) -> UUID:
    return asked[1].insurer_id


def _opened(rows: dict[UUID, bytes], now: datetime) -> list[tuple[UUID, Question]]:
    opened = []
    refused: dict[str, int] = defaultdict(int)
    for row, sealed in rows.items():
        try:
            opened.append((row, open_question(sealed, now=now)))
        except QuestionRefused as refusal:
            refused[str(refusal)] += 1
    for reason, count in refused.items():
        logger.warning("%d questions refused: %s", count, reason)
    return opened


def _not_taken_before(questions: Sequence[Question], now: datetime) -> list[Question]:
    """Return each question once, and none that was taken up before."""
    once = {question.number: question for question in questions}
    before = TakenQuestion.objects.filter(pk__in=once).values_list("pk", flat=True)
    fresh = [question for number, question in once.items() if number not in set(before)]
    taken = [TakenQuestion(id=question.number, taken_at=now) for question in fresh]
    TakenQuestion.objects.bulk_create(taken)
    if len(fresh) < len(questions):
        logger.warning("%d questions refused: repeated", len(questions) - len(fresh))
    return fresh


def _answer(insurer_id: UUID, questions: Sequence[Question], now: datetime) -> None:
    standing = _listings_of(questions, related_insurers(insurer_id), now)
    for question, listings in zip(questions, standing, strict=True):
        holder = max(listings, key=_list_id, default=None)
        if holder is None:
            continue
        about = asked_about(
            key=own_key("asked-about"),
            insurer_id=holder.insurer_id,
            identifier=question.member_number,
            birth_date=question.birth_date,
        )
        if _was_answered(about, now):
            continue
        addresses: set[UUID | None] = set()
        for _tag, theirs in groupby(sorted(listings, key=_name_tag), _name_tag):
            _reply(question, list(theirs), about, addresses, now)


def _list_id(listing: Listing) -> int:
    return listing.list_id


def _name_tag(listing: Listing) -> int:
    return listing.name_tag


def related_insurers(insurer_id: UUID) -> list[UUID]:
    """Return an insurer with all that it took over, and all that took it over."""
    successor = dict(Insurer.objects.exclude(successor=None).values_list("pk", "successor_id"))
    before: dict[UUID | None, list[UUID]] = defaultdict(list)
    for predecessor, after in successor.items():
        before[after].append(predecessor)
    related = [insurer_id]
    while (later := successor.get(related[-1])) is not None and later not in related:
        related.append(later)
    earlier = [insurer_id]
    while earlier:
        earlier = [one for place in earlier for one in before[place] if one not in related]
        related += earlier
    return related


def _listings_of(
    questions: Sequence[Question], insurers: Sequence[UUID], now: datetime
) -> list[list[Listing]]:
    """Return, for each question, where the person stands, whatever list, insurer or breach."""
    accepted = AffectedList.objects.with_members().filter(
        insurer__in=insurers, state=ListState.ACCEPTED
    )
    places = accepted.order_by().values_list("breach_id", "insurer_id").distinct()
    people = [
        person
        for question in questions
        for person in people_meant(
            member_number=question.member_number,
            birth_date=question.birth_date,
            birth_rank=question.birth_rank,
        )
    ]
    found: list[set[tuple[int, int]]] = [set() for _ in questions]
    if people:
        each = len(people) // len(questions)
        for breach_id, insurer_id in places:
            everyone = find_members(breach_id=breach_id, insurer_id=insurer_id, people=people)
            for number, standing in enumerate(everyone):
                found[number // each] |= {(one.list_id, one.ordinal) for one in standing}
    known = _read_listings(set().union(*found), now)
    return [[known[place] for place in sorted(places) if place in known] for places in found]


def _read_listings(
    places: Iterable[tuple[int, int]], now: datetime
) -> dict[tuple[int, int], Listing]:
    lists, ordinals = _columns(places)
    if not lists:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(LISTINGS, {"lists": lists, "ordinals": ordinals, "now": now})
        listings = [Listing(*row) for row in cursor.fetchall()]
    return {(one.list_id, one.ordinal): one for one in listings}


def _columns(places: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    pairs = list(places)
    return [list_id for list_id, _ in pairs], [ordinal for _, ordinal in pairs]


def _reply(
    question: Question,
    listings: Sequence[Listing],
    about: UUID,
    addresses: set[UUID | None],
    now: datetime,
) -> None:
    """Make the message that answers one person, by the newest listing that can be reached."""
    best = max((one for one in listings if one.channels), key=_list_id, default=None)
    if best is None:
        return
    address = best.email if best.channels[0] == Channel.EMAIL else best.phone
    if address in addresses:
        return  # Twins of one contract, one message.
    addresses.add(address)
    Reply.objects.create(
        insurer_id=best.insurer_id,
        asked_about=about,
        breach_ids=sorted({listing.breach_id for listing in listings}),
        list_id=best.list_id,
        ordinal=best.ordinal,
        channels=best.channels,
        language=question.language,
        code=question.code,
        asked_at=question.asked_at or now,
        made_at=now,
        state=State.PENDING,
        due_at=now,
        address_fingerprint=address,
    )


def _was_answered(about: UUID, now: datetime) -> bool:
    """Whether a question about this person was answered in a day, or three in thirty."""
    before = Reply.objects.filter(asked_about=about, made_at__gt=now - THRICE_IN)
    times = set(before.values_list("made_at", flat=True))  # Twins are answered at one time.
    return len(times) >= AT_MOST or any(made_at > now - ONCE_IN for made_at in times)


def forget_old_questions(*, now: datetime) -> None:
    """Erase what no longer counts: numbers of questions, and replies, with whom they were for."""
    TakenQuestion.objects.filter(taken_at__lt=now - REMEMBERED).delete()
    Reply.objects.filter(made_at__lt=now - THRICE_IN).delete()
