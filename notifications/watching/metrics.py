"""Figures for Prometheus, read from PostgreSQL at each scrape: one process serves for all.

Labels are ids and codes. Queries read tallies, samples and partial indexes, never all messages.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import Error, connection
from django.db.models import Min, Sum
from django.utils import timezone
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from notifications.campaigns.course import speed_of
from notifications.models import (
    Campaign,
    CampaignState,
    DispatchBatch,
    Heartbeat,
    SealedReceipt,
    State,
    Tally,
)
from notifications.register.figures import campaign_figures
from notifications.sending.pacing import account_and_pace
from notifications.states import FAILURES

logger = logging.getLogger(__name__)

# Answered by the index `messages_that_wait`: one look for each campaign and channel.
QUEUE_AGE = """
SELECT p.channel, min(oldest.due_at) FROM notifications_campaign c
CROSS JOIN LATERAL jsonb_array_elements_text(c.plan->'channels') AS p(channel)
CROSS JOIN LATERAL (
    SELECT n.due_at FROM notifications_notification n
    WHERE n.campaign_id = c.id AND n.channel = p.channel
        AND n.state IN ('pending', 'deferred') AND n.due_at <= %(now)s
    ORDER BY n.due_at LIMIT 1
) AS oldest
WHERE c.state = 'sending' AND p.channel <> 'letter'
    AND coalesce((c.plan->>'starts_at')::timestamptz <= %(now)s, true)
GROUP BY p.channel
"""


class PortalCollector(Collector):
    """Collects at each scrape, and lets go of the database: each has a thread of its own."""

    def describe(self) -> Iterable[Metric]:
        return []  # Nothing is read before the first scrape.

    def collect(self) -> Iterable[Metric]:
        try:
            return [_up(True), *collect_metrics(now=timezone.now())]
        except Error:
            logger.error("metrics: PostgreSQL does not answer")
            return [_up(False)]
        finally:
            if not connection.in_atomic_block:
                connection.close()


def collect_metrics(*, now: datetime) -> list[Metric]:
    """Return the figures of this moment (worker role)."""
    return [
        *_campaigns(now),
        *_failures(),
        _messages(),
        _queue_age(now),
        _receipts_age(now),
        _leases(),
        _heartbeats(now),
    ]


def _up(value: bool) -> Metric:
    return GaugeMetricFamily("portal_database_up", "Whether PostgreSQL answers.", value=value)


def _campaigns(now: datetime) -> list[Metric]:
    states = GaugeMetricFamily("portal_campaigns", "Campaigns by state.", labels=["state"])
    found = Campaign.objects.order_by("state").values_list("state", flat=True)
    counts = {state.value: 0 for state in CampaignState}
    for state in found:
        counts[state] += 1
    for name, count in counts.items():
        states.add_metric([name], count)
    rate = GaugeMetricFamily(
        "portal_messages_per_second", "Messages that end, by sending campaign.", labels=["campaign"]
    )
    left = GaugeMetricFamily(
        "portal_messages_left", "Messages in progress, by sending campaign.", labels=["campaign"]
    )
    sending = Campaign.objects.filter(state=CampaignState.SENDING).select_related("affected_list")
    for campaign in sending:
        figures = campaign_figures(campaign)
        speed = speed_of(campaign=campaign, figures=figures, now=now)
        rate.add_metric([str(campaign.pk)], speed.per_second if speed else 0.0)
        left.add_metric([str(campaign.pk)], figures.messages_total - figures.messages_done)
    return [states, rate, left]


def _failures() -> list[Metric]:
    """Failures by who sent: they fall when a message is found to have arrived after all."""
    failures = GaugeMetricFamily(
        "portal_messages_failed",
        "Messages that failed for good, by sender, channel and the provider's code.",
        labels=["sender", "channel", "reason"],
    )
    totals: dict[tuple[str, str, str], int] = {}
    rows = Tally.objects.filter(state__in=FAILURES).values_list("campaign", "channel", "reason")
    sums = rows.annotate(total=Sum("messages")).filter(total__gt=0).order_by("campaign")
    campaigns = Campaign.objects.in_bulk([row[0] for row in sums])
    senders: dict[tuple[int, str], str] = {}
    for campaign_id, channel, reason, total in sums:
        if (campaign_id, channel) not in senders:
            campaign = campaigns[campaign_id]
            senders[campaign_id, channel], _pace = account_and_pace(
                insurer_id=campaign.insurer_id, channel=channel
            )
        key = (senders[campaign_id, channel], channel, reason)
        totals[key] = totals.get(key, 0) + total
    for labels, total in totals.items():
        failures.add_metric(labels, total)
    return [failures]


def _messages() -> Metric:
    """Messages by channel and state: `uncertain` is what nobody knows of."""
    messages = GaugeMetricFamily(
        "portal_messages", "Messages by channel and state.", labels=["channel", "state"]
    )
    rows = Tally.objects.exclude(channel="").order_by("channel", "state")
    sums = dict[tuple[str, str], int]()
    for channel, state, total in rows.values_list("channel", "state").annotate(Sum("messages")):
        sums[channel, state] = total
    for channel in {channel for channel, _state in sums} | {"email"}:
        sums.setdefault((channel, State.UNCERTAIN.value), 0)  # an alert needs it at 0
    for labels, total in sums.items():
        messages.add_metric(labels, total)
    return messages


def _queue_age(now: datetime) -> Metric:
    age = GaugeMetricFamily(
        "portal_queue_age_seconds", "How long the oldest due message waits.", labels=["channel"]
    )
    with connection.cursor() as cursor:
        cursor.execute(QUEUE_AGE, {"now": now})
        oldest = dict(cursor.fetchall())
    for channel in ("email", "sms"):
        at = oldest.get(channel)
        age.add_metric([channel], (now - at).total_seconds() if at else 0.0)
    return age


def _receipts_age(now: datetime) -> Metric:
    at = SealedReceipt.objects.aggregate(at=Min("received_at"))["at"]
    return GaugeMetricFamily(
        "portal_receipts_age_seconds",
        "How long the oldest unread receipt waits.",
        value=max(0.0, (now - at).total_seconds()) if at else 0.0,
    )


def _leases() -> Metric:
    """Batches whose worker was gone, that the sweep closed."""
    return CounterMetricFamily(
        "portal_leases_expired",
        "Leases of workers that were gone.",
        value=DispatchBatch.objects.filter(was_recovered=True).count(),
    )


def _heartbeats(now: datetime) -> Metric:
    silence = GaugeMetricFamily(
        "portal_silence_seconds", "Since a process last showed that it lives.", labels=["process"]
    )
    for found in Heartbeat.objects.order_by("process"):
        silence.add_metric([found.process], max(0.0, (now - found.at).total_seconds()))
    return silence
