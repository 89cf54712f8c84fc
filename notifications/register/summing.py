"""The register's lines, summed up beforehand: what a page of four hundred insurers reads.

Triggers mark the campaigns whose tallies change, and the insurers whose lists, campaigns or
exemptions do (migration 0002). While a mark stands the sum is out of date and whoever asks
adds up the tallies themselves; so a figure is never older than what it sums up
(docs/decisions/0027).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, F, Sum, When
from django.utils import timezone

from insurers.lists.rejected import rows_to_correct
from insurers.models import AffectedList, ListState
from notifications.exemptions.standing import grounds_by_list, with_exempt
from notifications.models import (
    Campaign,
    CampaignKind,
    RegisterChange,
    RegisterSum,
    State,
    Tally,
    TallyChange,
)
from notifications.models.exemptions import IN_FORCE
from notifications.register.figures import BUILT
from notifications.states import STANDING_OF, TOLD, Standing

LOCK = 7434
SHARES = (50, 95, 100)  # per cent

TAKE_MARKS = """
DELETE FROM notifications_tallychange WHERE (campaign_id, shard) IN (
    SELECT campaign_id, shard FROM notifications_tallychange
    WHERE campaign_id IN (SELECT id FROM notifications_campaign
        WHERE breach_id = %s AND insurer_id = %s) FOR UPDATE SKIP LOCKED
)
"""
KEY = ("breach", "insurer")
SUMMED = [
    field.name for field in RegisterSum._meta.concrete_fields if field.name not in ("id", *KEY)
]

SumRow = tuple[int | None, str, str, str, int, int]
"""Campaign, channel, state, reason, people (none where they count elsewhere), messages.

None stands for the lists without a campaign that are exempt.
"""


def summed(*, breach_id: int, insurer_id: UUID, now: datetime) -> RegisterSum:
    """Return an insurer's sum as it is now, not stored."""
    tallies = Tally.objects.filter(
        campaign__breach=breach_id, insurer=insurer_id, campaign__state__in=BUILT
    )
    sums = _sums(tallies) + _of_exempt_lists(breach_id, insurer_id)
    found = beside_tallies(breach_id=breach_id, insurer_id=insurer_id, sums=sums)
    hours = list(
        tallies.filter(campaign__kind=CampaignKind.NOTICE, state__in=TOLD)
        .values_list("hour_at", "channel")
        .annotate(told=Sum(F("people") - F("uncounted")))
        .exclude(told=0)
        .order_by("hour_at")
    )
    half, most, everybody = _told_at(hours, found["listed"])
    return RegisterSum(
        breach_id=breach_id,
        insurer_id=insurer_id,
        sums=sums,
        told_by_day=_by_day(hours),
        half_told_at=half,
        most_told_at=most,
        all_told_at=everybody,
        summed_at=now,
        **found,
    )


def _sums(tallies: Any) -> list[SumRow]:
    """Add up over hours and shards; a complement or correction counts nobody a second time."""
    counted = Case(
        When(campaign__kind=CampaignKind.NOTICE, then=F("people") - F("uncounted")), default=0
    )
    rows = tallies.values_list("campaign", "channel", "state", "reason").annotate(
        whole=Sum(counted), made=Sum("messages")
    )
    standing = tallies.filter(
        campaign__kind=CampaignKind.NOTICE, campaign__affected_list__exemptions__state__in=IN_FORCE
    )
    grounds = dict(
        standing.values_list("campaign", "campaign__affected_list__exemptions__ground").distinct()
    )
    merged: dict[tuple[Any, ...], list[int]] = {}
    for *place, people, messages in with_exempt(
        rows.order_by("campaign", "state", "channel", "reason"), grounds
    ):
        kept = merged.setdefault(tuple(place), [0, 0])
        kept[:] = kept[0] + people, kept[1] + messages
    return [(*place, *counts) for place, counts in merged.items()]


def _of_exempt_lists(breach_id: int, insurer_id: UUID) -> list[SumRow]:
    """Return the people of lists without an outbox that are exempt, by ground."""
    begun = Campaign.objects.filter(kind=CampaignKind.NOTICE, state__in=BUILT)
    lists = (
        AffectedList.objects.that_list_people()
        .filter(breach=breach_id, insurer=insurer_id, exemptions__state__in=IN_FORCE)
        .exclude(pk__in=begun.filter(breach=breach_id).values("affected_list"))
        .order_by("exemptions__ground")
        .values_list("exemptions__ground")
        .annotate(people=Sum(F("members") - F("members_uncounted")))
    )
    return [(None, "", State.EXEMPT.value, ground, people, 0) for ground, people in lists if people]


