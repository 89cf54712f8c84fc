"""Sums of the register made while lists and tallies change: right, or marked as out of date."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from django.db import connection, transaction
from django.db.models import F, Sum
from pytest_django.plugin import DjangoDbBlocker

from insurers.models import AffectedList
from notifications.models import Campaign, DeliveryEvent, RegisterChange, State, TallyChange
from notifications.register.glance import Line, lines_of
from notifications.register.summing import sum_up
from notifications.states import Standing
from tests import cast
from tests.faults.stack import own_database
from tests.faults.test_effects_at_once import at_once
from tests.notifications.story import built, member

PEOPLE = 40
MOVES = 12


@pytest.fixture(autouse=True)
def campaign(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Campaign]:
    with django_db_blocker.unblock(), own_database(f"sums_at_once_{os.getpid()}", tmp_path):
        yield built([member(n, email=f"p{n}@example.fr") for n in range(PEOPLE)])


def tell(campaign: Campaign) -> None:
    """Have one more person told, as a worker notes it: the campaign's dates, then the event."""
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(last_message_at=cast.NOW)
        for before, after in ((State.PENDING, State.SENDING), (State.SENDING, State.ACCEPTED)):
            DeliveryEvent.objects.create(
                campaign=campaign,
                channel="email",
                previous_state=before,
                state=after,
                people=1,
                messages=1,
                at=cast.NOW,
            )


def grow(campaign: Campaign) -> None:
    """Have a list gain a person."""
    mine = AffectedList.objects.filter(pk=campaign.affected_list_id)
    mine.update(members=F("members") + 1)


def line() -> Line:
    (found,) = lines_of(breach=cast.breach(), insurers=[cast.phare().pk])
    return found


def summed_up() -> int:
    return sum_up(now=cast.NOW)


@pytest.mark.parametrize(
    ("change", "figure"),
    [(tell, lambda found: found.people[Standing.TOLD]), (grow, lambda found: found.listed)],
)
def test_a_change_under_way_while_a_sum_is_made_marks_it(
    campaign: Campaign, change: Callable[[Campaign], None], figure: Callable[[Line], int]
) -> None:
    before = figure(line())
    changed, may_commit = Event(), Event()

    def slow() -> None:
        with transaction.atomic():
            change(campaign)
            changed.set()
            assert may_commit.wait(30)

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(at_once, slow)
        assert changed.wait(30)
        summed_up()  # It waits for nobody.
        assert figure(line()) == before
        may_commit.set()
        writer.result()
    assert TallyChange.objects.exists() or RegisterChange.objects.exists()
    assert figure(line()) == before + 1
    assert summed_up() == 1
    assert not TallyChange.objects.exists()
    assert not RegisterChange.objects.exists()
    assert figure(line()) == before + 1


def test_writers_and_sums_at_once_leave_every_reader_right(campaign: Campaign) -> None:
    """What one moment of the database says by its line is what its events say, throughout."""
    ended = Event()
    read: set[int] = set()

    def write() -> None:
        for _ in range(MOVES):
            tell(campaign)

    def write_twice() -> None:
        try:
            at_once(write, write)
        finally:
            ended.set()

    def repeat(work: Callable[[], object]) -> None:
        while not ended.is_set():
            work()

    def compare() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            told = DeliveryEvent.objects.filter(state=State.ACCEPTED).aggregate(all=Sum("people"))
            found = line()
            assert found.people[Standing.TOLD] == (told["all"] or 0)
            assert found.adds_up
            read.add(found.people[Standing.TOLD])

    at_once(write_twice, partial(repeat, summed_up), partial(repeat, compare))
    summed_up()
    assert line().people[Standing.TOLD] == 2 * MOVES
    assert len(read) > 1
