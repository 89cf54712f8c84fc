"""Lease messages to a worker's database connection, and recover those of a dead one.

A connection holds the id of its batch as an advisory lock for as long as it lives: when a
worker is killed PostgreSQL frees the lock, and what it left is known to be abandoned. Outcomes
are recorded in the order of sending, one by one, so the first message of an abandoned batch
without an outcome may have left: it is marked uncertain, never sent again silently. The ones
after it were not sent: they go back. (Of a batch with a window, so many messages are in doubt.)
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F

from notifications.deadlocks import done_again_after_deadlock
from notifications.models import (
    Campaign,
    CampaignState,
    Channel,
    DispatchBatch,
    Notification,
    State,
)
from notifications.references import derive, fingerprint
from notifications.sending.acceptances import apply_acceptances
from notifications.sending.doubts import DOUBT_DELAY
from notifications.sending.pacing import give_back_slots
from notifications.sending.retries import ATTEMPTS

Holder = Callable[[], AbstractContextManager[BaseDatabaseWrapper]]
"""Gives the database connection that holds leases, for a moment."""

BATCH_SIZE = 1000
ADMISSION_SPACE = 40
LOCK_SPACE = 34  # first half of the advisory lock's key; the second is the batch

# Where people were withdrawn `settle` cancels their message; it may not have looked yet.
# Most messages cover whom they name and nobody else: one look, a fifth of the time.
STILL_LISTED = """CASE WHEN people = 1 THEN (
    SELECT count(*) FROM listing_mark AS k
    WHERE k.list_id = notifications_notification.list_id
        AND k.ordinal = notifications_notification.ordinal AND k.ended <> ''
) ELSE (
    SELECT count(*) FROM notifications_covered AS l
    JOIN listing_mark AS k ON k.list_id = l.list_id AND k.ordinal = l.ordinal
    WHERE l.notification_id = notifications_notification.id AND k.ended <> ''
) END = 0"""


def _this_connection() -> AbstractContextManager[BaseDatabaseWrapper]:
    return nullcontext(connections[DEFAULT_DB_ALIAS])


def claim_batch(
    *,
    campaign_id: int,
    channel: Channel,
    now: datetime,
    sender: str = "",
    limit: int = BATCH_SIZE,
    window: int = 1,
    at_once: int | None = None,
    holder: Holder = _this_connection,
) -> int | None:
    """Lease up to `limit` due messages to `holder`; return the batch's id, or None.

    That is the database connection that records the outcomes: this thread's, or another.

    `window` is how many of them the channel may send before the first is recorded; it is kept
    before anything is sent, for `recover_batches`. Of `at_once` batches that are open on the
    channel already, the provider admits no further connection: None.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        campaign = Campaign.objects.only("interruptions").get(pk=campaign_id)
        batch = DispatchBatch.objects.create(
            campaign=campaign,
            channel=channel,
            sender=sender,
            window=window,
            claimed_at=now,
            interruptions=campaign.interruptions,
        )
        with holder() as database, database.cursor() as lease:
            lease.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_SPACE, batch.pk])
        if at_once is not None and not _is_admitted(batch, at_once):
            _unclaim(batch, holder)
            return None
        cursor.execute(
            f"""
            WITH picked AS (
                SELECT id, state, reason FROM notifications_notification
                WHERE campaign_id = %(campaign)s AND channel = %(channel)s
                    AND state IN ('pending', 'deferred') AND due_at <= %(now)s
                    AND (state = 'pending' OR attempts < %(attempts)s)
                    AND EXISTS (SELECT FROM notifications_campaign c
                        WHERE c.id = %(campaign)s AND c.state = 'sending')
                    AND {STILL_LISTED}
                ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            ), moved AS (
                UPDATE notifications_notification AS n
                SET state = 'sending', reason = '', batch_id = %(batch)s
                FROM picked WHERE n.id = picked.id
                RETURNING n.people, n.uncounted, picked.state, picked.reason
            )
            INSERT INTO notifications_deliveryevent (campaign_id, channel, state, reason,
                previous_state, previous_reason, people, messages, uncounted, at)
            SELECT %(campaign)s, %(channel)s, 'sending', '', state, reason, sum(people), count(*),
                sum(uncounted), %(now)s
            FROM moved GROUP BY state, reason
            """,
            {
                "campaign": campaign_id,
                "channel": channel.value,
                "now": now,
                "limit": limit,
                "attempts": ATTEMPTS,
                "batch": batch.pk,
            },
        )
        if cursor.rowcount:
            return batch.pk
        _unclaim(batch, holder)
        return None


def _unclaim(batch: DispatchBatch, holder: Holder) -> None:
    number = batch.pk
    batch.delete()
    abandon_batch(batch_id=number, holder=holder)


