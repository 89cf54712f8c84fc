"""Settle people whose listings changed: cancel what must not leave, count each person once.

Marks say which people to look at (`is_stale`). In one transaction that holds the insurer's turn:
messages that wait for people who are no longer to be told from there are cancelled, their claims
released; whoever was left out as told already, and is told by nobody now, gets a message; and of
all the listings of a person one counts in the register: a claimed one, else the earliest that
still stands. Nothing is left for a message that a worker is sending: it stays stale until that
message has an outcome (docs/decisions/0007).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from insurers.lists.locks import take_turn
from insurers.lists.superseding import count_marks
from insurers.lists.wrapping import fingerprints_agree
from insurers.models import AffectedList, ListingMark
from notifications.models import Campaign
from notifications.outbox.planning import PLANNED, run
from notifications.outbox.released import tell_released
from notifications.register.figures import BUILT

# Every listing of each person to look at. A nameless row is the first of its twins.
LISTINGS = """
CREATE TEMPORARY TABLE listing ON COMMIT DROP AS
WITH touched AS MATERIALIZED (
    SELECT DISTINCT m.fingerprint
    FROM listing_mark k JOIN affected_member m USING (list_id, ordinal)
    WHERE k.is_stale AND k.list_id = ANY (%(lists)s)
)
SELECT m.list_id, m.ordinal, m.fingerprint, coalesce(nullif(m.name_tag, 0),
        min(nullif(m.name_tag, 0)) OVER (PARTITION BY m.fingerprint), 0) AS person,
    CASE WHEN m.list_id = ANY (%(gone)s) THEN 'withdrawn' ELSE coalesce(k.ended, '') END AS ended,
    coalesce(k.is_counted, true) AS was_counted,
    k.list_id IS NOT NULL AS is_marked, coalesce(k.is_stale, false) AS is_stale,
    c.id AS campaign_id, m.list_id = ANY (%(purged)s) AS is_purged
FROM affected_member m JOIN touched USING (fingerprint)
LEFT JOIN listing_mark k ON k.list_id = m.list_id AND k.ordinal = m.ordinal
LEFT JOIN notifications_campaign c
    ON c.affected_list_id = m.list_id AND c.kind = 'notice' AND c.state = ANY (%(built)s)
WHERE m.list_id = ANY (%(lists)s)
"""

# E-mails before SMS, as a worker that falls back from one to the other takes them; and before
# any event, since a worker holds a message while it waits for a tally.
LOCK = """
SELECT n.id FROM notifications_notification n
WHERE n.id IN (
    SELECT l.notification_id FROM listing JOIN notifications_covered l
        USING (list_id, ordinal)
)
ORDER BY n.channel, n.id FOR UPDATE
"""

CANCEL = """
CREATE TEMPORARY TABLE happened (campaign_id bigint, channel varchar(10), state varchar(15),
    reason varchar(60), previous_state varchar(15), previous_reason varchar(60),
    people bigint, messages bigint, uncounted bigint) ON COMMIT DROP;
CREATE TEMPORARY TABLE cancelled ON COMMIT DROP AS
SELECT n.id, n.campaign_id, n.channel, n.state, n.reason, g.list_id, g.ordinal,
    min(g.ended) OVER (PARTITION BY n.id) AS ended,
    c.kind = 'notice' AND NOT g.was_counted AS is_uncounted, n.ordinal = g.ordinal AS is_named,
    n.people = count(*) OVER (PARTITION BY n.id) AS is_whole
FROM listing g JOIN notifications_covered l USING (list_id, ordinal)
JOIN notifications_notification n ON n.id = l.notification_id
JOIN notifications_campaign c ON c.id = n.campaign_id
WHERE g.ended <> '' AND n.state IN ('pending', 'deferred') AND c.state = ANY (%(built)s);
DELETE FROM notifications_notificationmember l USING cancelled x
WHERE l.notification_id = x.id AND l.list_id = x.list_id AND l.ordinal = x.ordinal;
DELETE FROM notifications_told t USING cancelled x
WHERE t.campaign_id = x.campaign_id AND t.list_id = x.list_id AND t.ordinal = x.ordinal;
INSERT INTO happened
SELECT campaign_id, channel, 'cancelled', ended, state, reason, count(*),
    count(DISTINCT id) FILTER (WHERE is_whole), count(*) FILTER (WHERE is_uncounted)
FROM cancelled GROUP BY campaign_id, channel, ended, state, reason;
UPDATE notifications_notification n SET people = n.people - gone.people,
    uncounted = n.uncounted - gone.uncounted,
    ordinal = coalesce((SELECT min(l.ordinal) FROM notifications_notificationmember l
        WHERE gone.is_nameless AND l.notification_id = n.id), n.ordinal),
    state = CASE WHEN gone.is_whole THEN 'cancelled' ELSE n.state END,
    reason = CASE WHEN gone.is_whole THEN gone.ended ELSE n.reason END
