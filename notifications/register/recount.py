"""Recompute every figure from the delivery events, and name what does not agree.

PostgreSQL adds up the events; Python sees only what differs.
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from insurers.models import Breach
from notifications.models import (
    CampaignKind,
    DeliveryEvent,
    RecountDifference,
    Recounted,
    RecountResult,
    RegisterSum,
)
from notifications.models.exemptions import IN_FORCE
from notifications.register.figures import BUILT
from notifications.register.glance import lines_of
from notifications.register.summing import beside_tallies, out_of_date
from notifications.states import STANDING_OF, Standing

UNTOLD = [state for state, standing in STANDING_OF.items() if standing == Standing.UNREACHABLE]
KEPT = 1000  # differences of one recount that are kept; all are counted

# Out of the state that a message leaves, into the one that it enters, by the hour: what the trigger
# does event by event (migration 0002).
TALLIES = """
WITH counted AS (
    SELECT campaign_id, channel, state, reason, date_trunc('hour', at, 'UTC') AS hour_at,
        sum(people) AS people, sum(uncounted) AS uncounted, sum(messages) AS messages
    FROM (
        SELECT campaign_id, channel, state, reason, at, people, uncounted, messages
        FROM notifications_deliveryevent
        UNION ALL
        SELECT campaign_id, channel, previous_state, previous_reason, at, -people, -uncounted,
            -messages
        FROM notifications_deliveryevent WHERE previous_state <> ''
    ) AS change
    GROUP BY 1, 2, 3, 4, 5
), kept AS (
    SELECT campaign_id, channel, state, reason, hour_at,
        sum(people) AS people, sum(uncounted) AS uncounted, sum(messages) AS messages
    FROM notifications_tally GROUP BY 1, 2, 3, 4, 5
)
SELECT campaign.breach_id, campaign.insurer_id, found.campaign_id, found.channel, found.state,
    found.reason, sum(counted_people), sum(kept_people), sum(counted_messages), sum(kept_messages)
FROM (
    SELECT campaign_id, channel, state, reason,
        coalesce(counted.people - counted.uncounted, 0) AS counted_people,
        coalesce(kept.people - kept.uncounted, 0) AS kept_people,
        coalesce(counted.messages, 0) AS counted_messages,
        coalesce(kept.messages, 0) AS kept_messages
    FROM counted FULL JOIN kept USING (campaign_id, channel, state, reason, hour_at)
    WHERE (coalesce(counted.people, 0), coalesce(counted.uncounted, 0),
        coalesce(counted.messages, 0)) IS DISTINCT FROM
        (coalesce(kept.people, 0), coalesce(kept.uncounted, 0), coalesce(kept.messages, 0))
) AS found JOIN notifications_campaign AS campaign ON campaign.id = found.campaign_id
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""

# What was summed beforehand and is not marked as out of date. Whom an exemption covers
# (`exemptions.standing`) is no longer in the state of the tallies; campaign 0 is none.
SUMS = """
WITH kept AS (
    SELECT coalesce((row ->> 0)::bigint, 0) AS campaign_id, row ->> 1 AS channel,
        row ->> 2 AS state, row ->> 3 AS reason, (row ->> 4)::bigint AS people,
        (row ->> 5)::bigint AS messages,
        summed.breach_id, summed.insurer_id
    FROM notifications_registersum AS summed, jsonb_array_elements(summed.sums) AS row
), counted AS (
    SELECT campaign_id, channel, state, reason, sum(people) AS people, sum(messages) AS messages,
        breach_id, insurer_id
    FROM (
        SELECT tally.campaign_id, channel, tally.state, reason, 0 AS people, messages,
            campaign.breach_id, campaign.insurer_id
        FROM notifications_tally AS tally
        JOIN notifications_campaign AS campaign ON campaign.id = tally.campaign_id
        WHERE campaign.state = ANY(%(built)s)
        UNION ALL
        SELECT tally.campaign_id, CASE WHEN exempt.id IS NULL THEN channel ELSE '' END,
            CASE WHEN exempt.id IS NULL THEN tally.state ELSE 'exempt' END,
            CASE WHEN exempt.id IS NULL THEN reason ELSE exempt.ground END,
            people - uncounted, 0, campaign.breach_id, campaign.insurer_id
        FROM notifications_tally AS tally
        JOIN notifications_campaign AS campaign ON campaign.id = tally.campaign_id
        LEFT JOIN notifications_exemption AS exempt
            ON exempt.affected_list_id = campaign.affected_list_id
            AND exempt.state = ANY(%(in_force)s) AND (tally.state = ANY(%(untold)s)
                OR tally.state = 'cancelled' AND tally.reason = 'campaign_cancelled')
        WHERE campaign.state = ANY(%(built)s) AND campaign.kind = %(notice)s
        UNION ALL
        SELECT 0, '', 'exempt', exempt.ground, list.members - list.members_uncounted, 0,
            list.breach_id, list.insurer_id
        FROM notifications_exemption AS exempt
        JOIN insurers_affectedlist AS list ON list.id = exempt.affected_list_id
        WHERE exempt.state = ANY(%(in_force)s) AND NOT EXISTS (
            SELECT FROM notifications_campaign AS campaign
            WHERE campaign.affected_list_id = list.id AND campaign.kind = %(notice)s
                AND campaign.state = ANY(%(built)s)
        )
    ) AS stood JOIN notifications_registersum AS summed USING (breach_id, insurer_id)
    GROUP BY campaign_id, channel, state, reason, breach_id, insurer_id
)
SELECT * FROM (
SELECT breach_id, insurer_id, nullif(campaign_id, 0), channel, state, reason,
    coalesce(counted.people, 0), coalesce(kept.people, 0),
    coalesce(counted.messages, 0), coalesce(kept.messages, 0)
FROM counted FULL JOIN kept
    USING (breach_id, insurer_id, campaign_id, channel, state, reason)
WHERE (coalesce(counted.people, 0), coalesce(counted.messages, 0))
    IS DISTINCT FROM (coalesce(kept.people, 0), coalesce(kept.messages, 0))
) AS found WHERE NOT EXISTS (
    SELECT FROM notifications_tallychange AS mark
    JOIN notifications_campaign AS marked ON marked.id = mark.campaign_id
    WHERE (marked.breach_id, marked.insurer_id) = (found.breach_id, found.insurer_id)
) AND NOT EXISTS (
    SELECT FROM notifications_registerchange AS mark
    WHERE (mark.breach_id, mark.insurer_id) = (found.breach_id, found.insurer_id)
)
ORDER BY 1, 2, 3, 4, 5, 6
"""


