"""A breach at a glance: one plain row for each of four hundred insurers, read as one JSON value.

JSON is parsed in C; of rows, Django parses each moment in Python and makes an object of each. And
most pages need no more of a line than a few sums: figures by reason are made of lines looked into.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from insurers.lists.rejected import rows_to_correct
from insurers.models import Breach, ListEffect, ListState
from notifications.models import CampaignKind, PublicationState, State
from notifications.register.clock import Declared
from notifications.register.figures import BUILT, Figures
from notifications.register.summing import Totals, totals_of
from notifications.states import Standing

# A row as `_line` takes it apart. A sum holds while no tally was marked and as many are listed.
LINES = """
WITH list AS (
    SELECT insurer_id, sum(members - members_uncounted) AS listed,
        sum(members - members_uncounted) FILTER (WHERE id NOT IN (
            SELECT affected_list_id FROM notifications_campaign
            WHERE breach_id = %(breach)s AND kind = %(notice)s AND state = ANY(%(built)s)
        )) AS waiting,
        CASE WHEN sum(rows_rejected) > 0 THEN json_agg(json_build_array(id, corrects_id, rows,
            rows_rejected)) FILTER (WHERE state <> %(withdrawn)s) END AS rejecting
    FROM insurers_affectedlist
    WHERE breach_id = %(breach)s AND state = ANY(%(listing)s) AND effect <> %(withdraws)s
    GROUP BY insurer_id
), campaign AS (
    SELECT insurer_id, min(first_message_at) AS first_at, max(last_message_at) AS last_at,
        json_agg(id) FILTER (WHERE state = ANY(%(built)s)) AS sent,
        json_agg(id) FILTER (WHERE state = ANY(%(built)s) AND kind = %(notice)s) AS counted,
        bool_or(id IN (SELECT campaign_id FROM notifications_tallychange)) AS is_marked
    FROM notifications_campaign WHERE breach_id = %(breach)s GROUP BY insurer_id
), public AS (
    SELECT publication.insurer_id, max(decided_at) AS decided_at
    FROM notifications_publication AS publication
    JOIN notifications_statement AS statement ON statement.id = statement_id
    WHERE statement.breach_id = %(breach)s AND publication.state = %(published)s
    GROUP BY publication.insurer_id
), summed AS (
    SELECT * FROM notifications_registersum WHERE breach_id = %(breach)s
), affiliated AS (
    SELECT insurer_id FROM insurers_affiliation
    WHERE operator_id IN (SELECT operator_id FROM insurers_breachoperator
        WHERE breach_id = %(breach)s)
)
SELECT json_agg(json_build_array(
    insurer.id, insurer.slug, insurer.name,
    declared.id IS NOT NULL, declared.is_concerned, declared.awareness_at,
    declared.authority_notified_at,
    list.insurer_id IS NOT NULL, coalesce(list.listed, 0), coalesce(list.waiting, 0),
    list.rejecting,
    campaign.first_at, campaign.last_at, campaign.sent, campaign.counted,
    public.insurer_id IS NOT NULL, public.decided_at,
    summed.insurer_id IS NOT NULL AND campaign.is_marked IS NOT TRUE
        AND summed.listed = coalesce(list.listed, 0),
    summed.sums, CASE WHEN %(with_days)s THEN summed.told_by_day END,
    summed.half_told_at, summed.most_told_at, summed.all_told_at
))::text
FROM insurers_insurer AS insurer
LEFT JOIN insurers_declaration AS declared
    ON declared.insurer_id = insurer.id AND declared.breach_id = %(breach)s
LEFT JOIN list ON list.insurer_id = insurer.id
LEFT JOIN campaign ON campaign.insurer_id = insurer.id
LEFT JOIN public ON public.insurer_id = insurer.id
LEFT JOIN summed ON summed.insurer_id = insurer.id
WHERE (%(insurers)s::text IS NULL OR insurer.id = ANY(string_to_array(%(insurers)s, ',')::uuid[]))
    AND (declared.id IS NOT NULL OR list.insurer_id IS NOT NULL
        OR campaign.insurer_id IS NOT NULL OR public.insurer_id IS NOT NULL
        OR insurer.id IN (SELECT insurer_id FROM affiliated))