FROM (
    SELECT id, is_whole, ended, bool_or(is_named) AS is_nameless, count(*) AS people,
        count(*) FILTER (WHERE is_uncounted) AS uncounted
    FROM cancelled GROUP BY id, is_whole, ended
) AS gone WHERE n.id = gone.id;
DELETE FROM notifications_notificationmember l USING cancelled x, notifications_notification n
WHERE x.is_named AND n.id = x.id AND l.notification_id = n.id AND l.ordinal = n.ordinal;
"""

# Left out of their campaign; whom nobody has claimed since gets a message (`tell_released`),
# unless the contacts of that list are purged: nothing can be sent from there.
RELEASED = """
CREATE TEMPORARY TABLE released ON COMMIT DROP AS
SELECT g.campaign_id, g.ordinal FROM listing g
WHERE g.campaign_id IS NOT NULL AND g.ended = '' AND NOT g.is_purged AND NOT EXISTS (
    SELECT FROM notifications_covered l
    JOIN notifications_notification n ON n.id = l.notification_id
    WHERE l.list_id = g.list_id AND l.ordinal = g.ordinal AND n.campaign_id = g.campaign_id
)
"""

# Where a list of the insurer is erased on which people count, nothing finds them any more: then
# nobody counts anew here but instead of a listing that did.
COUNT = """
CREATE TEMPORARY TABLE flipped ON COMMIT DROP AS
SELECT list_id, ordinal, campaign_id, is_counted FROM (
    SELECT *, rank < 9 AND row_number() OVER (
        PARTITION BY fingerprint, person ORDER BY rank, list_id, ordinal) = 1
        AND (NOT %(some_erased)s OR bool_or(was_counted) OVER (PARTITION BY fingerprint, person))
        AS is_counted
    FROM (
        SELECT g.*, CASE
            WHEN EXISTS (SELECT FROM notifications_told t WHERE t.campaign_id = g.campaign_id
                AND t.list_id = g.list_id AND t.ordinal = g.ordinal) THEN 0
            WHEN g.ended <> '' THEN 9 WHEN g.campaign_id IS NULL THEN 1
            WHEN g.is_purged AND NOT EXISTS (
                SELECT FROM notifications_covered l
                JOIN notifications_notification n ON n.id = l.notification_id
                WHERE l.list_id = g.list_id AND l.ordinal = g.ordinal
                    AND n.campaign_id = g.campaign_id) THEN 3
            ELSE 2 END AS rank
        FROM listing g
    ) AS judged
) AS ranked
WHERE is_counted <> was_counted;
CREATE TEMPORARY TABLE linked ON COMMIT DROP AS
SELECT f.list_id, f.ordinal, n.id, n.channel, n.state, n.reason
FROM flipped f JOIN notifications_covered l USING (list_id, ordinal)
JOIN notifications_notification n ON n.id = l.notification_id AND n.campaign_id = f.campaign_id;
UPDATE notifications_notification n SET uncounted = n.uncounted + change.uncounted
FROM (
    SELECT linked.id, sum(CASE WHEN is_counted THEN -1 ELSE 1 END) AS uncounted
    FROM linked JOIN flipped USING (list_id, ordinal) GROUP BY linked.id
) AS change WHERE n.id = change.id;
"""

# What a person without a message stands for in a campaign whose outbox is built.
UNLINKED = (
    """
CREATE TEMPORARY TABLE unlinked ON COMMIT DROP AS
SELECT p.list_id, p.ordinal,
    CASE WHEN p.channel IS NULL THEN 'unreachable' ELSE 'told_already' END AS state,
    CASE WHEN p.channel IS NULL THEN p.lack ELSE 'earlier_campaign' END AS reason
FROM ("""
    + PLANNED
    + """ WHERE m.list_id = ANY (%(lists)s)) AS p
JOIN flipped USING (campaign_id, list_id, ordinal)
"""
)

RECOUNT = """
INSERT INTO happened
SELECT f.campaign_id, coalesce(n.channel, x.channel, ''),
    coalesce(n.state, CASE WHEN x.id IS NOT NULL THEN 'cancelled' END, p.state),
    coalesce(n.reason, x.ended, p.reason), '', '', 0, 0,
    sum(CASE WHEN f.is_counted THEN -1 ELSE 1 END)
FROM flipped f
LEFT JOIN linked n USING (list_id, ordinal)
LEFT JOIN cancelled x ON x.list_id = f.list_id AND x.ordinal = f.ordinal
    AND x.campaign_id = f.campaign_id
