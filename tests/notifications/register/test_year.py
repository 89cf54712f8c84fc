"""A generated year: every figure of the register equals one that is recomputed beside it.

Twenty thousand people in each run of the tests; two million in `make test-full`, by the same code.
"""

import ast
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from insurers.models import AffectedList, AffectedMember, Mandate
from notifications.alerts.conditions import QUICK, conditions
from notifications.models import (
    AlertKind,
    Campaign,
    DeliveryEvent,
    Erasure,
    Notification,
    RecountDifference,
    Tally,
    TallyChange,
    Told,
)
from notifications.register.breach_page import Row
from notifications.register.glance import Line, lines_of
from notifications.register.recount import recount
from notifications.register.summing import sum_up
from notifications.retention.closing import close_what_is_due, hindrances
from tests import cast
from tests.audit.tampering import behind_its_back
from tests.conftest import WebClient, as_role
from tests.faults.stack import own_database
from tests.notifications.register import recomputed
from tests.notifications.register.places import DAY, HOUR, Place
from tests.notifications.register.recomputed import STANDING, Expected, Recomputed
from tests.notifications.register.stories import (
    halts,
    has_two_operators,
    says_nothing,
)
from tests.notifications.register.year import END, OVERDUE, Year, generate

SIZES = [20_000, pytest.param(2_000_000, marks=pytest.mark.full)]
COUNTERS = ("people", "states", "unreachable", "cancelled", "exempt", "messages")
PARIS = ZoneInfo("Europe/Paris")
IN_ORDER = ("told", "in_progress", "unreachable", "exempt", "told_already", "cancelled")
Key = tuple[int, Any]


@dataclass
class Seen:
    """The year, what its events come to, and what each line must say, by breach and insurer."""

    year: Year
    events: Recomputed
    lines: dict[Key, Expected]
    seconds: dict[str, float]

    @property
    def places(self) -> dict[Key, Place]:
        return {(one.breach.pk, one.insurer.pk): one for one in self.year.places}


@pytest.fixture(scope="module", params=SIZES, ids=str)
def seen(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Seen]:
    """The year in a database of its own, where everything is committed as it happens."""
    folder = tmp_path_factory.mktemp("year")
    with django_db_blocker.unblock(), own_database(f"year_{os.getpid()}", folder):
        began = time.monotonic()
        year = generate(request.param)
        generated = time.monotonic()
        events = recompute()
        seconds = {"generated": generated - began, "recomputed": time.monotonic() - generated}
        yield Seen(year, events, expected(year, events), seconds)


@contextmanager
def undone() -> Iterator[None]:
    """Undo what the block does to the database."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def recompute() -> Recomputed:
    with connection.chunked_cursor() as cursor:
        return Recomputed().read(cursor)


def expected(year: Year, events: Recomputed) -> dict[Key, Expected]:
    lines = {}
    for place in year.places:
        line = events.line(place.sheets)
        for name in COUNTERS:
            setattr(line, name, plain(getattr(line, name)))
        lines[place.breach.pk, place.insurer.pk] = line
    return lines


def plain(counts: Mapping[Any, int]) -> Counter[str]:
    return Counter({str(key): count for key, count in counts.items() if count})


def said(line: Line) -> Expected:
    """Return what a line says, in the shape of what is expected of it."""
    figures = line.figures
    return Expected(
        listed=figures.listed,
        rejected=line.rows_rejected,
        people=plain(figures.people),
        states=plain(figures.people_by_state),
        unreachable=plain(figures.unreachable_by_reason),
        cancelled=plain(figures.cancelled_by_reason),
        exempt=plain(figures.exempt_by_ground),
        messages=plain(figures.messages),
        first=line.first_message_at,
        last=line.last_message_at,
        told_at=line.told_at,
    )


def lines_of_both_pages(year: Year) -> Iterator[tuple[Key, Line]]:
    """Yield each line twice, as the page of a breach reads it and as an insurer's does."""
    for breach in year.breaches:
        insurers = [one.insurer for one in year.places if one.breach == breach]
        lines = lines_of(breach=breach)
        for insurer in insurers:
            lines += lines_of(breach=breach, insurers=[insurer.pk])
        for line in lines:
            yield (breach.pk, line.insurer.pk), line


