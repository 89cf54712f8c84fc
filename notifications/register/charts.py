"""What the register’s charts show, as plain figures: drawn by the page, and told in tables."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, tzinfo
from itertools import accumulate
from operator import itemgetter, sub

from django.utils import timezone
from django.utils.translation import gettext, ngettext

from notifications.models import Channel
from notifications.register.glance import NOBODY, Line

PEOPLE = itemgetter(2)  # of a row of `told_by_day`
POINTS = 30  # of the course, at most
# The last day (included) of each group of days from awareness, but for the last group.
GROUPS = (0, 1, 2, 3, 7, 14, 30, 60)


@dataclass(frozen=True)
class ToldPoint:
    """How many people were told by the end of a day (in Paris), by channel."""

    day: date
    by_channel: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """All channels together."""
        return sum(people for _channel, people in self.by_channel)


def together(lines: Iterable[Line]) -> list[Line]:
    """Return the lines as few as the charts need: as one, those that knew on one day.

    But each line of which somebody is told no longer, since how many were told for good is its own.
    """
    found: list[Line] = []
    by_awareness: dict[date | None, Line] = {}
    told: dict[date | None, dict[tuple[str, str], int]] = {}
    zone = timezone.get_current_timezone()
    for line in lines:
        if min(map(PEOPLE, line.told_by_day), default=0) < 0:
            found.append(line)
            continue
        aware = _aware(line, zone)
        by_awareness.setdefault(aware, line)
        by_day = told.setdefault(aware, defaultdict(int))
        for day, channel, people in line.told_by_day:
            by_day[day, channel] += people
    for aware, line in by_awareness.items():
        by_day = told[aware]
        rows = [(*place, people) for place, people in sorted(by_day.items())]
        found.append(Line(NOBODY, declaration=line.declaration, told_by_day=rows))
    return found


def told_course(lines: Iterable[Line]) -> list[ToldPoint]:
    """Return the people told by day and channel, POINTS at most, the first and last days kept."""
    by_day: Counter[tuple[str, str]] = Counter()
    for line in lines:
        for day, channel, people in line.told_by_day:
            by_day[day, channel] += people
    told: Counter[str] = Counter()
    points = []
    for day in sorted({day for day, _channel in by_day}):
        for channel in Channel:
            told[channel.value] += by_day[day, channel.value]
        shown = tuple((channel.value, told[channel.value]) for channel in Channel)
        points.append(ToldPoint(date.fromisoformat(day), shown))
    if len(points) <= POINTS:
        return points
    step = (len(points) - 1) / (POINTS - 1)
    return [points[round(step * place)] for place in range(POINTS)]


@dataclass(frozen=True)
class DaysGroup:
    """People told so many days after their insurer's awareness."""

    label: str
    people: int


def days_to_be_told(lines: Iterable[Line]) -> list[DaysGroup]:
    """Return the people told by groups of days from awareness; those of no date come last.

    A message that came back later takes people off the days at the end: the people of a day are
    those by whom the number told grew, never to fall below again.
    """
    # Insurers that knew on one day are counted as one: days to be told are then the same days.
    by_days: Counter[tuple[date | None, str]] = Counter()
    zone = timezone.get_current_timezone()
    for line in lines:
        aware = _aware(line, zone)
        for day, people in _for_good(line):
            by_days[aware, day] += people
    groups: Counter[int] = Counter()
    undated = 0
    for (aware, day), people in by_days.items():
        if aware is None:
            undated += people
        else:
            groups[bisect_left(GROUPS, (date.fromisoformat(day) - aware).days)] += people
    found = [DaysGroup(_label(place), groups[place]) for place in range(len(GROUPS) + 1)]
    if undated:
        found.append(DaysGroup(gettext("sans date de prise de connaissance"), undated))
    return found


def _aware(line: Line, zone: tzinfo) -> date | None:
    at = line.declaration.awareness_at if line.declaration else None
    return at.astimezone(zone).date() if at else None


def _for_good(line: Line) -> Iterator[tuple[str, int]]:
    """Yield by how many people the number told grew each (ISO) day for good."""
    by_day: dict[str, int] = {}
    for day, _channel, people in line.told_by_day:
        by_day[day] = by_day.get(day, 0) + people
    days = sorted(by_day)
    if min(by_day.values(), default=0) < 0:
        lasting = list(accumulate(by_day[day] for day in days))
        for place in range(len(lasting) - 2, -1, -1):
            lasting[place] = min(lasting[place], lasting[place + 1])
        by_day = dict(zip(days, map(sub, lasting, [0, *lasting]), strict=False))
    for day in days:
        yield day, by_day[day]


def _label(place: int) -> str:
    if place == 0:
        return gettext("le jour même, ou avant")
    if place == len(GROUPS):
        return gettext("plus de %(days)d jours") % {"days": GROUPS[-1]}
    first, last = GROUPS[place - 1] + 1, GROUPS[place]
    if first == last:
        return ngettext("%(days)d jour", "%(days)d jours", last) % {"days": last}
    return gettext("%(first)d à %(last)d jours") % {"first": first, "last": last}
