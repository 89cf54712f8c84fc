"""Questions of insurers' staff about one person on the phone: sealed, capped, each in the trail.

The web process seals the question and reads the answer of whoever asked, and nothing else. The
worker checks the role again, keeps the caps, and answers in a row that lasts five minutes
(docs/security.md says what a compromised web process could do with it).
"""

import logging
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from audit.models import Outcome
from audit.trail import account, insurer_scope, record
from insurers.lists.purging import PurgeRefusedError
from insurers.models import Role
from insurers.permissions import EVERY_ROLE, breaches_mandated, is_still_staff
from notifications.models import Asked, AskedOutcome, StaffAnswer, StaffQuestion
from notifications.models.staff_questions import LONGEST_REASON
from notifications.replies.listings import KEY_TROUBLE
from notifications.replies.questions import (
    QuestionRefused,
    open_sealed_question,
    person_in,
    seal_question,
)
from notifications.replies.standing import places_of, standing_of
from notifications.rights.erasing import erase_contact
from notifications.rights.holding import holdings
from notifications.verifying.masking import masked

logger = logging.getLogger(__name__)

PURPOSE = "staff-question"
OF_PERSON, OF_INSURER = 30, 300
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHOWN_FOR = timedelta(minutes=5)
AT_ONCE = 100
ACTIONS = {
    Asked.STANDING: "member.asked",
    Asked.MATCH: "member.matched",
    Asked.ACCESS: "member.accessed",
    Asked.ERASURE: "member.erased",
}
ANSWERING = 42  # the advisory lock of whoever takes these: they are counted one after the other


@dataclass(frozen=True)
class PersonAsked:
    """Whom somebody asks about (normalised values)."""

    member_number: str = field(repr=False)
    birth_date: str = field(repr=False)
    birth_rank: str = field(repr=False)


def ask_as_staff(
    *,
    insurer_id: UUID,
    asked_by_id: int,
    person: PersonAsked,
    now: datetime,
    asked: Asked = Asked.STANDING,
    reason: str = "",
) -> UUID:
    """Seal a question and leave it to the worker (web process); return its number.

    An auditor's `reason` goes to the insurer's trail, without what can be recognised as personal.
    """
    number = uuid.uuid4()
    content = {
        "number": str(number),
        "insurer": str(insurer_id),
        "asked_by": str(asked_by_id),
        "asked": asked.value,
        "member_number": person.member_number,
        "birth_date": person.birth_date,
        "birth_rank": person.birth_rank,
    }
    StaffQuestion.objects.create(
        id=number,
        insurer_id=insurer_id,
        asked_by_id=asked_by_id,
        asked=asked,
        reason=masked(reason)[:LONGEST_REASON],  # A mask may be longer than what it hides.
        sealed=seal_question(PURPOSE, content, now=now),
    )
    return number


def answer_staff_questions(*, now: datetime) -> int:
    """Take what waits, and erase answers that lasted long enough; return how many were taken."""
    StaffAnswer.objects.filter(made_at__lte=now - SHOWN_FOR).delete()
    waiting = StaffQuestion.objects.filter(taken_at=None).order_by("asked_at")
    return sum(_taken(number, now) for number in waiting.values_list("pk", flat=True)[:AT_ONCE])


def answer_shown(question: StaffQuestion, *, now: datetime) -> StaffAnswer | None:
    """Return the answer to a question while it may be shown (web process)."""
    return StaffAnswer.objects.filter(question=question, made_at__gt=now - SHOWN_FOR).first()


def forget_staff_questions(*, now: datetime) -> None:
    """Erase the questions that no cap counts any longer, with what is left of their answers."""
    StaffQuestion.objects.filter(taken_at__lte=now - DAY).delete()


