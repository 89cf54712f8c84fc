"""How a campaign goes: its rate now, when it may end, its course; from tallies and samples.

The sweep keeps a sample of the tallies of each campaign that is sending. Nothing here counts
messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from notifications.models import (
    AnswerExample,
    Campaign,
    CampaignSample,
    CampaignState,
    Channel,
    State,
)
from notifications.reasons import reason_label
from notifications.register.figures import Figures, campaign_figures, failures_of
from notifications.states import Standing

SPAN = timedelta(seconds=20)  # a rate over less jumps about
OLDEST = timedelta(minutes=2)  # a rate over more says nothing of now
FRESH = timedelta(minutes=10)
KEPT = 120  # samples of a campaign, beside the fresh ones
SHOWN = 24

THIN = """
DELETE FROM notifications_campaignsample WHERE campaign_id = %(campaign)s AND at < %(fresh)s
    AND id NOT IN (
        SELECT DISTINCT ON (width_bucket(extract(epoch FROM at),
            extract(epoch FROM %(first)s::timestamptz),
            extract(epoch FROM %(now)s::timestamptz), %(kept)s)) id
        FROM notifications_campaignsample WHERE campaign_id = %(campaign)s
        ORDER BY width_bucket(extract(epoch FROM at),
            extract(epoch FROM %(first)s::timestamptz),
            extract(epoch FROM %(now)s::timestamptz), %(kept)s), at
    )
"""


@dataclass(frozen=True)
class Speed:
    """Messages a second that end now, and when the last would at that rate, if it moves."""

    per_second: float
    end_at: datetime | None


@dataclass(frozen=True)
class Point:
    """The people by standing at one moment."""

    at: datetime
    people: dict[Standing, int]

    @property
    def standings(self) -> list[tuple[Standing, int]]:
        """The people by standing, in the order of the equation."""
        return [(standing, self.people.get(standing, 0)) for standing in Standing]


@dataclass(frozen=True)
class Failure:
    """Messages that did not arrive for a reason, and what a provider said of one of them."""

    channel: Channel
    state: State
    reason: str
    messages: int
    example: str

    @property
    def reason_label(self) -> str:
        """The reason in the reader's language."""
        return reason_label(self.reason)


def take_samples(*, now: datetime) -> None:
    """Keep a sample of each campaign that is sending, and few of the older ones."""
    for campaign in Campaign.objects.filter(state=CampaignState.SENDING).select_related(
        "affected_list"
    ):
        figures = campaign_figures(campaign)
        CampaignSample.objects.bulk_create(
            [
                CampaignSample(
                    campaign=campaign,
                    at=now,
                    people={standing.value: people for standing, people in figures.standings},
                    messages_done=figures.messages_done,
                )
            ],
            ignore_conflicts=True,
        )
        _thin(campaign, now)


def speed_of(*, campaign: Campaign, figures: Figures, now: datetime) -> Speed | None:
    """Return the rate and the end it leads to; None where the campaign is not sending."""
    if campaign.state != CampaignState.SENDING or campaign.first_message_at is None:
        return None
    start, done = campaign.first_message_at, 0
    recent = campaign.samples.filter(at__gt=now - OLDEST).order_by("-at")
    sample = recent.filter(at__lte=now - SPAN).first() or recent.last()
    if sample is not None and sample.at > start:
        start, done = sample.at, sample.messages_done
    elif start < now - OLDEST:
        return None  # Nobody took samples: the clock of the sweep stands still.
    seconds = max(1.0, (now - start).total_seconds())
    per_second = max(0, figures.messages_done - done) / seconds
    left = figures.messages_total - figures.messages_done
    end_at = now + timedelta(seconds=left / per_second) if per_second and left else None
    return Speed(per_second, end_at)


def course_of(*, campaign: Campaign, figures: Figures, now: datetime) -> list[Point]:
    """Return the people by standing from the approval until now, or the end; SHOWN points at most.

    Of a campaign whose samples are gone, or that never had any, it is the two ends.
    """
    if campaign.approved_at is None:
        return []
    samples = list(campaign.samples.order_by("at").values_list("at", "people"))
    end = max(_end_of(campaign, now), campaign.approved_at)
    points = [
        Point(campaign.approved_at, {Standing.IN_PROGRESS: figures.listed}),
        *(
            Point(at, {Standing(key): people for key, people in found.items()})
            for at, found in samples
            if campaign.approved_at < at < end
        ),
        Point(end, dict(figures.people)),
    ]
    return _spread(points)


def failures_with_examples(*, campaign: Campaign) -> list[Failure]:
    """Return what did not arrive by channel, state and reason, the most frequent first."""
    examples = {
        (found.channel, found.reason): found.text
        for found in AnswerExample.objects.filter(campaign=campaign)
    }
    return [
        Failure(Channel(channel), state, reason, messages, examples.get((channel, reason), ""))
        for channel, state, reason, messages in failures_of(campaign=campaign)
    ]


def _end_of(campaign: Campaign, now: datetime) -> datetime:
    if campaign.state in (CampaignState.FINISHED, CampaignState.CANCELLED):
        return campaign.finished_at or campaign.last_message_at or now
    return now


def _spread(points: Sequence[Point]) -> list[Point]:
    """Return SHOWN points at most, the first and the last among them, spread over the time."""
    first, last = points[0].at, points[-1].at
    step = (last - first) / (SHOWN - 2)
    kept = [points[0]]
    for point in points[1:-1]:
        if point.at - kept[-1].at >= step:
            kept.append(point)
    return [*kept, points[-1]]


def _thin(campaign: Campaign, now: datetime) -> None:
    first = campaign.approved_at
    with connection.cursor() as cursor:
        cursor.execute(
            THIN,
            {
                "campaign": campaign.pk,
                "first": first,
                "now": now,
                "fresh": now - FRESH,
                "kept": KEPT,
            },
        )