"""


class KnownInsurer(NamedTuple):
    """Of an insurer, what a line shows."""

    pk: UUID
    slug: str
    name: str


NOBODY = KnownInsurer(UUID(int=0), "", "")


class ListRows(NamedTuple):
    """Of a list, what its rejected rows come to."""

    pk: int
    corrects_id: int | None
    rows: int
    rows_rejected: int


class Published(NamedTuple):
    """Of a public statement, when it became public."""

    decided_at: datetime | None


@dataclass
class GlanceLine:
    """One insurer in one breach, as `RegisterLine` has it; or several as one, under no name.

    `waiting` are people of lists without an outbox.
    """

    insurer: KnownInsurer
    declaration: Declared | None = None
    public_statement: Published | None = None
    first_message_at: datetime | None = None
    last_message_at: datetime | None = None
    listed: int = 0
    waiting: int = 0
    rows_rejected: int = 0
    is_silent: bool = False
    sent: Collection[int] = ()
    counted: Collection[int] = ()
    totals: Totals = field(default_factory=Totals)

    @cached_property
    def figures(self) -> Figures:
        """The people by standing and reason, the messages by state."""
        return figures_of([self])


def figures_of(lines: Iterable[GlanceLine]) -> Figures:
    """Return the figures of several lines, added up."""
    people: Counter[tuple[str, str]] = Counter()
    messages: Counter[tuple[str, str]] = Counter()
    figures = Figures()
    for line in lines:
        figures.listed += line.listed
        figures.people[Standing.IN_PROGRESS] += line.waiting
        for campaign_id, _channel, state, reason, whole, uncounted, made in line.totals.sums:
            if campaign_id in line.counted:
                people[state, reason] += whole - uncounted
            if campaign_id in line.sent:
                messages[state, reason] += made
    for (state, reason), made in messages.items():
        figures.add(State(state), reason, people[state, reason], made)
    return figures


def glance_lines(
    *, breach: Breach, insurers: Iterable[UUID] | None = None, with_days: bool = True
) -> list[GlanceLine]:
    """Return the lines that `register_lines` has for these insurers, or for all within reach.

    `with_days` is whether charts are drawn: without, `totals.told_by_day` may be empty.
    """
    values = {
        "breach": breach.pk,
        "insurers": None if insurers is None else ",".join(map(str, insurers)),
        "with_days": with_days,
        "built": [state.value for state in BUILT],
        "notice": CampaignKind.NOTICE.value,
        "withdrawn": ListState.WITHDRAWN.value,
        "withdraws": ListEffect.WITHDRAW.value,
        "listing": [
            state.value
            for state in (ListState.ACCEPTED, ListState.WITHDRAWING, ListState.WITHDRAWN)
        ],
        "published": PublicationState.PUBLISHED.value,
    }
    with connection.cursor() as cursor:
        cursor.execute(LINES, values)
        found = json.loads(cursor.fetchone()[0] or "[]")
    lines = [_line(breach, row) for row in found]
    return sorted(lines, key=lambda line: (not line.is_silent, line.insurer.name))


def _line(breach: Breach, row: list[Any]) -> GlanceLine:
    pk, slug, name, has_declared, is_concerned, awareness_at, notified_at, *others = row
    has_lists, listed, waiting, rejecting, first_at, last_at, sent, counted, *others = others
    is_public, decided_at, holds, sums, told_by_day, *told_at = others
    insurer = KnownInsurer(UUID(pk), slug, name)
    if holds:
        totals = Totals(sums, told_by_day or (), tuple(map(_moment, told_at)))
    elif sent:
        totals = totals_of(breach_id=breach.pk, insurer_id=insurer.pk, listed=listed)
    else:
        totals = Totals()
    return GlanceLine(
        insurer=insurer,
        declaration=Declared(is_concerned, _moment(awareness_at), _moment(notified_at))
        if has_declared
        else None,
        public_statement=Published(_moment(decided_at)) if is_public else None,
        first_message_at=_moment(first_at),
        last_message_at=_moment(last_at),
        listed=listed,
        waiting=waiting,
        rows_rejected=rows_to_correct([ListRows(*one) for one in rejecting]) if rejecting else 0,
        is_silent=not has_declared and not has_lists,
        sent=sent or (),
        counted=counted or (),
        totals=totals,
    )


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
