"""Answer those who ask whether they are concerned (worker): to the contact their insurer gave.

Whoever is on no accepted list, was answered lately, or cannot be reached, gets nothing, and
nobody sees a difference. One worker at a time takes questions, so that two about the same person
count one after the other; a batch costs as many statements as one question.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from insurers.lists.fingerprints import asked_about
from notifications.models import Channel, Reply, SealedQuestion, State, TakenQuestion
from notifications.references import own_key
from notifications.replies.listings import Listing, last_successor, listings_of, successors
from notifications.replies.questions import (
    ANSWERED_WITHIN,
    CLOCKS_DIFFER,
    Question,
    QuestionRefused,
    open_question,
)

logger = logging.getLogger(__name__)

AT_ONCE = 500
MANY, GATHERED = 10, 0.2
"""Where so many came at once more are coming: seconds for which they gather, for one batch."""
TRIED_AGAIN = timedelta(minutes=1)
ONCE_IN, THRICE_IN = timedelta(hours=24), timedelta(days=30)
AT_MOST = 3
REMEMBERED = ANSWERED_WITHIN + 2 * CLOCKS_DIFFER
ANSWERING = 41  # the advisory lock of whoever takes questions

TAKE = """
INSERT INTO notifications_takenquestion (id, taken_at)
SELECT number, %s FROM unnest(%s::uuid[]) AS number
ON CONFLICT DO NOTHING RETURNING id
"""


def answer_questions(*, seconds: float) -> int:
    """Take questions for about `seconds`; return how many were taken."""
    end, total, at_once = time.monotonic() + seconds, 0, AT_ONCE
    while time.monotonic() < end:
        try:
            taken = _answer_some(timezone.now(), at_once)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            # One by one, until the question that cannot be answered stands behind the others.
            logger.error("questions cannot be answered: %s", type(error).__name__)
            taken = _put_behind() if at_once == 1 else 1
            at_once = 1
        if not taken:
            break
        total += taken
        if MANY < taken < at_once:
            time.sleep(GATHERED)
    return total


def questions_due(*, at_most: int) -> int:
    """Return how many questions wait to be answered now, `at_most` so many."""
    return _due()[:at_most].count()


@transaction.atomic
def _answer_some(now: datetime, at_once: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ANSWERING])
        if not (cursor.fetchone() or (False,))[0]:
            return 0
    rows = dict(_due().values_list("pk", "sealed")[:at_once])
    asked = _opened(rows, now)
    standing = dict(zip(asked, listings_of(list(asked.values()), now=now), strict=True))
    postponed = [row for row, listings in standing.items() if listings is None]
    fresh = _not_taken_before(asked, postponed, now)
    answered = [(asked[row], listings) for row in fresh if (listings := standing[row])]
    Reply.objects.bulk_create(_replies(answered, now))
    SealedQuestion.objects.filter(pk__in=rows.keys() - set(postponed)).delete()
    _postpone(postponed)
    return len(rows)


def _due() -> QuerySet[SealedQuestion]:
    return SealedQuestion.objects.filter(due_at__lte=Now()).order_by("due_at")


def _postpone(rows: Collection[UUID]) -> int:
    return SealedQuestion.objects.filter(pk__in=rows).update(due_at=Now() + TRIED_AGAIN)


def _opened(rows: Mapping[UUID, bytes | memoryview], now: datetime) -> dict[UUID, Question]:
    """Return the question of each row that holds one."""
    opened = {}
    refused: Counter[str] = Counter()
    for row, sealed in rows.items():
        try:
            opened[row] = open_question(bytes(sealed), now=now)
        except QuestionRefused as refusal:
            refused[str(refusal)] += 1
    for reason, count in refused.items():
        logger.warning("%d questions refused: %s", count, reason)
    return opened


def _not_taken_before(
    asked: Mapping[UUID, Question], postponed: Collection[UUID], now: datetime
) -> list[UUID]:
    """Take up each question once, but those that wait; return the rows of what is new."""
    rows = asked.keys() - set(postponed)
    once = {asked[row].number: row for row in asked if row in rows}
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [now, list(once)])
        fresh = {row[0] for row in cursor.fetchall()}
    if len(fresh) < len(rows):
        logger.warning("%d questions refused: repeated", len(rows) - len(fresh))
    return [row for number, row in once.items() if number in fresh]


def _replies(
    answered: Sequence[tuple[Question, Sequence[Listing]]], now: datetime
) -> Iterator[Reply]:
    """Yield the messages for those who were not answered lately, in this batch or before."""
    # Whichever of related insurers is named, and whatever lists come and go meanwhile.
    key, successor = own_key("asked-about"), successors()
    people = [
        asked_about(
            key=key,
            insurer_id=last_successor(question.insurer_id, successor),
            identifier=question.member_number,
            birth_date=question.birth_date,
        )
        for question, _listings in answered
    ]
    before = _answered_before(people, now)
    for (question, listings), about in zip(answered, people, strict=True):
        times = before[about]
        if len(times) >= AT_MOST or any(made_at > now - ONCE_IN for made_at in times):
            continue
        by_address: dict[UUID | None, Reply] = {}
        for theirs in _by_person(listings):
            reply = _reply(question, theirs, about, now)
            if reply is not None:
                # Twins of one contract at one address, one message.
                first = by_address.setdefault(reply.address_fingerprint, reply)
                first.breach_ids = sorted({*first.breach_ids, *reply.breach_ids})
                times.add(now)
        yield from by_address.values()


def _by_person(listings: Sequence[Listing]) -> Collection[Sequence[Listing]]:
    """Return the listings of each person: one, unless their names tell twins apart.

    Names can be compared within one breach and insurer alone (`MemberFingerprints.name_tags`).
    """
    twins: dict[tuple[int, UUID, int], list[Listing]] = defaultdict(list)
    for one in listings:
        twins[one.breach_id, one.insurer_id, one.name_tag].append(one)
    named = Counter((breach, insurer) for breach, insurer, tag in twins if tag)
    return twins.values() if any(count > 1 for count in named.values()) else [listings]


def _answered_before(people: Iterable[UUID], now: datetime) -> dict[UUID, set[datetime]]:
    """Return when each was answered in thirty days; twins are answered at one time."""
    replies = Reply.objects.filter(asked_about__in=people, made_at__gt=now - THRICE_IN)
    before: dict[UUID, set[datetime]] = defaultdict(set)
    for about, made_at in replies.values_list("asked_about", "made_at"):
        before[about].add(made_at)
    return before


def _list_id(listing: Listing) -> int:
    return listing.list_id


def _reply(
    question: Question, listings: Sequence[Listing], about: UUID, now: datetime
) -> Reply | None:
    """Return the message that answers one person, by the newest listing that can be reached."""
    best = max((one for one in listings if one.channels), key=_list_id, default=None)
    if best is None:
        return None
    return Reply(
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
        address_fingerprint=best.email if best.channels[0] == Channel.EMAIL else best.phone,
    )


def _put_behind() -> int:
    """Have the question that is next wait, as for a key."""
    return _postpone(list(_due().values_list("pk", flat=True)[:1]))


def forget_old_questions(*, now: datetime) -> None:
    """Erase what no longer counts: numbers of questions, and replies, with whom they were for."""
    TakenQuestion.objects.filter(taken_at__lt=now - REMEMBERED).delete()
    Reply.objects.filter(made_at__lt=now - THRICE_IN).delete()