def wrong_lines(year: Year, lines: dict[Key, Expected]) -> set[Key]:
    """Return the lines that say something else than what the files and events come to."""
    found = list(lines_of_both_pages(year))
    assert Counter(key for key, _line in found) == dict.fromkeys(lines, 2)
    return {key for key, line in found if said(line) != lines[key]}


def stories(seen: Seen, keys: set[Key]) -> list[str]:
    return [seen.places[key].story.__name__ for key in keys]


def test_every_line_is_what_the_files_and_the_events_come_to(seen: Seen) -> None:
    """Before its sums are made, and after; and the equation holds, of files against events."""
    for line in seen.lines.values():
        assert line.listed == sum(line.people.values())
        assert all(people > 0 for people in line.people.values())
    assert stories(seen, wrong_lines(seen.year, seen.lines)) == []
    with as_role("worker"):
        assert sum_up(now=END) > 0
    assert stories(seen, wrong_lines(seen.year, seen.lines)) == []
    with as_role("worker"):
        result = recount(now=END)
    assert (result.differences, result.events) == (0, seen.events.events)


def test_whatever_can_happen_has_happened(seen: Seen) -> None:
    lines = seen.lines.values()
    campaigns = seen.events.campaigns.values()
    assert {state for one in campaigns for state, _reason in one.people} == set(STANDING)
    # Whoever is told already counts where they were told.
    states = {state for line in lines for state in line.states}
    assert states == {*STANDING, "exempt"} - {"told_already"}
    of_messages = {state for line in lines for state in line.messages}
    assert of_messages == states - {"exempt", "unreachable"}
    reasons = {reason for one in campaigns for _state, reason in one.people}
    assert reasons >= {
        *("no_contact", "invalid_contact", "shared_address", "suppressed"),
        *("smtp-550", "smtp-554", "dsn-5.1.1", "receipt-failed", "receipt-hard"),
        *("campaign_cancelled", "replaced", "corrected", "withdrawn"),
    }
    assert {ground for line in lines for ground in line.exempt} == {
        "art_34_3_a",
        "art_34_3_b",
    }
    assert {one.state for one in Campaign.objects.all()} >= {
        *("submitted", "approved", "sending", "paused", "halted", "cancelled", "finished"),
    }
    assert {one.kind for one in Campaign.objects.all()} == {"notice", "complement", "correction"}
    lists = AffectedList.objects.all()
    assert {one.state for one in lists} == {"review", "accepted", "withdrawn"}
    assert {one.effect for one in lists} == {"add", "replace", "withdraw"}
    assert lists.exclude(contacts_purged_at=None).exists()
    assert Notification.objects.exclude(resent_at=None).exists()
    channels = DeliveryEvent.objects.order_by().values_list("channel", flat=True).distinct()
    assert set(channels) == {"", "email", "sms", "letter"}
    assert any(line.rejected for line in lines)
    assert any(None not in line.told_at for line in lines)
    assert len({one.insurer.pk for one in seen.year.places}) == 60


def test_nobody_is_told_twice_of_an_operator_by_notices(seen: Seen) -> None:
    """A row of a file that a message told, by person and operator; whoever is named by both is."""
    by_both = 0
    for place in seen.year.places:
        told: Counter[tuple[Any, str]] = Counter()
        for sheet in place.sheets:
            people = set(seen.events.told_people(sheet))
            told.update((person, code) for person in people for code in sheet.operators)
        twice = {one for one, times in told.items() if times > 1}
        assert not twice or place.story is has_two_operators
        by_both += sum(person_code[1] == place.operators[1] for person_code in told)
    assert by_both


