"""Sums of tallies by insurer, made beforehand: what a page of four hundred insurers reads.

A trigger marks each campaign whose tallies change (migration 0013). While a mark stands, or as
many people are no longer listed, the sum is out of date and whoever asks adds up the tallies
themselves; so a figure is never older than the tallies (docs/decisions/0027).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils import timezone

from insurers.models import AffectedList
from notifications.models import Campaign, CampaignKind, RegisterSum, Tally, TallyChange
from notifications.states import STANDING_OF, Standing

TOLD = [state for state, standing in STANDING_OF.items() if standing == Standing.TOLD]
LOCK = 7434
SHARES = (50, 95, 100)  # per cent

TAKE_MARKS = """
DELETE FROM notifications_tallychange WHERE (campaign_id, shard) IN (
    SELECT campaign_id, shard FROM notifications_tallychange
    WHERE campaign_id = ANY(%s) FOR UPDATE SKIP LOCKED
)
"""

SumRow = tuple[int, str, str, str, int, int, int]
"""Campaign, channel, state, reason, people, uncounted, messages."""


@dataclass(frozen=True)
class Totals:
    """What an insurer's tallies in a breach come to.

    `told_by_day` has rows of (ISO day in Paris, channel, people told that day, net of those whose
    message came back). `told_at` has the end of the hour since when each of SHARES of the listed
    people has been told, None where it is not so now.
    """

    sums: Sequence[SumRow] = ()
    told_by_day: Sequence[tuple[str, str, int]] = ()
    told_at: tuple[datetime | None, ...] = (None, None, None)

    @classmethod
    def from_row(cls, row: RegisterSum) -> "Totals":
        """Read what was summed beforehand."""
        told_at = (row.half_told_at, row.most_told_at, row.all_told_at)
        return cls(row.sums, row.told_by_day, told_at)


def totals_of(*, breach_id: int, insurer_id: UUID, listed: int) -> Totals:
    """Add up the tallies of an insurer in a breach.

    A complement or correction tells nobody who was not told before: only notices count people.
    """
    mine = Tally.objects.filter(campaign__breach=breach_id, insurer=insurer_id)
    sums = mine.values_list("campaign", "channel", "state", "reason").annotate(
        Sum("people"), Sum("uncounted"), Sum("messages")
    )
    hours = (
        mine.filter(campaign__kind=CampaignKind.NOTICE, state__in=TOLD)
        .values_list("hour_at", "channel")
        .annotate(told=Sum(F("people") - F("uncounted")))
        .exclude(told=0)
        .order_by("hour_at")
    )
    found = list(hours)
    return Totals(
        sums=[row for row in sums.order_by("campaign", "state") if any(row[4:])],
        told_by_day=_by_day(found),
        told_at=_told_at(found, listed),
    )


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

    Marks that a transaction under way holds stay, and with them the sum out of date.
    """
    done = 0
    for breach_id, insurer_id in sorted(_out_of_date(), key=str):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [LOCK])
            if not cursor.fetchone()[0]:
                return done  # Somebody else is at it.
            campaigns = Campaign.objects.filter(breach=breach_id, insurer=insurer_id)
            cursor.execute(TAKE_MARKS, [list(campaigns.values_list("pk", flat=True))])
            _store(breach_id, insurer_id, now)
        done += 1
    return done


def _store(breach_id: int, insurer_id: UUID, now: datetime) -> None:
    listed = listed_by(breach_id=breach_id).get(insurer_id, 0)
    totals = totals_of(breach_id=breach_id, insurer_id=insurer_id, listed=listed)
    half, most, everybody = totals.told_at
    RegisterSum.objects.update_or_create(
        breach_id=breach_id,
        insurer_id=insurer_id,
        defaults={
            "listed": listed,
            "sums": totals.sums,
            "told_by_day": totals.told_by_day,
            "half_told_at": half,
            "most_told_at": most,
            "all_told_at": everybody,
            "summed_at": now,
        },
    )


def _out_of_date() -> set[tuple[int, UUID]]:
    """Return the breaches and insurers with marks, and those whose lists grew or shrank."""
    marked = Campaign.objects.filter(pk__in=TallyChange.objects.values("campaign_id"))
    found = set(marked.values_list("breach", "insurer").distinct())
    listed: dict[int, dict[UUID, int]] = {}
    for breach_id, insurer_id, summed in RegisterSum.objects.values_list(
        "breach", "insurer", "listed"
    ):
        if breach_id not in listed:
            listed[breach_id] = listed_by(breach_id=breach_id)
        if listed[breach_id].get(insurer_id, 0) != summed:
            found.add((breach_id, insurer_id))
    return found


def listed_by(*, breach_id: int) -> dict[UUID, int]:
    """Return how many people each insurer lists for a breach, everybody once."""
    lists = AffectedList.objects.that_list_people().filter(breach=breach_id).order_by()
    return dict(
        lists.values_list("insurer").annotate(listed=Sum(F("members") - F("members_uncounted")))
    )


def changed_insurers(*, breach_id: int) -> set[UUID]:
    """Return the insurers whose tallies changed since they were summed."""
    marked = Campaign.objects.filter(
        breach=breach_id, pk__in=TallyChange.objects.values("campaign_id")
    )
    return set(marked.values_list("insurer", flat=True))
