"""Every figure of the register equals one recomputed here from the raw delivery events."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.test import Client

from notifications.models import (
    Campaign,
    DeliveryEvent,
    RecountDifference,
    RecountResult,
    RegisterSum,
    State,
    Tally,
    TallyChange,
)
from notifications.outbox.building import build_outbox
from notifications.register.breach_page import row_of, sorted_rows, total_of
from notifications.register.charts import days_to_be_told, told_course
from notifications.register.clock import clock_of
from notifications.register.figures import Line, register_lines
from notifications.register.glance import GlanceLine, glance_lines
from notifications.register.recount import recount
from notifications.register.summing import sum_up
from notifications.states import STANDING_OF, Standing
from tests import cast
from tests.conftest import as_role
from tests.notifications.story import accepted_list, approved, member

pytestmark = pytest.mark.django_db

PAGE = "/registre/alphapay-betapay-2026/"
PEOPLE = 40


def move(campaign: Campaign, count: int, before: State, after: State, at: datetime) -> None:
    """Have so many people's messages leave a state and enter another."""
    for _ in range(count):
        DeliveryEvent.objects.create(
            campaign=campaign,
            channel="email",
            previous_state=before,
            state=after,
            reason="smtp-550" if after == State.BOUNCED else "",
            people=1,
            messages=1,
            at=at,
        )


@pytest.fixture
def campaign() -> Campaign:
    """Forty people: thirty told over three days, four of whom bounce later, two without contact."""
    rows = [member(n, email=f"p{n}@example.fr") for n in range(1, PEOPLE - 1)]
    rows += [member(n) for n in (PEOPLE - 1, PEOPLE)]
    found = approved(accepted_list(rows))
    with as_role("worker"):
        build_outbox(campaign_id=found.pk, now=cast.NOW)
        cast_sending(found)
    found.refresh_from_db()
    return found


def cast_sending(found: Campaign) -> None:
    for day, count in ((0, 21), (1, 8), (4, 1)):
        at = cast.NOW + timedelta(days=day, hours=day)
        move(found, count, State.PENDING, State.SENDING, at)
        move(found, count, State.SENDING, State.ACCEPTED, at)
    move(found, 4, State.ACCEPTED, State.BOUNCED, cast.NOW + timedelta(days=5))
    move(found, 5, State.ACCEPTED, State.DELIVERED, cast.NOW + timedelta(days=2))


def events() -> Iterator[tuple[datetime, str, int]]:
    """Each event as two: out of a state, into another."""
    for one in DeliveryEvent.objects.order_by("at", "pk"):
        whole = one.people - one.uncounted
        yield one.at, one.state, whole
        if one.previous_state:
            yield one.at, one.previous_state, -whole


def told_by(moment: datetime) -> int:
    told = {state for state, standing in STANDING_OF.items() if standing == Standing.TOLD}
    return sum(people for at, state, people in events() if at < moment and state in told)


def line() -> GlanceLine:
    (found,) = glance_lines(breach=cast.breach(), insurers=[cast.phare().pk])
    return found


def check_line(found: Line) -> None:
    states: Counter[str] = Counter()
    for _at, state, people in events():
        states[state] += people
    assert {s.value: n for s, n in found.figures.people_by_state.items() if n} == +states
    assert found.figures.listed == PEOPLE == sum(states.values())
    hours = [cast.NOW.replace(minute=0) + timedelta(hours=n) for n in range(24 * 8)]
    for share, told_at in zip((50, 95, 100), found.totals.told_at, strict=True):
        enough = [100 * told_by(hour) >= share * PEOPLE for hour in hours]
        lasting = [hour for n, hour in enumerate(hours) if all(enough[n:])]
        assert told_at == (lasting[0] if lasting else None)


def test_lines_equal_the_events_before_and_after_they_are_summed_up(campaign: Campaign) -> None:
    check_line(line())
    assert TallyChange.objects.exists()
    with as_role("worker"):
        assert sum_up(now=cast.NOW) == 1
        assert sum_up(now=cast.NOW) == 0
    assert not TallyChange.objects.exists()
    check_line(line())
    check_line(register_lines(breach=cast.breach(), insurers=[cast.phare()])[0])
    with as_role("worker"):
        move(campaign, 1, State.PENDING, State.SENDING, cast.NOW + timedelta(days=6))
    check_line(line())  # The sum is out of date, and nobody has made it again.


