"""Whom the worker answers, by which address, how often; and that nobody else sees it."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from insurers.lists import fingerprint_keys
from insurers.lists.finding import people_meant
from insurers.models import Breach, BreachOperator, ListEffect
from notifications.models import Channel, Reply, Suppression, TakenQuestion
from notifications.replies import listings
from notifications.replies.answering import forget_old_questions
from notifications.replies.listings import last_successor, related_insurers
from tests import cast
from tests.notifications.replies.asking import answer, asked, rows
from tests.notifications.story import accepted_list, member

pytestmark = pytest.mark.django_db


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)


def test_a_listed_person_is_answered_with_the_code_of_the_page() -> None:
    accepted_list([member(7, email="camille@example.fr", mobile="0639980007")])
    wanted = asked(7)
    answer()
    reply = Reply.objects.get()
    assert reply.code == wanted.code
    assert reply.channels[0] == Channel.EMAIL
    assert reply.breach_ids == [cast.breach().pk]
    assert rows() == []


def test_nobody_else_is_answered() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asked(8)
    asked(7, birth_date="1981-03-12")
    assert answer() == 2
    assert not Reply.objects.exists()
    assert rows() == []


def test_a_list_that_is_not_accepted_answers_nobody() -> None:
    from tests.notifications.story import reviewed_list

    reviewed_list([member(7, email="camille@example.fr")])
    asked(7)
    answer()
    assert not Reply.objects.exists()


def test_a_withdrawn_person_is_not_answered() -> None:
    accepted_list([member(7, email="a@example.fr"), member(8, email="b@example.fr")])
    accepted_list([member(7)], effect=ListEffect.WITHDRAW)
    asked(7)
    asked(8)
    answer()
    assert Reply.objects.count() == 1


@override_settings(SMS_ACCOUNT={"provider": "folder", "sender": "PORTAIL"})
def test_without_an_email_the_answer_goes_by_sms() -> None:
    accepted_list([member(7, mobile="0639980007")])
    asked(7)
    answer()
    assert Reply.objects.get().channels == [Channel.SMS]


@override_settings(SMS_ACCOUNT={})
def test_without_an_address_that_works_nothing_leaves() -> None:
    accepted_list([member(7, mobile="0639980007"), member(8)])
    asked(7)
    asked(8)
    answer()
    assert not Reply.objects.exists()


def test_an_address_that_bounced_is_left_out() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asked(7)
    answer()
    reply = Reply.objects.get()
    Suppression.objects.create(
        insurer_id=reply.insurer_id,
        address_fingerprint=reply.address_fingerprint or "",
        reason="smtp-550",
        since_at=timezone.now(),
        until_at=timezone.now() + timedelta(days=1),
    )
    reply.delete()
    asked(7)
    answer()
    assert not Reply.objects.exists()


def test_one_answer_a_day_and_three_in_thirty_days(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    start = timezone.now()
    made = []
    for hours in (0, 1, 23, 25, 30, 51, 77, 29 * 24, 31 * 24 + 1):
        now = start + timedelta(hours=hours)
        at(monkeypatch, now)
        asked(7, now=now)
        before = Reply.objects.count()
        answer()
        if Reply.objects.count() > before:
            made.append(hours)
    assert made == [0, 25, 51, 31 * 24 + 1]


def test_the_limit_is_of_the_person_whatever_list_they_stand_on() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asked(7)
    answer()
    accepted_list([member(7, email="autre@example.fr")])
    asked(7)
    answer()
    assert Reply.objects.count() == 1


def test_others_on_the_same_address_are_answered_too() -> None:
    accepted_list([member(7, email="famille@example.fr"), member(8, email="famille@example.fr")])
    asked(7)
    asked(8)
    answer()
    assert Reply.objects.count() == 2


def test_the_newest_address_is_used() -> None:
    cast.phare_at_both_operators()
    accepted_list([member(7, email="ancien@example.fr")])
    newest = accepted_list([member(7, email="nouveau@example.fr")], operators=("betapay",))
    asked(7)
    answer()
    assert Reply.objects.get().list_id == newest.pk


def test_twins_are_answered_apart_and_a_shared_address_once() -> None:
    accepted_list(
        [
            member(7, email="ana@example.fr", name="Phare;Ana"),
            member(7, email="eva@example.fr", name="Phare;Eva"),
            member(8, email="ensemble@example.fr", name="Phare;Ivo"),
            member(8, email="ensemble@example.fr", name="Phare;Léo"),
        ]
    )
    asked(7)
    asked(8)
    answer()
    assert Reply.objects.count() == 3


@pytest.mark.parametrize("second", ["camille@example.fr", "autre@example.fr"])
def test_whoever_is_on_lists_of_two_breaches_gets_one_answer_about_both(
    monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    accepted_list([member(7, email="camille@example.fr", name="Phare;Ana")])
    first, other = cast.breach(), Breach.objects.get(pk=cast.breach().pk)
    other.pk, other.slug = None, "une-autre"
    other.save()
    BreachOperator.objects.create(breach=other, operator=cast.operator("alphapay"))
    with monkeypatch.context() as of_other:
        of_other.setattr(cast, "breach", lambda: other)
        newest = accepted_list([member(7, email=second, name="Phare;Ana")])
    asked(7)
    answer()
    reply = Reply.objects.get()
    assert (reply.list_id, reply.breach_ids) == (newest.pk, sorted([first.pk, other.pk]))


def test_predecessors_and_successors_are_looked_up() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    old, new, other = (
        cast.insurer(slug, f"{slug} (fictive)") for slug in ("ancienne", "nouvelle", "autre")
    )
    old.successor = cast.phare()
    old.save()
    phare = cast.phare()
    phare.successor = new
    phare.save()
    for insurer, count in ((old, 1), (new, 1), (other, 0)):
        Reply.objects.all().delete()
        asked(7, insurer_id=insurer.pk)
        answer()
        assert Reply.objects.count() == count, insurer.slug
    successor = {old.pk: phare.pk, phare.pk: new.pk}
    assert related_insurers(phare.pk, successor) == {old.pk, phare.pk, new.pk}
    assert related_insurers(old.pk, successor) == {old.pk, phare.pk, new.pk}
    assert related_insurers(other.pk, successor) == {other.pk}


def test_the_limit_is_of_the_person_whichever_related_insurer_lists_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    phare, new = cast.phare(), cast.insurer("nouvelle", "Nouvelle (fictive)")
    phare.successor = new
    phare.save()
    asked(7)
    answer()
    assert Reply.objects.count() == 1
    with monkeypatch.context() as as_new:
        as_new.setattr(cast, "phare", lambda: new)
        accepted_list([member(7, email="autre@example.fr")])
    for insurer in (phare, new):
        asked(7, insurer_id=insurer.pk)
        answer()
    assert Reply.objects.count() == 1
    Reply.objects.all().delete()
    asked(7, insurer_id=new.pk)
    answer()
    assert Reply.objects.get().insurer_id == new.pk


def test_related_insurers_share_one_last_successor() -> None:
    first, other, heir, one, two = (uuid4() for _ in range(5))
    successor = {first: heir, other: heir, one: two, two: one}
    assert {last_successor(place, successor) for place in (first, other, heir)} == {heir}
    assert len({last_successor(place, successor) for place in (one, two)}) == 1


def test_insurers_that_took_each_other_over_end_the_search() -> None:
    one, other = uuid4(), uuid4()
    assert related_insurers(one, {one: other, other: one}) == {one, other}


def test_a_lost_key_postpones_the_question_and_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accepted_list([member(7, email="camille@example.fr")])

    def lost(**_: object) -> None:
        raise fingerprint_keys.UnknownKeyVersionError("breach/1/2")

    wanted = asked(7)
    with monkeypatch.context() as without:
        without.setattr(listings, "find_members", lost)
        answer()
    assert not Reply.objects.exists()
    assert len(rows()) == 1
    assert wanted.member_number not in caplog.text
    from notifications.models import SealedQuestion

    SealedQuestion.objects.update(due_at=timezone.now())
    answer()
    assert Reply.objects.count() == 1


def test_what_counts_no_longer_is_forgotten() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asked(7)
    answer()
    forget_old_questions(now=timezone.now() + timedelta(days=29))
    assert Reply.objects.exists()
    assert not TakenQuestion.objects.exists()
    forget_old_questions(now=timezone.now() + timedelta(days=31))
    assert not Reply.objects.exists()


def test_a_batch_costs_as_many_statements_as_one_question() -> None:
    accepted_list([member(n, email=f"p{n}@example.fr") for n in range(1, 31)])
    counts = []
    for numbers in ((1,), range(2, 31)):
        for number in numbers:
            asked(number)
        with CaptureQueriesContext(connection) as statements:
            answer()
        counts.append(len(statements))
    assert Reply.objects.count() == 30
    assert counts[0] == counts[1]


def test_somebody_who_asks_twice_at_once_is_answered_once() -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asked(7)
    asked(7)
    assert answer() == 2
    assert Reply.objects.count() == 1


def test_a_question_that_cannot_be_answered_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accepted_list([member(n, email=f"p{n}@example.fr") for n in (6, 7, 8)])

    def broken(*, member_number: str, **rest: str) -> object:
        if member_number == "000000007":
            raise RuntimeError(member_number)
        return people_meant(member_number=member_number, **rest)

    monkeypatch.setattr(listings, "people_meant", broken)
    for number in (6, 7, 8):
        asked(number)
    answer()
    assert Reply.objects.count() == 2
    assert len(rows()) == 1
    assert "000000007" not in caplog.text
