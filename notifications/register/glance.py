"""The lines of the register: of four hundred insurers, one row each, read as one JSON value.

JSON is parsed in C; of rows, Django parses each moment in Python and makes an object of each. And
most pages need no more of a line than its people: figures by reason are made of lines looked into.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from insurers.known_ids import id_text, known_id
from insurers.models import Breach
from notifications.models import PublicationState, RegisterSum, State
from notifications.register.clock import Declared
from notifications.register.figures import Figures
from notifications.register.summing import SumRow, summed
from notifications.states import Standing

PEOPLE = [standing.value for standing in Standing]
ROW = (
    *("lists", "rows_rejected", "listed", *PEOPLE),
    *("first_message_at", "last_message_at", "half_told_at", "most_told_at", "all_told_at"),
    *("sums", "told_by_day"),
)
COLUMNS = ", ".join(f"summed.{name}" for name in ROW[:-2])
NOTHING = RegisterSum(listed=0)

# A row as `_line` takes it apart: a sum, and whether a mark says that it is out of date.
LINES = f"""
WITH changed AS (
    SELECT breach_id, insurer_id FROM notifications_campaign
    WHERE id IN (SELECT campaign_id FROM notifications_tallychange)
    UNION SELECT breach_id, insurer_id FROM notifications_registerchange
), public AS (
    SELECT statement.breach_id, publication.insurer_id, max(decided_at) AS decided_at
    FROM notifications_publication AS publication
    JOIN notifications_statement AS statement ON statement.id = statement_id
    WHERE statement.breach_id = ANY(%(breaches)s::bigint[]) AND publication.state = %(published)s
    GROUP BY 1, 2
), affiliated AS (
    SELECT breach_id, insurer_id FROM insurers_breachoperator
    JOIN insurers_affiliation USING (operator_id) WHERE breach_id = ANY(%(breaches)s::bigint[])
)
SELECT json_agg(json_build_array(
    asked.id, insurer.id, insurer.slug, insurer.name,
    declared.id IS NOT NULL, declared.is_concerned, declared.awareness_at,
    declared.authority_notified_at, public.insurer_id IS NOT NULL, public.decided_at,
    summed.id IS NOT NULL, changed.insurer_id IS NOT NULL,
    {COLUMNS},
    CASE WHEN %(in_detail)s THEN summed.sums END,
    CASE WHEN %(in_detail)s THEN summed.told_by_day END
))::text
FROM insurers_insurer AS insurer CROSS JOIN unnest(%(breaches)s::bigint[]) AS asked (id)
LEFT JOIN insurers_declaration AS declared
    ON (declared.breach_id, declared.insurer_id) = (asked.id, insurer.id)
LEFT JOIN notifications_registersum AS summed
    ON (summed.breach_id, summed.insurer_id) = (asked.id, insurer.id)
LEFT JOIN public ON (public.breach_id, public.insurer_id) = (asked.id, insurer.id)
LEFT JOIN changed ON (changed.breach_id, changed.insurer_id) = (asked.id, insurer.id)
WHERE (%(insurers)s::text IS NULL OR insurer.id = ANY(string_to_array(%(insurers)s, ',')::uuid[]))
    AND (declared.id IS NOT NULL OR summed.id IS NOT NULL OR changed.insurer_id IS NOT NULL
        OR public.insurer_id IS NOT NULL
        OR (asked.id, insurer.id) IN (SELECT breach_id, insurer_id FROM affiliated))