def clock(place: Place) -> tuple[str, float]:
    """Return where the clock towards the authority stands, and the hours that were left."""
    if place.story is says_nothing:
        return "unknown", 0
    if not place.is_concerned:
        return "not_due", 0
    left = 72 - ((place.notified_at or END) - place.aware_at) / HOUR
    if left < 0:
        return "late", left
    return ("running" if place.notified_at is None else "met"), left


def test_clocks_and_days_are_those_of_what_was_declared(seen: Seen) -> None:
    clocks = Counter[str]()
    for key, line in lines_of_both_pages(seen.year):
        place, row = seen.places[key], Row(line, END)
        state, left = clock(place)
        assert str(row.clock.state) == state
        assert row.clock.margin / HOUR == pytest.approx(left)
        aware = None if place.story is says_nothing else place.aware_at
        assert row.days_to_tell == tuple(
            (at - aware) / DAY if at and aware else None for at in seen.lines[key].told_at
        )
        clocks[state] += 1
    assert set(clocks) == {"late", "unknown", "running", "met", "not_due"}


def shown_rows(page: str) -> dict[str, list[str]]:
    """Return the cells of each insurer's two rows, by the address of its own page."""
    start = r"<tr><th scope=\"row\" rowspan=\"2\"><a href=\"([^\"]+)\">"
    rows = re.findall(start + r"(.*?</tr><tr class=\"row-more\">.*?)</tr>", page, re.S)
    return {
        address: [
            re.sub(r"<[^>]+>", "\n", cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row, re.S)
        ]
        for address, row in rows
    }


def test_the_pages_show_the_same_figures(seen: Seen) -> None:
    client = WebClient()
    with undone():
        auditor = cast.user("auditrice")
        mandate = Mandate.objects.create(
            user=auditor, until_date=date(2099, 12, 31), created_at=END
        )
        mandate.breaches.set(seen.year.breaches)
        mandate.insurers.set({one.insurer for one in seen.year.places})
        cast.sign_in(client, auditor)
        for breach in seen.year.breaches:
            rows = shown_rows(client.get(f"/registre/{breach.slug}/").content.decode())
            places = [one for one in seen.year.places if one.breach == breach]
            assert len(rows) == len(places)
            for place in places:
                address = f"/registre/{breach.slug}/{place.insurer.slug}/"
                check_row(rows[address], seen.lines[breach.pk, place.insurer.pk], place)


def check_row(cells: list[str], line: Expected, place: Place) -> None:
    _clock, *people, details, messages = cells
    numbers = [int(re.sub(r"\D", "", cell)) for cell in people]
    assert numbers == [line.listed, *(line.people[name] for name in IN_ORDER)]
    for label, state in (
        ("acceptées", "accepted"),
        ("remises", "delivered"),
        ("adresse refusée", "bounced"),
    ):
        shown = re.search(rf"^{label} ([\d\s]+)$", details, re.M)
        assert int(re.sub(r"\s", "", shown[1]) if shown else 0) == line.states[state]
    for label, at in (("premier", line.first), ("dernier", line.last)):
        assert f"{label} {moment(at)}" in messages
    for share, at in zip((50, 95, 100), line.told_at, strict=True):
        days = f"{(at - place.aware_at) / DAY:.1f}".replace(".", ",") if at else "–"
        assert re.search(rf"jours, {share}\s%\s: {days}$", messages, re.M), messages


def moment(at: datetime | None) -> str:
    return at.astimezone(PARIS).strftime("%d/%m/%Y %H:%M") if at else "–"


def test_alerts_are_of_those_concerned_and_of_nobody_else(seen: Seen) -> None:
    breaches = [one.pk for one in seen.year.breaches]
    with as_role("worker"):
        found = [one for one in conditions(QUICK, now=END) if one.breach_id in breaches]
    alerts = {(one.kind, one.breach_id, one.insurer_id) for one in found}
    places = seen.places
    silent = {key for key, place in places.items() if place.story is says_nothing}
    stopped = {key for key, place in places.items() if place.story is halts}
    late = {
        key
        for key, place in places.items()
        if clock(place)[0] == "late" and place.notified_at is None
    }
    forgotten = seen.year.places[OVERDUE]
    assert alerts == {
        *((AlertKind.SILENT, *key) for key in silent),
        *((AlertKind.HALTED, *key) for key in stopped),
        *((AlertKind.CLOCK, *key) for key in late),
        (AlertKind.ERASURE, forgotten.breach.pk, forgotten.insurer.pk),
    }
    assert min(len(silent), len(stopped), len(late)) > 1