LEFT JOIN unlinked p ON p.list_id = f.list_id AND p.ordinal = f.ordinal
WHERE f.campaign_id IS NOT NULL
GROUP BY 1, 2, 3, 4
"""

TELL = """
INSERT INTO notifications_deliveryevent (campaign_id, channel, state, reason, previous_state,
    previous_reason, people, messages, uncounted, at)
SELECT campaign_id, channel, state, reason, previous_state, previous_reason, sum(people),
    sum(messages), sum(uncounted), %(now)s
FROM happened GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4
"""

# Each mark is written once.
SETTLED = """
UPDATE listing_mark k SET is_counted = now.is_counted, is_stale = now.is_stale
FROM (
    SELECT g.list_id, g.ordinal, coalesce(f.is_counted, g.was_counted) AS is_counted,
        g.ended <> '' AND EXISTS (
            SELECT FROM notifications_covered l
            JOIN notifications_notification n ON n.id = l.notification_id
            WHERE l.list_id = g.list_id AND l.ordinal = g.ordinal AND n.state = 'sending'
        ) AS is_stale
    FROM listing g LEFT JOIN flipped f USING (list_id, ordinal)
    WHERE g.is_marked AND (g.is_stale OR f.is_counted IS NOT NULL)
) AS now
WHERE k.list_id = now.list_id AND k.ordinal = now.ordinal;
INSERT INTO listing_mark (list_id, ordinal, is_counted, is_stale)
SELECT f.list_id, f.ordinal, f.is_counted, false
FROM flipped f JOIN listing g USING (list_id, ordinal)
WHERE NOT g.is_marked ORDER BY f.list_id, f.ordinal
ON CONFLICT (list_id, ordinal) DO UPDATE SET is_counted = EXCLUDED.is_counted
"""

DROP = "DROP TABLE listing, happened, cancelled, released, flipped, linked, unlinked"


@transaction.atomic
def settle(
    *,
    breach_id: int,
    insurer_id: UUID,
    now: datetime,
    gone: Sequence[int] = (),
    wait: bool = True,
) -> None:
    """Settle the stale people of an insurer in a breach (worker only).

    Does nothing where there are none, or while their fingerprints are being wrapped, or (without
    `wait`) while another worker changes who is told: the sweep comes back. Can run again at any
    moment. Of `gone`, lists that just left whole, all is ended.
    """
    stale = ListingMark.objects.filter(is_stale=True)
    if not stale.exists():
        return  # As after nearly every batch: nobody's, whosever lists they are on.
    if not stale.filter(list_id__in=_lists(breach_id, insurer_id)).exists():
        return
    if not fingerprints_agree(breach_id=breach_id, insurer_id=insurer_id):
        return
    if not take_turn(insurer_id, wait=wait):
        return
    lists = _lists(breach_id, insurer_id)
    theirs = AffectedList.objects.filter(breach_id=breach_id, insurer_id=insurer_id)
    values = {
        "lists": [*lists, *gone],
        "gone": list(gone),
        "built": [state.value for state in BUILT],
        "purged": list(theirs.exclude(contacts_purged_at=None).values_list("pk", flat=True)),
        "some_erased": theirs.exclude(purged_at=None)
        .filter(members_uncounted__lt=F("members"))
        .exists(),
        "now": now,
    }
    run((LISTINGS, "ANALYZE listing", "CREATE INDEX ON listing (list_id, ordinal)"), values)
    # Twice: a message that was locked may have handed people over to another one meanwhile.
    run((LOCK, LOCK, CANCEL, RELEASED), values)
    for campaign in _campaigns_with_released():
        tell_released(campaign=campaign, now=now)
    run((COUNT, UNLINKED, RECOUNT, TELL, SETTLED, DROP), values)
    count_marks(list_ids=lists)


def settle_stale(*, now: datetime) -> None:
    """Settle every insurer that has stale people (the sweep)."""
    stale = ListingMark.objects.filter(is_stale=True).values_list("list_id", flat=True).distinct()
    places = AffectedList.objects.filter(pk__in=list(stale)).values_list("breach_id", "insurer_id")
    for breach_id, insurer_id in set(places.order_by()):
        settle(breach_id=breach_id, insurer_id=insurer_id, now=now, wait=False)


def _lists(breach_id: int, insurer_id: UUID) -> list[int]:
    lists = AffectedList.objects.that_stand_by_person().filter(
        breach_id=breach_id, insurer_id=insurer_id, purged_at=None
    )
    return list(lists.order_by("pk").values_list("pk", flat=True))


def _campaigns_with_released() -> list[Campaign]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT campaign_id FROM released")
        found = [row[0] for row in cursor.fetchall()]
    return list(Campaign.objects.filter(pk__in=found).order_by("pk"))