"""


class KnownInsurer(NamedTuple):
    """Of an insurer, what a line shows."""

    pk: UUID
    slug: str
    name: str


NOBODY = KnownInsurer(UUID(int=0), "", "")


class Published(NamedTuple):
    """Of a public statement, when it became public."""

    decided_at: datetime | None


@dataclass
class Line:
    """One insurer in one breach; or several as one, under no name.

    Each person counts once, whatever the lists and operators; who left the lists before being
    told counts no longer. `rows_rejected` are people whom nobody can tell until their rows are
    corrected: they stand beside the figures, not in them. `told_by_day` has rows of (ISO day in
    Paris, channel, people told that day, net of those whose message came back). `told` is
    `told_at` as it was read.
    """

    insurer: KnownInsurer
    declaration: Declared | None = None
    public_statement: Published | None = None
    is_silent: bool = False
    rows_rejected: int = 0
    listed: int = 0
    people: dict[str, int] = field(default_factory=dict)
    first_message_at: datetime | None = None
    last_message_at: datetime | None = None
    told: Sequence[str | datetime | None] = (None, None, None)
    sums: Sequence[SumRow] = ()
    told_by_day: Sequence[tuple[str, str, int]] = ()

    @property
    def adds_up(self) -> bool:
        """Whether listed = told + in progress + unreachable + exempt + told already + cancelled."""
        return self.listed == sum(self.people.values())

    def people_in(self, state: State) -> int:
        """Return the people whose message is in a state."""
        return sum(people for _id, _channel, found, _r, people, _m in self.sums if found == state)

    @property
    def told_at(self) -> tuple[datetime | None, ...]:
        """The end of the hour since when each share (`SHARES`) of those listed has been told.

        None where it is not so now.
        """
        return tuple(map(_moment, self.told))

    @cached_property
    def figures(self) -> Figures:
        """The people by standing and reason, the messages by state."""
        return figures_of([self])


def figures_of(lines: Iterable[Line]) -> Figures:
    """Return the figures of several lines, added up."""
    lines = list(lines)
    figures = Figures(listed=sum(line.listed for line in lines))
    for _campaign, _channel, state, reason, people, messages in added_up(lines):
        figures.add(State(state), reason, people, messages)
    for standing in Standing:
        figures.people[standing] = sum(line.people.get(standing.value, 0) for line in lines)
    return figures


def added_up(lines: Iterable[Line]) -> list[SumRow]:
    """Return the sums of several lines by state and reason, whatever the campaign and channel."""
    people: dict[tuple[str, str], int] = defaultdict(int)
    messages: dict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        for _campaign, _channel, state, reason, counted, made in line.sums:
            place = state, reason
            people[place] += counted
            messages[place] += made
    return [(None, "", *place, counted, messages[place]) for place, counted in people.items()]


def lines_of(
    *, breach: Breach, insurers: Iterable[UUID] | None = None, in_detail: bool = True
) -> list[Line]:
    """Return a line per insurer that has a part in the breach, silent ones first, then by name.

    Of these insurers, or of all within reach. An insurer has a part when the directory or the
    insurer itself ties it to the breach. Without `in_detail` lines have no `sums` and no
    `told_by_day`, but where they were out of date.
    """
    return lines_by_breach(breaches=[breach], insurers=insurers, in_detail=in_detail)[breach.pk]


def lines_by_breach(
    *, breaches: Collection[Breach], insurers: Iterable[UUID] | None, in_detail: bool
) -> dict[int, list[Line]]:
    """Return the lines of each of several breaches, as `lines_of` does."""
    values = {
        "breaches": [breach.pk for breach in breaches],
        "insurers": None if insurers is None else ",".join(map(id_text, insurers)),
        "in_detail": in_detail,
        "published": PublicationState.PUBLISHED.value,
    }
    lines: dict[int, list[Line]] = {breach.pk: [] for breach in breaches}
    with connection.cursor() as cursor:
        cursor.execute(LINES, values)
        found = json.loads(cursor.fetchone()[0] or "[]")
    now = timezone.now()
    for breach_id, *row in found:
        lines[breach_id].append(_line(breach_id, row, now))
    for some in lines.values():
        some.sort(key=lambda line: (not line.is_silent, line.insurer.name))
    return lines


def _line(breach_id: int, row: list[Any], now: datetime) -> Line:
    """Return a row's line; where it is out of date, out of what it sums up."""
    pk, slug, name, has_declared, is_concerned, awareness_at, notified_at, *others = row
    is_public, decided_at, is_summed, is_changed, *kept = others
    insurer = KnownInsurer(known_id(pk), slug, name)
    if is_changed or not is_summed:
        known = NOTHING
        if is_changed:
            known = summed(breach_id=breach_id, insurer_id=insurer.pk, now=now)
        kept = [getattr(known, name) for name in ROW]
    lists, rows_rejected, listed, *kept = kept
    first_at, last_at, *told, sums, told_by_day = kept[len(PEOPLE) :]
    return Line(
        insurer=insurer,
        declaration=Declared(is_concerned, _moment(awareness_at), _moment(notified_at))
        if has_declared
        else None,
        public_statement=Published(_moment(decided_at)) if is_public else None,
        is_silent=not has_declared and not lists,
        rows_rejected=rows_rejected,
        listed=listed,
        people=dict(zip(PEOPLE, kept, strict=False)),
        first_message_at=_moment(first_at),
        last_message_at=_moment(last_at),
        told=told,
        sums=sums or (),
        told_by_day=told_by_day or (),
    )


def _moment(found: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(found) if isinstance(found, str) else found
