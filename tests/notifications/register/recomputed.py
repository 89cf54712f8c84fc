"""The register's figures once more, from the files that were sent and the events as they stand.

This is another way to the same figures: states, standings and sums are written here anew, and
nothing of the portal is imported (`test_year.py` holds that).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

STANDING = {
    "pending": "in_progress",
    "sending": "in_progress",
    "deferred": "in_progress",
    "accepted": "told",
    "delivered": "told",
    "uncertain": "told",
    "complained": "told",
    "bounced": "unreachable",
    "failed": "unreachable",
    "suppressed": "unreachable",
    "unreachable": "unreachable",
    "told_already": "told_already",
    "cancelled": "cancelled",
}
ANSWERS = ("accepted", "bounced", "deferred", "failed", "uncertain")
NO_ANSWER = ("worker-lost",)  # nobody knows whether it left
READ_TOGETHER = 50_000

EVENTS = """
SELECT campaign_id, notification_id, state, reason, previous_state, previous_reason, people,
    uncounted, messages, at
FROM notifications_deliveryevent ORDER BY id
"""
CAMPAIGNS = "SELECT id, affected_list_id, kind, state FROM notifications_campaign"
COVERED = "SELECT notification_id, list_id, ordinal FROM notifications_covered"
BUILT = ("sending", "paused", "halted", "finished", "cancelled")

Person = tuple[int, str]


class Row(Protocol):
    """A row of a file."""

    @property
    def number(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def born(self) -> str: ...


class Sheet(Protocol):
    """A file that was sent."""

    @property
    def affected_list(self) -> Any: ...
    @property
    def rows(self) -> Sequence[Row]: ...
    @property
    def operators(self) -> tuple[str, ...]: ...
    @property
    def effect(self) -> Any: ...
    @property
    def corrects(self) -> Any: ...
    @property
    def is_accepted(self) -> bool: ...
    @property
    def is_approved(self) -> bool: ...
    @property
    def is_withdrawn(self) -> bool: ...
    @property
    def exempt_by(self) -> str: ...


@dataclass
class Expected:
    """What a line must say; people, but for `messages` and `rejected` (rows)."""

    listed: int = 0
    rejected: int = 0
    people: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    unreachable: Counter[str] = field(default_factory=Counter)
    cancelled: Counter[str] = field(default_factory=Counter)
    exempt: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None
    told_at: tuple[datetime | None, ...] = (None, None, None)


@dataclass
class OfCampaign:
    """What the events of one campaign come to."""

    people: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    told_in_hour: Counter[datetime] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, sign: int, state: str, reason: str, event: tuple[Any, ...]) -> None:
        """Add an event to the state it enters, or take it out of the one it leaves."""
        *_, people, uncounted, messages, at = event
        self.people[state, reason] += sign * (people - uncounted)
        self.messages[state] += sign * messages
        if STANDING[state] == "told":
            hour = at.replace(minute=0, second=0, microsecond=0)
            self.told_in_hour[hour] += sign * (people - uncounted)


@dataclass
class Recomputed:
    """All events read once, in order."""

    campaigns: dict[int, OfCampaign] = field(default_factory=lambda: defaultdict(OfCampaign))
    of_list: dict[int, list[tuple[int, str, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    told_rows: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    events: int = 0

    def read(self, cursor: Any) -> "Recomputed":
        """Read events, campaigns and whom messages cover, through a cursor of any database role."""
        states: dict[int, str] = {}
        cursor.execute(EVENTS)
        for event in _rows(cursor):
            campaign_id, message, state, reason, before, before_reason, *_ = event
            found = self.campaigns[campaign_id]
            found.add(1, state, reason, event)
            if before:
                found.add(-1, before, before_reason, event)
            if before == "sending" and state in ANSWERS and reason not in NO_ANSWER:
                found.first = min(found.first or event[-1], event[-1])
                found.last = max(found.last or event[-1], event[-1])
            if message is not None:
                states[message] = state
            self.events += 1
        cursor.execute(COVERED)
        for message, list_id, ordinal in _rows(cursor):
            if STANDING.get(states.get(message, ""), "") == "told":
                self.told_rows[list_id].add(ordinal)
        cursor.execute(CAMPAIGNS)
        for pk, list_id, kind, state in cursor.fetchall():
            self.of_list[list_id].append((pk, kind, state))
        return self

    def line(self, sheets: Sequence[Sheet]) -> Expected:
        """Return what the line of an insurer that sent these files must say."""
        accepted = [one for one in sheets if one.is_accepted and one.effect != "withdraw"]
        standing = standing_people([one for one in sheets if one.is_accepted])
        told = {person for one in accepted for person in self.told_people(one)}
        expected = Expected(listed=len(told.union(*standing)), rejected=_rejected(accepted))
        hours: Counter[datetime] = Counter()
        answered: list[datetime] = []
        waiting: set[Person] = set()
        for sheet, stay in zip(accepted, standing, strict=True):
            built = [one for one in self.of_list[sheet.affected_list.pk] if one[2] in BUILT]
            for pk, kind, _state in built:
                found = self.campaigns[pk]
                self._add(expected, found, sheet.exempt_by, counts=kind == "notice")
                answered += filter(None, (self.campaigns[pk].first, self.campaigns[pk].last))
                if kind == "notice":
                    hours.update(self.campaigns[pk].told_in_hour)
            if not any(kind == "notice" for _pk, kind, _state in built):
                if sheet.exempt_by:
                    self._exempt(expected, sheet.exempt_by, len(stay - told))
                else:
                    waiting |= stay
        expected.people["in_progress"] += len(waiting - told)
        expected.first, expected.last = min(answered, default=None), max(answered, default=None)
        expected.told_at = tuple(told_at(hours, expected.listed, share) for share in (50, 95, 100))
        return expected

    def told_people(self, sheet: Sheet) -> Iterator[Person]:
        """Yield those of a file whom a message told; a row that is there twice, twice perhaps."""
        told = self.told_rows[sheet.affected_list.pk]
        return (_person(row) for place, row in enumerate(sheet.rows, FIRST_ROW) if place in told)

    def _exempt(self, expected: Expected, ground: str, people: int) -> None:
        expected.people["exempt"] += people
        expected.states["exempt"] += people
        expected.exempt[ground] += people

    def _add(self, expected: Expected, found: OfCampaign, exempt_by: str, *, counts: bool) -> None:
        expected.messages.update(found.messages)
        for (state, reason), people in found.people.items() if counts else ():
            standing = STANDING[state]
            was_to_be_told = standing == "unreachable" or reason == "campaign_cancelled"
            if exempt_by and was_to_be_told:
                self._exempt(expected, exempt_by, people)
                continue
            expected.people[standing] += people
            expected.states[state] += people
            by_reason = {
                "unreachable": expected.unreachable,
                "cancelled": expected.cancelled,
            }.get(standing)
            if by_reason is not None:
                by_reason[reason] += people


FIRST_ROW = 2  # of a file, below its header
NEVER_BORN = "31/02/1980"


def _person(row: Row) -> Person:
    return row.number, row.name


def standing_people(sheets: Sequence[Sheet]) -> list[set[Person]]:
    """Return whom each accepted file of people still lists at the end, whatever came after it.

    A file without an approved campaign gives way as a whole to the one that replaces it.
    """
    standing: list[tuple[Sheet, set[Person]]] = []
    for sheet in sheets:
        named = {_person(row) for row in sheet.rows if row.born != NEVER_BORN}
        for earlier, stay in standing:
            if sheet.effect == "replace" and set(earlier.operators) == set(sheet.operators):
                stay &= named if earlier.is_approved else set()
            if sheet.effect == "withdraw" and set(earlier.operators) <= set(sheet.operators):
                stay -= named
        if sheet.effect != "withdraw":
            standing.append((sheet, named))
    return [set() if sheet.is_withdrawn else stay for sheet, stay in standing]


def _rejected(sheets: Sequence[Sheet]) -> int:
    """Return the rows that were rejected, and that no later file brings corrected."""
    rejected = 0
    for sheet in sheets:
        wrong = sum(row.born == NEVER_BORN for row in sheet.rows)
        if sheet.is_withdrawn:
            continue
        if sheet.corrects is None:
            rejected += wrong
        else:
            rejected -= len(sheet.rows) - wrong
    return rejected


def told_at(hours: Counter[datetime], listed: int, share: int) -> datetime | None:
    """Return the end of the hour since when that share (in 100) of the listed has been told."""
    told, since = sum(hours.values()), None
    for hour in sorted(hours, reverse=True):
        if not listed or 100 * told < share * listed:
            break
        since = hour + timedelta(hours=1)
        told -= hours[hour]
    return since


def _rows(cursor: Any) -> Iterable[tuple[Any, ...]]:
    while rows := cursor.fetchmany(READ_TOGETHER):
        yield from rows
