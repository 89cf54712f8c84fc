"""How many workers send at once: so many slots, each held by an advisory lock while it is used.

A slot has one valid task in the queue at most: a task carries the number of its ticket, whoever
takes the slot uses the number up, and the sweep issues a new one where nobody holds the slot. So
a task that Redis delivers three times, forgets or keeps for an hour does no harm.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from insurers.lists.locks import session_lock

SLOTS = 4
LOCK_SPACE = 35  # first half of the advisory lock's key; the second is the slot

ISSUE = """
INSERT INTO notifications_dispatchticket AS ticket (slot, number)
SELECT slot, 1 FROM unnest(%(slots)s::smallint[]) AS slot
ON CONFLICT (slot) DO UPDATE SET number = ticket.number + 1
RETURNING slot, number
"""

USE = """
UPDATE notifications_dispatchticket SET number = number + 1 WHERE slot = %s AND number = %s
"""

HELD = """
SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2
    AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def issue_tickets() -> list[tuple[int, int]]:
    """Return a new ticket for each slot that no worker holds: slot and number."""
    with connection.cursor() as cursor:
        cursor.execute(HELD, [LOCK_SPACE])
        held = {row[0] for row in cursor.fetchall()}
        free = [slot for slot in range(SLOTS) if slot not in held]
        return _issue(free)


def next_ticket(*, slot: int) -> int:
    """Return a ticket for the slot that this worker has just used."""
    return _issue([slot])[0][1]


@contextmanager
def slot_held(*, slot: int, ticket: int) -> Iterator[bool]:
    """Hold a slot for the block; yield False where the ticket was used, or replaced."""
    with session_lock(LOCK_SPACE, slot) as held:
        if held:
            with connection.cursor() as cursor:
                cursor.execute(USE, [slot, ticket])
                held = cursor.rowcount == 1
        yield held


def _issue(slots: list[int]) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(ISSUE, {"slots": slots})
        return [(row[0], row[1]) for row in cursor.fetchall()]
