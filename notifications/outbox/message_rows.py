"""The rows of an outbox's messages, five in six of them made beside the claims.

Claims cost PostgreSQL more than half of what messages do, so a second connection makes most of
the messages while the first one claims people, and then makes the others. The second one plans
for itself, and what it made stays only if it covers exactly whom the first one claimed. It commits
first: until the campaign's state says that the outbox is made nothing sends, counts or cancels
these messages, and the next attempt removes what a kill left.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import Error, connection, transaction

from notifications.outbox.planning import plan

# Fingerprints are spread evenly: with five in six below, both connections end together.
BOUND = UUID(int=5 * 2**128 // 6)

LEFT_OVER = """
DELETE FROM notifications_notificationmember l USING notifications_notification n
WHERE n.campaign_id = %(campaign)s AND n.state = 'pending' AND l.notification_id = n.id;
DELETE FROM notifications_notification WHERE campaign_id = %(campaign)s AND state = 'pending';
"""

# Numbered in the order of the list, so that a batch reads neighbours. Sorted and joined by the
# address: by the channel first, which two in three share, texts were compared a third of the time.
MESSAGES = """
WITH made AS (
    INSERT INTO notifications_notification
        (campaign_id, channel, address_fingerprint, list_id, ordinal, people, uncounted,
         state, reason, attempts, due_at)
    SELECT %(campaign)s, channel, address, %(list)s, min(ordinal), count(*),
        count(*) FILTER (WHERE is_uncounted), 'pending', '', 0, %(now)s
    FROM covered WHERE coalesce(coalesce(address < %(bound)s, false) = %(is_beside)s, true)
    GROUP BY address, channel ORDER BY min(ordinal)
    RETURNING id, channel, address_fingerprint, ordinal, people, uncounted
), linked AS (
    INSERT INTO notifications_notificationmember (notification_id, list_id, ordinal)
    SELECT made.id, %(list)s, covered.ordinal
    FROM made JOIN covered ON made.people > 1 AND made.address_fingerprint = covered.address
        AND made.channel IS NOT DISTINCT FROM covered.channel AND made.ordinal <> covered.ordinal
    ORDER BY made.id, covered.ordinal
)
SELECT channel, sum(people), count(*), sum(uncounted) FROM made GROUP BY channel
"""

DIGEST = """
SELECT count(*), sum(uuid_hash_extended(address, ordinal)), count(*) FILTER (WHERE is_uncounted)
FROM covered WHERE address < %(bound)s
"""

Made = list[tuple[str, int, int, int]]  # channel, people, messages, people who count elsewhere


def take_memory() -> None:
    """Let the transaction join and sort a whole list."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '256MB'")


def make_messages(values: dict[str, Any], *, is_beside: bool | None = None) -> Made:
    """Make the messages of the table `covered`, or one share of them; return their counts."""
    with connection.cursor() as cursor:
        cursor.execute(MESSAGES, values | {"bound": BOUND, "is_beside": is_beside})
        made: Made = cursor.fetchall()
    return made


class Beside:
    """The share of the messages that another connection makes."""

    def __init__(self, pool: Executor, values: dict[str, Any]) -> None:
        """Begin to make messages for whom nobody is seen to have claimed."""
        self._made: Future[tuple[object, Made] | None] = Future()
        self._is_right: Future[bool] = Future()
        self._end = pool.submit(self._make, values)

    def keep(self) -> Made | None:
        """Commit what was made if it covers whom `covered` covers; return its counts, else None."""
        found = self._made.result()
        counts = found[1] if found is not None and found[0] == _digest() else None
        self._is_right.set_result(counts is not None)
        self._end.result()
        return counts

    def drop(self) -> None:
        """Undo what was made, unless it was kept."""
        if not self._is_right.done():
            self._is_right.set_result(False)

    def _make(self, values: dict[str, Any]) -> None:
        try:
            with transaction.atomic():
                take_memory()
                with connection.cursor() as cursor:
                    # Whoever it waits for may wait for the other connection.
                    cursor.execute("SET LOCAL lock_timeout = '30s'")
                plan(values)
                counts = make_messages(values, is_beside=True)
                self._made.set_result((_digest(), counts))
                transaction.set_rollback(not self._is_right.result())
        except Error:
            if self._made.done():
                raise  # At the end: nobody knows whether they stay.
        finally:
            if not self._made.done():
                self._made.set_result(None)
            connection.close()


@contextmanager
def messages_beside(values: dict[str, Any]) -> Iterator[Beside]:
    """Have another connection make its share during the block."""
    with ThreadPoolExecutor(1) as pool:
        beside = Beside(pool, values)
        try:
            yield beside
        finally:
            beside.drop()


def _digest() -> object:
    with connection.cursor() as cursor:
        cursor.execute(DIGEST, {"bound": BOUND})
        return cursor.fetchone()
