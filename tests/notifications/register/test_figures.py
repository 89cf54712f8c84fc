"""Every figure of the register equals one recomputed here from the raw delivery events."""

import gc
import re
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
    RegisterChange,
    RegisterSum,
    State,
    Tally,
    TallyChange,
)
from notifications.outbox.building import build_outbox
from notifications.register.breach_page import SORTS, Row, sorted_rows, total_of
from notifications.register.charts import days_to_be_told, together, told_course
from notifications.register.clock import Declared, clock_of
from notifications.register.glance import NOBODY, Line, lines_of
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


def line() -> Line:
    (found,) = lines_of(breach=cast.breach(), insurers=[cast.phare().pk])
    return found


def check_line(found: Line) -> None:
    states: Counter[str] = Counter()
    for _at, state, people in events():
        states[state] += people
    assert {s.value: n for s, n in found.figures.people_by_state.items() if n} == +states
    assert found.figures.listed == PEOPLE == sum(states.values())
    hours = [cast.NOW.replace(minute=0) + timedelta(hours=n) for n in range(24 * 8)]
    for share, told_at in zip((50, 95, 100), found.told_at, strict=True):
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
    with as_role("worker"):
        move(campaign, 1, State.PENDING, State.SENDING, cast.NOW + timedelta(days=6))
    check_line(line())  # The sum is out of date, and nobody has made it again.


def test_a_sum_says_what_lists_campaigns_and_tallies_say(campaign: Campaign) -> None:
    """Read where it stands, as before it was made; a list or campaign that changes marks it."""
    cast.declaration()
    accepted_list([member(50, email="p50@example.fr"), "nobody;;;"])
    two = [cast.dune().pk, cast.phare().pk]
    Campaign.objects.update(first_message_at=cast.NOW, last_message_at=cast.NOW)
    made = lines_of(breach=cast.breach(), insurers=two)
    with as_role("worker"):
        sum_up(now=cast.NOW)
    assert not RegisterChange.objects.exists()
    read = lines_of(breach=cast.breach(), insurers=two)
    assert [one.is_silent for one in read] == [one.is_silent for one in made]
    for before, after in zip(made, read, strict=True):
        assert [tuple(row) for row in after.sums] == [tuple(row) for row in before.sums]
        assert (after.listed, after.people, after.told_at) == (
            before.listed,
            before.people,
            before.told_at,
        )
        assert after.figures == before.figures
        assert (after.first_message_at, after.last_message_at) == (
            before.first_message_at,
            before.last_message_at,
        )
    assert sum(one.rows_rejected for one in read) == 1
    total = total_of(read)
    assert (total.listed, total.adds_up) == (PEOPLE + 1, True)
    Campaign.objects.update(last_message_at=cast.NOW + timedelta(days=1))
    assert line().last_message_at == cast.NOW + timedelta(days=1)
    accepted_list([member(51, email="p51@example.fr")])
    assert (line().listed, line().adds_up) == (PEOPLE + 2, True)


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
    RegisterSum.objects.update(told=1, unreachable=30)
    assert list(recount(now=cast.NOW).found.filter(kind="sum", state="").values_list("reason")) == [
        ("told",),
        ("unreachable",),
    ]


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


def test_a_page_leaves_no_line_to_the_collection_of_garbage(client: Client) -> None:
    """Four hundred of them, at each page, had one collect in the middle of another's."""
    cast.phare()
    cast.sign_in(client, cast.aude())
    gc.collect()
    gc.disable()
    try:
        assert "Mutuelle du Phare" in client.get(PAGE).content.decode()
        assert not any(type(one) is Row for one in gc.get_objects())
    finally:
        gc.enable()


def test_insurers_told_on_one_day_are_drawn_as_one_but_who_lost_some() -> None:
    """The charts are the same, whether of each line or of what is drawn together."""
    aware = Declared(True, cast.NOW, None)
    day, later = cast.NOW.date().isoformat(), (cast.NOW + timedelta(days=4)).date().isoformat()
    told = [
        (aware, [(day, "email", 5), (later, "sms", 2)]),
        (aware, [(day, "email", 3), (later, "email", 1)]),
        (aware, [(day, "email", 4), (later, "email", -1)]),
        (None, [(day, "email", 7)]),
        (aware, []),
    ]
    lines = [Line(NOBODY, declaration=one, told_by_day=by_day) for one, by_day in told]
    drawn = together(lines)
    assert len(drawn) == 3
    assert told_course(drawn) == told_course(lines)
    assert days_to_be_told(drawn) == days_to_be_told(lines)


def test_the_form_sorts_as_the_headers_do(client: Client, campaign: Campaign) -> None:
    """A narrow screen shows no headers; a sort stays when something is looked for."""
    cast.sign_in(client, cast.aude())
    page = client.get(PAGE, {"tri": "-told"}).content.decode()
    offered = set(re.findall(r'<option value="(-?[a-z_]+)"', page))
    assert set(SORTS) | {f"-{key}" for key in SORTS} <= offered
    assert '<option value="-told" selected>Informées, décroissant</option>' in page


def test_lines_sort_by_a_figure_and_unknown_ones_come_last() -> None:
    cast.declaration(cast.dune())
    rows = [
        Row(one, cast.NOW)
        for one in lines_of(breach=cast.breach(), insurers=[cast.dune().pk, cast.phare().pk])
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
    ("notified", "now", "state", "words"),
    [
        (None, 71, "running", "encore 0 j 1 h"),
        (None, 73, "late", "de 0 j 1 h, pas notifiée"),
        (72, 500, "met", "avec 0 j 0 h d’avance"),
        (70, 500, "met", "avec 0 j 2 h d’avance"),
        (80, 500, "late", "de 0 j 8 h"),
    ],
)
def test_the_clock_says_by_how_much(notified: int | None, now: int, state: str, words: str) -> None:
    declared = cast.declaration()
    if notified:
        declared.authority_notified_at = cast.NOW + timedelta(hours=notified)
    clock = clock_of(declaration=declared, now=cast.NOW + timedelta(hours=now))
    assert (clock.state, clock.words.replace("\u00a0", " ")) == (state, words)


def test_without_a_date_or_a_concern_no_clock_runs() -> None:
    declared = cast.declaration()
    declared.is_concerned = False
    assert clock_of(declaration=declared, now=cast.NOW).state == "not_due"
    assert clock_of(declaration=None, now=cast.NOW).state == "unknown"