def test_a_falsified_event_or_tally_is_found(seen: Seen) -> None:
    """By whoever recomputes, and by the recount, which names the insurer."""
    told = DeliveryEvent.objects.filter(state="delivered", people=1).order_by("pk")
    event = told.select_related("campaign").first()
    assert event is not None
    key = event.campaign.breach_id, event.campaign.insurer_id
    with undone():
        with behind_its_back():
            DeliveryEvent.objects.filter(pk=event.pk).update(people=7)
        lines = expected(seen.year, recompute())
        assert wrong_lines(seen.year, lines) == {key}
        assert found_by_recount() == {key}
    with undone():
        with behind_its_back():
            tally = Tally.objects.filter(campaign=event.campaign, state="delivered").first()
            assert tally is not None
            Tally.objects.filter(pk=tally.pk).update(people=tally.people - 1)
        assert found_by_recount() == {key}
        with as_role("worker"):
            TallyChange.objects.create(campaign=event.campaign, shard=0)
            sum_up(now=END)
        assert wrong_lines(seen.year, seen.lines) == {key}


def found_by_recount() -> set[Key]:
    with as_role("worker"):
        result = recount(now=END)
    assert result.differences > 0
    return set(RecountDifference.objects.values_list("breach", "insurer"))


def test_a_breach_that_is_closed_keeps_its_figures(seen: Seen) -> None:
    """Whatever is kept by person goes; the lines and the events still say the same."""
    breach = seen.year.breaches[0]
    assert hindrances(breach=breach) == []
    lists = list(AffectedList.objects.filter(breach=breach).values_list("pk", flat=True))
    assert AffectedMember.objects.filter(list_id__in=lists).exists()
    breach.closing_date = END.date()
    breach.save()
    with as_role("worker"):
        close_what_is_due(now=END)
    campaigns = Campaign.objects.filter(breach=breach)
    assert not AffectedMember.objects.filter(list_id__in=lists).exists()
    assert not Told.objects.filter(campaign__in=campaigns).exists()
    assert not Notification.objects.filter(campaign__in=campaigns).exists()
    events = DeliveryEvent.objects.filter(campaign__in=campaigns)
    assert not events.exclude(notification_id=None).exists()
    assert not Erasure.objects.filter(breach=breach, finished_at=None).exists()
    assert stories(seen, wrong_lines(seen.year, seen.lines)) == []
    with as_role("worker"):
        assert recount(now=END).differences == 0
    again = recompute()
    assert again.events == seen.events.events
    assert again.campaigns == seen.events.campaigns


def test_the_recomputation_shares_nothing_with_the_portal() -> None:
    tree = ast.parse(Path(recomputed.__file__).read_text(encoding="utf-8"))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    assert set(imported) == {"collections", "collections.abc", "dataclasses", "datetime", "typing"}


def test_its_size_is_told(seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures that docs/register.md has."""
    people = sum((line.people for line in seen.lines.values()), Counter[str]())
    lines = [
        f"{len(seen.year.breaches)} breaches, 60 insurers, {sum(people.values()):,} people listed,"
        f" {AffectedList.objects.count()} lists, {Campaign.objects.count()} campaigns,"
        f" {seen.events.events:,} events",
        ", ".join(f"{name} {people[name]:,}" for name in IN_ORDER),
        ", ".join(f"{what} in {seconds:.0f} s" for what, seconds in seen.seconds.items()),
    ]
    if sum(people.values()) > 100_000:
        with capsys.disabled():
            print("\n" + "\n".join(lines))  # noqa: T201 (goes to docs/register.md)
    assert sum(people.values()) > 0