def test_a_glance_has_the_lines_of_the_register(campaign: Campaign) -> None:
    """Plain rows say what objects say, before they are summed up and after."""
    cast.declaration()
    accepted_list([member(50, email="p50@example.fr"), "nobody;;;"])
    for summed in (False, True):
        if summed:
            with as_role("worker"):
                sum_up(now=cast.NOW)
        whole = register_lines(breach=cast.breach(), insurers=[cast.dune(), cast.phare()])
        plain = glance_lines(breach=cast.breach(), insurers=[cast.dune().pk, cast.phare().pk])
        assert [one.insurer.pk for one in plain] == [one.insurer.pk for one in whole]
        for few, many in zip(plain, whole, strict=True):
            assert few.figures.listed == many.figures.listed
            assert few.figures.standings == many.figures.standings
            assert few.figures.unreachable_by_reason == many.figures.unreachable_by_reason
            assert few.figures.message_states == many.figures.message_states
            assert few.rows_rejected == many.rows_rejected
            assert few.is_silent == many.is_silent
            assert few.first_message_at == many.first_message_at
            assert few.last_message_at == many.last_message_at
            assert few.totals == many.totals
            now = cast.NOW
            assert row_of(few, now).clock == row_of(many, now).clock
            assert row_of(few, now).days_to_tell == row_of(many, now).days_to_tell
        assert sum(one.rows_rejected for one in plain) == 1
        total = total_of(plain).line.figures
        assert (total.listed, total.adds_up) == (sum(one.figures.listed for one in whole), True)


def test_a_mark_that_a_transaction_holds_keeps_the_sum_out_of_date(campaign: Campaign) -> None:
    """A list that grows makes the sum out of date as well, without any event."""
    with as_role("worker"):
        sum_up(now=cast.NOW)
    RegisterSum.objects.update(listed=1)
    check_line(line())
    with as_role("worker"):
        assert sum_up(now=cast.NOW) == 1


def test_the_course_and_the_days_equal_the_events(campaign: Campaign) -> None:
    cast.declaration()
    course = told_course([line()])
    assert [(point.day.isoformat(), point.total) for point in course] == [
        (day.date().isoformat(), told_by(day.replace(hour=23)))
        for day in (cast.NOW + timedelta(days=n) for n in (0, 1, 4, 5))
    ]
    groups = {group.label: group.people for group in days_to_be_told([line()]) if group.people}
    assert groups == {"le jour même, ou avant": 21, "1 jour": 5}
    assert sum(groups.values()) == told_by(datetime.max.replace(tzinfo=UTC))


def test_a_recount_agrees_and_names_what_was_tampered_with(campaign: Campaign) -> None:
    with as_role("worker"):
        sum_up(now=cast.NOW)
        result = recount(now=cast.NOW)
    assert (result.differences, result.events, result.lines) == (
        0,
        DeliveryEvent.objects.count(),
        1,
    )
    Tally.objects.filter(state=State.DELIVERED).update(people=99)
    with as_role("worker"), pytest.raises(SystemExit) as stopped:
        call_command("recount")
    assert stopped.value.code == 1
    found = RecountDifference.objects.values_list(
        "kind", "state", "recounted_people", "kept_people"
    )
    assert list(found) == [("tally", "delivered", 5, 99), ("sum", "delivered", 99, 5)]
    assert [one.differences for one in RecountResult.objects.all()] == [2, 0]


def test_the_page_sorts_filters_and_adds_up(client: Client, campaign: Campaign) -> None:
    cast.declaration()
    cast.sign_in(client, cast.aude())
    page = client.get(PAGE, {"tri": "-told"}).content.decode()
    assert 'aria-sort="descending"' in page
    assert "Mutuelle du Phare" in page
    assert page.count('data-label="Informées">26<') == 2  # The line, and the total.
    assert "Aucun organisme ne correspond." in client.get(PAGE, {"q": "dune"}).content.decode()
    assert "Phare (fictive)" in client.get(PAGE, {"shown": "unreachable"}).content.decode()
    assert client.get(PAGE, {"shown": "nonsense", "tri": "x", "page": "99"}).status_code == 200


def test_lines_sort_by_a_figure_and_unknown_ones_come_last() -> None:
    cast.declaration(cast.dune())
    rows = [
        row_of(one, cast.NOW)
        for one in register_lines(breach=cast.breach(), insurers=[cast.dune(), cast.phare()])
    ]
    names = {
        sort: [row.line.insurer.slug for row in sorted_rows(rows, sort)]
        for sort in ("", "name", "-name", "awareness", "-awareness", "clock")
    }
    dune, phare = "mutuelle-de-la-dune", "mutuelle-du-phare"
    assert names == {
        "": [phare, dune],
        "name": [dune, phare],
        "-name": [phare, dune],
        "awareness": [dune, phare],
        "-awareness": [dune, phare],
        "clock": [phare, dune],
    }


@pytest.mark.parametrize(
    ("notified", "now", "state", "hours"),
    [
        (None, 71, "running", 1),
        (None, 73, "late", 1),
        (72, 500, "met", 0),
        (70, 500, "met", 2),
        (80, 500, "late", 8),
    ],
)
def test_the_clock_says_by_how_much(notified: int | None, now: int, state: str, hours: int) -> None:
    declared = cast.declaration()
    if notified:
        declared.authority_notified_at = cast.NOW + timedelta(hours=notified)
    clock = clock_of(declaration=declared, now=cast.NOW + timedelta(hours=now))
    assert (clock.state, clock.hours) == (state, hours)


def test_without_a_date_or_a_concern_no_clock_runs() -> None:
    declared = cast.declaration()
    declared.is_concerned = False
    assert clock_of(declaration=declared, now=cast.NOW).state == "not_due"
    assert clock_of(declaration=None, now=cast.NOW).state == "unknown"
