"""What staff may ask about one person, how often; and that nobody else sees the answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone

from audit.models import AuditEntry, Outcome
from breachportal.models import User
from insurers.lists.keystore import KeyNotFoundError
from insurers.models import Insurer, Membership, Role
from insurers.row_security import ScopeRole, row_scope
from notifications.models import (
    AskedOutcome,
    Reply,
    SealedQuestion,
    StaffAnswer,
    StaffQuestion,
    TakenQuestion,
)
from notifications.replies import staff_questions, standing
from notifications.replies.questions import SIZE, QuestionRefused, open_question
from notifications.replies.staff_questions import (
    OF_INSURER,
    OF_PERSON,
    PURPOSE,
    PersonAsked,
    answer_staff_questions,
    ask_as_staff,
    forget_staff_questions,
)
from notifications.replies.standing import standing_of
from notifications.tasks import answer as answer_task
from tests import cast
from tests.conftest import as_role
from tests.notifications.replies import asking
from tests.notifications.story import accepted_list, member

pytestmark = pytest.mark.django_db

NUMBER, BIRTH_DATE = "000000007", "1980-03-12"


@contextmanager
def web(person: User, *insurers: Insurer, role: ScopeRole = "staff") -> Iterator[None]:
    places = [one.pk for one in insurers or (cast.phare(),)]
    with as_role("web"), row_scope(insurers=places, role=role, user_id=person.pk):
        yield


def asked(
    number: str = NUMBER,
    *,
    by: User | None = None,
    of: Insurer | None = None,
    now: datetime | None = None,
    **other: str,
) -> UUID:
    """Ask as the web process does."""
    person, place = by or cast.paule(), of or cast.phare()
    typed = {"member_number": number, "birth_date": BIRTH_DATE, "birth_rank": ""} | other
    with web(person, place):
        return ask_as_staff(
            insurer_id=place.pk,
            asked_by_id=person.pk,
            person=PersonAsked(**typed),
            now=now or timezone.now(),
        )


def answer(*, now: datetime | None = None) -> int:
    with as_role("worker"):
        return answer_staff_questions(now=now or timezone.now())


def outcome(number: UUID) -> str:
    return StaffQuestion.objects.get(pk=number).outcome


def listings(number: UUID) -> list[dict[str, Any]]:
    content = StaffAnswer.objects.get(question=number).content
    assert set(content) == {"listings"}
    return list(content["listings"])


def entry() -> AuditEntry:
    return AuditEntry.objects.filter(action="member.asked").latest("pk")


def test_staff_learn_where_a_person_stands() -> None:
    found = accepted_list([member(7, email="camille@example.fr")])
    number = asked()
    assert answer() == 1
    (listing,) = listings(number)
    assert listing["list_id"] == found.pk
    assert listing["none"] == "no_campaign"
    assert outcome(number) == AskedOutcome.ANSWERED


def test_whoever_is_on_no_list_is_found_on_none() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    number = asked("000000008")
    answer()
    assert listings(number) == []


def test_another_insurers_lists_are_not_looked_into() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    dune = cast.dune()
    dune.successor = cast.phare()
    dune.save()
    number = asked(by=cast.didier(), of=dune)
    answer()
    assert listings(number) == []


def test_nothing_of_it_can_be_read_and_what_is_answered_is_emptied() -> None:
    number = asked(birth_rank="2")
    other = asked("A" * 40)
    rows = {row.pk: bytes(row.sealed) for row in StaffQuestion.objects.all()}
    assert {len(sealed) for sealed in rows.values()} == {SIZE + 48}
    for secret in (NUMBER, BIRTH_DATE):
        assert secret.encode() not in rows[number]
        assert secret not in repr(PersonAsked(NUMBER, BIRTH_DATE, "2"))
    answer()
    assert {bytes(row.sealed) for row in StaffQuestion.objects.all()} == {b""}
    assert {outcome(number), outcome(other)} == {AskedOutcome.ANSWERED}


def test_a_taken_question_cannot_keep_its_content() -> None:
    number = asked()
    with pytest.raises(IntegrityError), transaction.atomic():
        StaffQuestion.objects.filter(pk=number).update(taken_at=timezone.now(), outcome="answered")


def test_the_publics_questions_and_those_of_staff_are_not_taken_for_each_other() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asking.asked(7)
    of_public = bytes(SealedQuestion.objects.get().sealed)
    number = asked()
    of_staff = bytes(StaffQuestion.objects.get().sealed)
    StaffQuestion.objects.filter(pk=number).update(sealed=of_public)
    SealedQuestion.objects.update(sealed=of_staff)
    answer()
    asking.answer()
    assert outcome(number) == AskedOutcome.FOREIGN
    assert not StaffAnswer.objects.exists()
    assert not Reply.objects.exists()
    assert not TakenQuestion.objects.exists()
    with pytest.raises(QuestionRefused, match="foreign"):
        open_question(of_staff, now=timezone.now())


@pytest.mark.parametrize("changed", ["id", "asked_by", "insurer"])
def test_a_question_counts_in_its_own_row_only(changed: str) -> None:
    """Copied into another row, in another name or for another insurer, it is refused."""
    accepted_list([member(7, email="camille@example.fr")])
    cast.member_of(cast.dune(), "paule", Role.VIEWER)
    original = StaffQuestion.objects.get(pk=asked())
    copy: dict[str, Any] = {
        "id": uuid4(),
        "asked_by": original.asked_by,
        "insurer": original.insurer,
        "sealed": bytes(original.sealed),
    }
    if changed == "asked_by":
        copy["asked_by"] = cast.armand()
    elif changed == "insurer":
        copy["insurer"] = cast.dune()
    StaffQuestion.objects.create(**copy)
    answer()
    assert outcome(copy["id"]) == AskedOutcome.FOREIGN
    assert outcome(original.pk) == AskedOutcome.ANSWERED


def test_a_number_is_taken_once() -> None:
    number = asked()
    sealed = bytes(StaffQuestion.objects.get(pk=number).sealed)
    answer()
    with pytest.raises(IntegrityError), web(cast.paule()):
        StaffQuestion.objects.create(
            id=number, insurer=cast.phare(), asked_by=cast.paule(), sealed=sealed
        )


def test_an_aged_question_and_a_broken_one_are_refused() -> None:
    old = asked(now=timezone.now() - timedelta(minutes=61))
    broken = asked()
    StaffQuestion.objects.filter(pk=broken).update(sealed=b"nothing")
    answer()
    assert (outcome(old), outcome(broken)) == (AskedOutcome.AGED, AskedOutcome.DAMAGED)
    assert not StaffAnswer.objects.exists()


@pytest.mark.parametrize(
    "odd",
    [{"number": "9" * 300}, {"number": "\ud800"}, {"birth_date": "hier"}, {"birth_rank": "\0"}],
)
def test_what_no_page_would_seal_stops_nobody(odd: dict[str, Any]) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    poison, behind = asked(**odd), asked()
    assert answer() == 2
    assert (outcome(poison), outcome(behind)) == (AskedOutcome.DAMAGED, AskedOutcome.ANSWERED)


def test_what_cannot_be_answered_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    broken, behind = asked("000000008"), asked()

    def broken_for_one(*, member_number: str, **rest: Any) -> Any:
        if member_number == "000000008":
            raise RuntimeError(member_number)
        return standing_of(member_number=member_number, **rest)

    monkeypatch.setattr(staff_questions, "standing_of", broken_for_one)
    assert answer() == 2
    assert (outcome(broken), outcome(behind)) == (AskedOutcome.DAMAGED, AskedOutcome.ANSWERED)
    assert "000000008" not in caplog.text


def test_thirty_an_hour_a_person() -> None:
    start = timezone.now()
    taken = [asked(now=start) for _ in range(OF_PERSON)]
    answer(now=start)
    assert {outcome(number) for number in taken} == {AskedOutcome.ANSWERED}
    over, colleague = asked(now=start), asked(by=cast.armand(), now=start)
    answer(now=start + timedelta(minutes=59))
    assert outcome(over) == AskedOutcome.TOO_MANY_OF_PERSON
    assert outcome(colleague) == AskedOutcome.ANSWERED
    later = start + timedelta(hours=1)
    again = asked(now=later)
    answer(now=later)
    assert outcome(again) == AskedOutcome.ANSWERED


def test_three_hundred_a_day_an_insurer() -> None:
    start = timezone.now()
    StaffQuestion.objects.bulk_create(
        StaffQuestion(
            insurer=cast.phare(),
            asked_by=cast.armand(),
            taken_at=start,
            outcome=AskedOutcome.ANSWERED,
        )
        for _ in range(OF_INSURER - 1)
    )
    last, over = asked(now=start), asked(now=start)
    elsewhere = asked(by=cast.didier(), of=cast.dune(), now=start)
    answer(now=start + timedelta(minutes=1))
    assert outcome(last) == AskedOutcome.ANSWERED
    assert outcome(over) == AskedOutcome.TOO_MANY_OF_INSURER
    assert outcome(elsewhere) == AskedOutcome.ANSWERED
    later = start + timedelta(hours=24)
    again = asked(now=later)
    forget_staff_questions(now=later - timedelta(seconds=1))
    assert StaffQuestion.objects.filter(outcome=AskedOutcome.ANSWERED).count() > OF_INSURER
    answer(now=later)
    assert outcome(again) == AskedOutcome.ANSWERED


def test_the_caps_outlive_redis_and_are_not_the_webs_to_move() -> None:
    number = asked()
    answer()
    for statement in (
        "UPDATE notifications_staffquestion SET taken_at = NULL",
        "DELETE FROM notifications_staffquestion",
        "UPDATE notifications_staffanswer SET made_at = now()",
        "DELETE FROM notifications_staffanswer",
        "INSERT INTO notifications_staffanswer VALUES (NULL, '{}', now())",
    ):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction.atomic(),
            web(cast.paule()),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert outcome(number) == AskedOutcome.ANSWERED


@pytest.mark.parametrize(
    ("role", "given"),
    [
        ("auditor", {}),
        ("staff", {"asked_by": "armand"}),
        ("staff", {"insurer": "dune"}),
        ("staff", {"taken_at": cast.NOW, "outcome": "answered"}),
    ],
    ids=["as an auditor", "in a colleague's name", "for another insurer", "as taken"],
)
def test_what_the_web_role_may_not_add(role: ScopeRole, given: dict[str, Any]) -> None:
    values: dict[str, Any] = {"insurer": cast.phare(), "asked_by": cast.paule()}
    values |= {
        name: getattr(cast, value)() if name in ("asked_by", "insurer") else value
        for name, value in given.items()
    }
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        web(cast.paule(), role=role),
    ):
        StaffQuestion.objects.create(**values)


def test_nobody_sees_a_colleagues_or_another_insurers() -> None:
    mine = asked()
    answer()
    for person, place in (
        (cast.armand(), cast.phare()),
        (cast.didier(), cast.dune()),
        (cast.paule(), cast.dune()),
    ):
        with web(person, place):
            assert not StaffQuestion.objects.exists()
            assert not StaffAnswer.objects.exists()
    with as_role("web"):
        assert not StaffQuestion.objects.exists()
        assert not StaffAnswer.objects.exists()
    with web(cast.paule()):
        assert StaffAnswer.objects.get().question_id == mine


@pytest.mark.parametrize(
    "change",
    [{"ended_at": cast.NOW}, {"confirmed_at": None, "confirmed_by": None}, "inactive"],
)
def test_whoever_lost_the_role_meanwhile_gets_no_answer(change: Any) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    number = asked()
    if change == "inactive":
        User.objects.filter(pk=cast.paule().pk).update(is_active=False)
    else:
        Membership.objects.filter(user=cast.paule()).update(**change)
    answer()
    assert outcome(number) == AskedOutcome.NO_ROLE
    assert not StaffAnswer.objects.exists()
    assert (entry().outcome, json.loads(entry().detail)) == (Outcome.REFUSED, {"code": "no_role"})


def test_each_question_is_in_the_trail_of_its_insurer_without_the_person() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    number = asked()
    answer()
    found = entry()
    assert found.scope == f"insurer:{cast.phare().pk}"
    assert found.actor == f"account:{cast.paule().pk}"
    assert found.subject == f"question:{number}"
    assert json.loads(found.detail) == {"listings": 1}
    assert NUMBER not in found.detail
    assert BIRTH_DATE not in found.detail


def test_a_refusal_by_cap_is_in_the_trail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff_questions, "OF_PERSON", 0)
    asked()
    answer()
    assert (entry().outcome, json.loads(entry().detail)) == (
        Outcome.REFUSED,
        {"code": "person_cap"},
    )


def test_the_answer_and_its_trace_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(staff_questions, "record", fail)
    number = asked()
    with pytest.raises(RuntimeError), transaction.atomic():
        answer()
    assert not StaffAnswer.objects.exists()
    assert outcome(number) == ""


def test_without_its_keys_nobody_is_said_to_be_on_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted_list([member(7, email="camille@example.fr")])

    def lost(**_: Any) -> None:
        raise KeyNotFoundError("fingerprint")

    monkeypatch.setattr(standing, "find_members", lost)
    number = asked()
    answer()
    assert outcome(number) == AskedOutcome.NO_KEYS
    assert not StaffAnswer.objects.exists()
    assert json.loads(entry().detail) == {"code": "no_keys"}


def test_an_answer_lasts_five_minutes_whoever_looks() -> None:
    start = timezone.now()
    number = asked(now=start)
    answer(now=start)
    answer(now=start + timedelta(minutes=4, seconds=59))
    assert StaffAnswer.objects.exists()
    answer(now=start + timedelta(minutes=5))
    assert not StaffAnswer.objects.exists()
    assert outcome(number) == AskedOutcome.ANSWERED


def test_the_task_of_answers_takes_them_and_the_hourly_one_forgets() -> None:
    number = asked()
    with as_role("worker"):
        answer_task()
    assert outcome(number) == AskedOutcome.ANSWERED
    with as_role("worker"):
        forget_staff_questions(now=timezone.now() + timedelta(hours=25))
    assert not StaffQuestion.objects.exists()


def test_a_question_says_nothing_of_whom_it_is_about() -> None:
    row = StaffQuestion.objects.get(pk=asked())
    assert str(row) == f"question {row.pk}"
    assert PURPOSE == "staff-question"
