"""A breach at a glance: of four hundred insurers no more than their figures need, as plain rows."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from insurers.lists.rejected import rows_to_correct
from insurers.models import (
    AffectedList,
    Affiliation,
    Breach,
    BreachOperator,
    Declaration,
    Insurer,
    ListState,
)
from insurers.plain_rows import plain_rows
from notifications.models import Campaign, Publication, PublicationState, RegisterSum
from notifications.register.figures import BUILT, Line, add_people
from notifications.register.summing import Totals, changed_insurers, totals_of


class KnownInsurer(NamedTuple):
    """Of an insurer, what a line shows."""

    pk: UUID
    slug: str
    name: str


class Declared(NamedTuple):
    """Of a declaration, what the clock needs."""

    is_concerned: bool
    awareness_at: datetime | None
    authority_notified_at: datetime | None


class ListCounts(NamedTuple):
    """Of a list, what its people need."""

    pk: int
    state: str
    corrects_id: int | None
    rows: int
    rows_rejected: int
    members: int
    members_uncounted: int


class CampaignTimes(NamedTuple):
    """Of a campaign, which people it is for and when they were written to."""

    pk: int
    affected_list_id: int
    kind: str
    state: str
    first_message_at: datetime | None
    last_message_at: datetime | None


class Published(NamedTuple):
    """Of a public statement, when it became public."""

    decided_at: datetime | None


def known_insurers(reachable: Collection[UUID] | None = None) -> list[KnownInsurer]:
    """Return the insurers of the directory, or those of them that are within reach."""
    found = [
        KnownInsurer(UUID(pk), slug, name)
        for pk, slug, name in plain_rows(Insurer.objects.order_by(), "pk", "slug", "name")
    ]
    return [one for one in found if reachable is None or one.pk in reachable]


def glance_lines(*, breach: Breach, insurers: Collection[KnownInsurer]) -> list[Line]:
    """Return the lines of `register_lines`, with plain rows for objects."""
    lines = {str(one.pk): Line(breach, one) for one in insurers}
    declared = _declared(breach)
    lists, campaigns = _by_insurer(_lists(breach)), _by_insurer(_campaigns(breach))
    published = _published(breach)
    parts = _affiliated(breach) | {*declared, *lists, *campaigns, *published}
    lines = {pk: line for pk, line in lines.items() if pk in parts}
    for pk, line in lines.items():
        line.declaration = declared.get(pk)
        line.lists, line.campaigns = lists.get(pk, []), campaigns.get(pk, [])
        line.public_statement = published.get(pk)
        line.figures.listed = sum(one.members - one.members_uncounted for one in line.lists)
    _add_totals(breach, lines)
    for line in lines.values():
        add_people(line)
        if any(one.rows_rejected for one in line.lists):
            standing = [one for one in line.lists if one.state != ListState.WITHDRAWN]
            line.rows_rejected = rows_to_correct(standing)
    return sorted(lines.values(), key=lambda line: (not line.is_silent, line.insurer.name))


def _affiliated(breach: Breach) -> set[str]:
    tied = BreachOperator.objects.filter(breach=breach).values("operator")
    found = Affiliation.objects.filter(operator__in=tied).order_by()
    return {pk for (pk,) in plain_rows(found, "insurer")}


def _declared(breach: Breach) -> dict[str, Declared]:
    rows = Declaration.objects.filter(breach=breach)
    fields = ("insurer", "is_concerned", "awareness_at", "authority_notified_at")
    return {
        pk: Declared(is_concerned, _moment(aware), _moment(notified))
        for pk, is_concerned, aware, notified in plain_rows(rows, *fields)
    }


def _lists(breach: Breach) -> Iterable[tuple[str, ListCounts]]:
    rows = AffectedList.objects.that_list_people().filter(breach=breach)
    fields = ("corrects", "rows", "rows_rejected", "members", "members_uncounted")
    for pk, *counts in plain_rows(rows, "insurer", "pk", "state", *fields):
        yield pk, ListCounts(*counts)


def _campaigns(breach: Breach) -> Iterable[tuple[str, CampaignTimes]]:
    rows = Campaign.objects.filter(breach=breach)
    times = ("first_message_at", "last_message_at")
    for pk, *kind, first, last in plain_rows(
        rows, "insurer", "pk", "affected_list", "kind", "state", *times
    ):
        yield pk, CampaignTimes(*kind, _moment(first), _moment(last))


def _published(breach: Breach) -> dict[str, Published]:
    rows = Publication.objects.filter(statement__breach=breach, state=PublicationState.PUBLISHED)
    return {
        pk: Published(_moment(decided)) for pk, decided in plain_rows(rows, "insurer", "decided_at")
    }


def _by_insurer(rows: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for pk, row in rows:
        found[pk].append(row)
    return dict(found)


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def _add_totals(breach: Breach, lines: dict[str, Line]) -> None:
    """Give each line the sums made beforehand; where they are out of date, add up the tallies."""
    changed = {str(pk) for pk in changed_insurers(breach_id=breach.pk)}
    summed = _summed(RegisterSum.objects.filter(breach=breach))
    for pk, line in lines.items():
        listed, totals = summed.get(pk, (None, None))
        if totals is not None and pk not in changed and listed == line.figures.listed:
            line.totals = totals
        elif any(campaign.state in BUILT for campaign in line.campaigns):
            line.totals = totals_of(
                breach_id=breach.pk, insurer_id=line.insurer.pk, listed=line.figures.listed
            )


def _summed(rows: QuerySet[RegisterSum]) -> dict[str, tuple[int, Totals]]:
    times = ("half_told_at", "most_told_at", "all_told_at")
    return {
        pk: (listed, Totals(sums, told_by_day, tuple(map(_moment, told_at))))
        for pk, listed, sums, told_by_day, *told_at in plain_rows(
            rows, "insurer", "listed", "sums", "told_by_day", *times
        )
    }