def _is_admitted(batch: DispatchBatch, at_once: int) -> bool:
    """Whether fewer batches than that are open on the channel, one claim after another."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [ADMISSION_SPACE])
    others = DispatchBatch.objects.filter(channel=batch.channel, closed_at=None)
    return others.exclude(pk=batch.pk).count() < at_once


GIVE_BACK = """
WITH locked AS MATERIALIZED (
    SELECT id FROM notifications_notification
    WHERE batch_id = %(batch)s AND state = 'sending' AND (%(only)s IS NULL OR id = %(only)s)
        AND NOT id = ANY (%(but)s::bigint[])
    ORDER BY id FOR UPDATE
), moved AS (
    UPDATE notifications_notification n SET state = %(state)s, reason = %(reason)s,
        due_at = CASE WHEN %(only)s IS NULL THEN least(due_at, %(due_at)s) ELSE %(due_at)s END,
        attempts = attempts + (%(only)s IS NOT NULL)::int,
        reference_fingerprint = coalesce(%(fingerprint)s, reference_fingerprint)
    FROM locked WHERE n.id = locked.id
    RETURNING n.campaign_id, n.channel, n.people, n.uncounted
)
INSERT INTO notifications_deliveryevent (campaign_id, notification_id, channel, state, reason,
    previous_state, previous_reason, people, messages, uncounted, at)
SELECT campaign_id, %(only)s, channel, %(state)s, %(reason)s, 'sending', '', sum(people), count(*),
    sum(uncounted), %(now)s
FROM moved GROUP BY campaign_id, channel
RETURNING messages
"""


def is_still_sent(*, batch_id: int) -> bool:
    """Whether a batch goes on: staff may have stopped its campaign, or people left its list."""
    return DispatchBatch.objects.filter(
        pk=batch_id,
        campaign__state=CampaignState.SENDING,
        campaign__interruptions=F("interruptions"),
    ).exists()


def interrupt_batches(*, breach_id: int, insurer_id: UUID) -> None:
    """Have what is leased and not yet sent given back: people left a list of the insurer's."""
    sending = Campaign.objects.filter(state=CampaignState.SENDING)
    theirs = sending.filter(breach_id=breach_id, insurer_id=insurer_id)
    theirs.update(interruptions=F("interruptions") + 1)


def close_batch(
    *,
    batch_id: int,
    now: datetime,
    due_at: datetime,
    holder: Holder = _this_connection,
) -> None:
    """Give back what was not sent, for `due_at` at the latest, and end the lease.

    What was due stays so: by a clock that is ahead, nobody else would find it due for as long.
    """
    apply_acceptances(batch_id=batch_id, now=now)
    _close(batch_id=batch_id, now=now, due_at=due_at)
    abandon_batch(batch_id=batch_id, holder=holder)


def abandon_batch(*, batch_id: int, holder: Holder = _this_connection) -> None:
    """Let go of a lease as it is; of an open batch, `recover_batches` decides what to mark."""
    with holder() as database, database.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SPACE, batch_id])


def recover_batches(*, now: datetime) -> int:
    """Close the batches whose worker is gone; return how many messages are left in doubt."""
    in_doubt = 0
    for batch_id in DispatchBatch.objects.filter(closed_at=None).values_list("pk", flat=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, batch_id])
            if not (cursor.fetchone() or (False,))[0]:
                continue
        try:
            apply_acceptances(batch_id=batch_id, now=now)
            in_doubt += _recover(batch_id, now=now)
        finally:
            abandon_batch(batch_id=batch_id)
    return in_doubt


@transaction.atomic
def _recover(batch_id: int, *, now: datetime) -> int:
    batch = DispatchBatch.objects.filter(pk=batch_id, closed_at=None).first()
    if batch is None:
        return 0  # Its worker ended it meanwhile.
    unrecorded = Notification.objects.filter(batch_id=batch_id, state=State.SENDING)
    # Locked, in case what lost the lease still records: what that leaves is looked at.
    first = unrecorded.select_for_update().order_by("pk").values_list("pk", flat=True)
    in_doubt = list(first[: batch.window])
    # Pending before uncertain, as whoever claims or closes takes the tallies.
    _close(batch_id=batch_id, now=now, due_at=now, but=in_doubt)
    for notification_id in in_doubt:
        _give_back(
            batch_id,
            only=notification_id,
            state=State.UNCERTAIN,
            reason="worker-lost",
            due_at=now + DOUBT_DELAY,
            now=now,
        )
    DispatchBatch.objects.filter(pk=batch_id).update(was_recovered=True)
    return len(in_doubt)


@done_again_after_deadlock
def _close(*, batch_id: int, now: datetime, due_at: datetime, but: Sequence[int] = ()) -> None:
    with transaction.atomic():
        unsent = _give_back(
            batch_id, state=State.PENDING, reason="", due_at=due_at, now=now, but=but
        )
        batch = DispatchBatch.objects.get(pk=batch_id)
        give_back_slots(sender=batch.sender, count=unsent)
        DispatchBatch.objects.filter(pk=batch_id).update(closed_at=now)


def _give_back(
    batch_id: int,
    *,
    state: State,
    reason: str,
    due_at: datetime,
    now: datetime,
    only: int | None = None,
    but: Sequence[int] = (),
) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            GIVE_BACK,
            {
                "batch": batch_id,
                "state": state.value,
                "reason": reason,
                "due_at": due_at,
                "now": now,
                "only": only,
                "but": list(but),
                "fingerprint": fingerprint(derive(only)) if only is not None else None,
            },
        )
        return sum(row[0] for row in cursor.fetchall())