def recount(*, now: datetime) -> RecountResult:
    """Compare every tally, sum and line with the events, and keep the result with what differs.

    It sees one moment of the database where it opens its own transaction: what workers record
    meanwhile is in all figures or in none.
    """
    alone = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if alone:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found, lines = _lines_that_do_not_add_up()
        found += _sums_that_differ()
        values: dict[str, Any] = {
            "notice": CampaignKind.NOTICE.value,
            "built": [one.value for one in BUILT],
            "in_force": [one.value for one in IN_FORCE],
            "untold": [one.value for one in UNTOLD],
        }
        for kind, query in ((Recounted.TALLY, TALLIES), (Recounted.SUM, SUMS)):
            cursor.execute(query, values)
            found += [_difference(kind, row) for row in cursor]
        result = RecountResult.objects.create(
            started_at=now,
            finished_at=timezone.now(),
            events=DeliveryEvent.objects.count(),
            lines=lines,
            differences=len(found),
        )
        for one in found:
            one.result = result
        RecountDifference.objects.bulk_create(found[:KEPT])
    return result


def latest_recount() -> RecountResult | None:
    """Return the last recount, if there was one."""
    return RecountResult.objects.first()


def _lines_that_do_not_add_up() -> tuple[list[RecountDifference], int]:
    """Check the equation of every line: listed = the sum over what people can be."""
    found, lines = [], 0
    for breach in Breach.objects.all():
        for line in lines_of(breach=breach, in_detail=False):
            lines += 1
            if not line.adds_up:
                found.append(
                    RecountDifference(
                        kind=Recounted.LINE,
                        breach=breach,
                        insurer_id=line.insurer.pk,
                        recounted_people=sum(line.people.values()),
                        kept_people=line.listed,
                    )
                )
    return found, lines


def _sums_that_differ() -> list[RecountDifference]:
    """Compare what sums have of lists and campaigns; the figure's name stands as the reason."""
    found = []
    marked = out_of_date()
    for kept in RegisterSum.objects.defer("told_by_day").iterator(chunk_size=500):
        place = (kept.breach_id, kept.insurer_id)
        if place in marked:
            continue
        counted = beside_tallies(breach_id=place[0], insurer_id=place[1], sums=kept.sums)
        for name, people in counted.items():
            if isinstance(people, int) and people != getattr(kept, name):
                values = ("", "", name, people, getattr(kept, name), 0, 0)
                found.append(_difference(Recounted.SUM, (*place, None, *values)))
    return found


def _difference(kind: Recounted, row: tuple[object, ...]) -> RecountDifference:
    names = (
        *("breach_id", "insurer_id", "campaign_id", "channel", "state", "reason"),
        *("recounted_people", "kept_people", "recounted_messages", "kept_messages"),
    )
    return RecountDifference(kind=kind, **dict(zip(names, row, strict=True)))