def beside_tallies(
    *, breach_id: int, insurer_id: UUID, sums: Iterable[Sequence[Any]]
) -> dict[str, Any]:
    """Return what a sum has of lists and campaigns, and the people by standing.

    People of lists without an outbox are in progress, or exempt.
    """
    lists = list(
        AffectedList.objects.that_list_people()
        .filter(breach=breach_id, insurer=insurer_id)
        .only("state", "members", "members_uncounted", "rows", "rows_rejected", "corrects")
    )
    campaigns = list(
        Campaign.objects.filter(breach=breach_id, insurer=insurer_id).only(
            "state", "kind", "affected_list", "first_message_at", "last_message_at"
        )
    )
    begun = {
        one.affected_list_id
        for one in campaigns
        if one.kind == CampaignKind.NOTICE and one.state in BUILT
    }
    people: Counter[Standing] = Counter()
    for campaign, _channel, state, _reason, whole, _messages in sums:
        if campaign is not None:
            people[STANDING_OF[State(state)]] += whole
    exempt = grounds_by_list(breach_id=breach_id, insurer_id=insurer_id)
    for found in lists:
        if found.pk not in begun:
            stand = Standing.EXEMPT if found.pk in exempt else Standing.IN_PROGRESS
            people[stand] += found.members - found.members_uncounted
    return {
        "lists": len(lists),
        "rows_rejected": rows_to_correct(
            [one for one in lists if one.state != ListState.WITHDRAWN]
        ),
        "listed": sum(one.members - one.members_uncounted for one in lists),
        "first_message_at": min(
            filter(None, (c.first_message_at for c in campaigns)), default=None
        ),
        "last_message_at": max(filter(None, (c.last_message_at for c in campaigns)), default=None),
        **{standing.value: people[standing] for standing in Standing},
    }


def _by_day(hours: Sequence[tuple[datetime, str, int]]) -> list[tuple[str, str, int]]:
    days: Counter[tuple[str, str]] = Counter()
    for hour_at, channel, people in hours:
        days[timezone.localdate(hour_at).isoformat(), channel] += people
    return [(day, channel, people) for (day, channel), people in sorted(days.items()) if people]


def _told_at(
    hours: Sequence[tuple[datetime, str, int]], listed: int
) -> tuple[datetime | None, ...]:
    """Return since when each share has been told: it was not less ever after."""
    since: list[datetime | None] = [None] * len(SHARES)
    told: Counter[datetime] = Counter()
    for hour_at, _channel, people in hours:
        told[hour_at] += people
    total = 0
    for hour_at, people in told.items():
        total += people
        for place, share in enumerate(SHARES):
            if not listed or 100 * total < share * listed:
                since[place] = None
            elif since[place] is None:
                since[place] = hour_at + timedelta(hours=1)
    return tuple(since)


def sum_up(*, now: datetime) -> int:
    """Sum up whatever is out of date, one insurer in a breach at a time; return how many.

    Marks go first, and what they stand for is read after: a change that commits later leaves a
    mark of its own. Those that a transaction under way holds stay.
    """
    done = 0
    for breach_id, insurer_id in sorted(out_of_date(), key=str):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [LOCK])
            if not cursor.fetchone()[0]:
                return done  # Somebody else is at it.
            cursor.execute(TAKE_MARKS, [breach_id, insurer_id])
            RegisterChange.objects.filter(breach=breach_id, insurer=insurer_id).delete()
            RegisterSum.objects.bulk_create(
                [summed(breach_id=breach_id, insurer_id=insurer_id, now=now)],
                update_conflicts=True,
                unique_fields=KEY,
                update_fields=SUMMED,
            )
        done += 1
    return done


def out_of_date() -> set[tuple[int, UUID]]:
    """Return the breaches and insurers that have marks."""
    marked = Campaign.objects.filter(pk__in=TallyChange.objects.values("campaign_id"))
    changed = RegisterChange.objects.order_by()
    return set(marked.values_list(*KEY).order_by().distinct()) | set(
        changed.values_list(*KEY).distinct()
    )