def _taken(number: UUID, now: datetime) -> bool:
    try:
        return _take(number, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # Whatever it is must not stop those that wait behind, the public's questions among them.
        logger.error("question %s cannot be answered: %s", number, type(error).__name__)
        return _take(number, now, is_refused=True)


@transaction.atomic
def _take(number: UUID, now: datetime, *, is_refused: bool = False) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ANSWERING])
    question = StaffQuestion.objects.filter(pk=number, taken_at=None).first()
    if question is None:
        return False
    outcome, content = (AskedOutcome.DAMAGED, {}) if is_refused else _answer(question, now)
    StaffQuestion.objects.filter(pk=number).update(taken_at=now, outcome=outcome, sealed=b"")
    is_answered = outcome == AskedOutcome.ANSWERED
    detail: dict[str, int | str] = {"code": outcome.value}
    if is_answered:
        StaffAnswer.objects.create(question=question, content=content, made_at=now)
        detail = {name: len(found) for name, found in content.items() if isinstance(found, list)}
    if question.reason:
        detail["reason"] = question.reason
    record(
        action=ACTIONS[Asked(question.asked)],
        scope=insurer_scope(question.insurer_id),
        actor=account(question.asked_by_id),
        subject=f"question:{number}",
        outcome=Outcome.DONE if is_answered else Outcome.REFUSED,
        detail=detail,
    )
    return True


def _answer(question: StaffQuestion, now: datetime) -> tuple[AskedOutcome, dict[str, Any]]:
    try:
        person = _opened(question, now)
    except QuestionRefused as refusal:
        return AskedOutcome(str(refusal)), {}
    breaches = _breaches(question, now)
    if breaches == []:
        return AskedOutcome.NO_ROLE, {}
    if over := _over_a_cap(question, now):
        return over, {}
    try:
        with transaction.atomic():
            return AskedOutcome.ANSWERED, _content(question, person, breaches)
    except PurgeRefusedError:
        return AskedOutcome.IN_USE, {}
    except KEY_TROUBLE:
        logger.exception("a question of insurer %s lacks its keys", question.insurer_id)
        return AskedOutcome.NO_KEYS, {}


def _breaches(question: StaffQuestion, now: datetime) -> list[int] | None:
    """Return the breaches about which somebody may ask this: None is all, [] none."""
    user_id, insurer_id = question.asked_by_id, question.insurer_id
    if question.asked == Asked.MATCH:
        today = timezone.localdate(now)
        return breaches_mandated(user_id=user_id, insurer_id=insurer_id, today=today)
    roles = EVERY_ROLE if question.asked == Asked.STANDING else (Role.APPROVER,)
    return None if is_still_staff(user_id=user_id, insurer_id=insurer_id, roles=roles) else []


def _content(
    question: StaffQuestion, person: PersonAsked, breaches: list[int] | None
) -> dict[str, Any]:
    """Return the answer, as JSON; of an erasure, what there is once it is done."""
    about = {"insurer_id": question.insurer_id, **asdict(person)}
    if question.asked == Asked.STANDING:
        return {"listings": standing_of(**about)}
    places = places_of(**about, breach_ids=breaches)
    erased = erase_contact(places) if question.asked == Asked.ERASURE else 0
    return {"listings": holdings(places), "erased": erased}


def _opened(question: StaffQuestion, now: datetime) -> PersonAsked:
    """Return whom it is about; refuse what was not sealed for this very row."""
    content, _asked_at = open_sealed_question(PURPOSE, bytes(question.sealed), now=now)
    sealed_for = tuple(content.get(name) for name in ("number", "insurer", "asked_by", "asked"))
    expected = (question.pk, question.insurer_id, question.asked_by_id, question.asked)
    if sealed_for != tuple(str(value) for value in expected):
        raise QuestionRefused("foreign")
    return PersonAsked(**person_in(content, now=now))


def _over_a_cap(question: StaffQuestion, now: datetime) -> AskedOutcome | None:
    answered = StaffQuestion.objects.filter(outcome=AskedOutcome.ANSWERED)
    of_person = answered.filter(asked_by=question.asked_by_id, taken_at__gt=now - HOUR)
    if of_person.count() >= OF_PERSON:
        return AskedOutcome.TOO_MANY_OF_PERSON
    of_insurer = answered.filter(insurer=question.insurer_id, taken_at__gt=now - DAY)
    if of_insurer.count() >= OF_INSURER:
        return AskedOutcome.TOO_MANY_OF_INSURER
    return None
