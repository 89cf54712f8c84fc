"""A campaign's delivery events as CSV, millions of them, in blocks that the manifest hashes."""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

from django.db import connection

from notifications.evidence.archive import Archive, WrittenFile, csv_line

BLOCK = 10_000  # events: where a change cannot be told to the row, it can to this many
PSEUDONYM_BYTES = 8
COLUMNS = (
    "rank",
    "at",
    "message",
    "channel",
    "previous_state",
    "previous_reason",
    "state",
    "reason",
    "people",
    "messages",
    "uncounted",
)
_EVENTS = """
COPY (
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), notification_id,
        concat_ws(chr(31), channel, previous_state, previous_reason, state, reason, people,
            messages, uncounted)
    FROM notifications_deliveryevent WHERE campaign_id = {campaign} ORDER BY id
) TO STDOUT
"""
Progress = Callable[[int], None]


@dataclass
class EventsWritten:
    """What the manifest says of a campaign's events: how many, and the hash of each block."""

    campaign_id: int
    name: str
    events: int = 0
    blocks: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """Return its entry of the manifest."""
        return {
            "campaign": self.campaign_id,
            "file": self.name,
            "events": self.events,
            "block": BLOCK,
            "blocks": self.blocks,
        }


def count_events(campaign_ids: list[int]) -> int:
    """Return how many events these campaigns have."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM notifications_deliveryevent WHERE campaign_id = ANY (%s)",
            [campaign_ids],
        )
        return int((cursor.fetchone() or (0,))[0])


def write_events(
    archive: Archive, *, campaign_id: int, key: bytes, progress: Progress
) -> EventsWritten:
    """Write one campaign's events in the order in which they were recorded.

    `progress` is told of each block's number of events. Memory does not grow with them.
    """
    written = EventsWritten(campaign_id, f"events/campaign-{campaign_id}.csv")
    with archive.writing(written.name) as file:
        file.write(csv_line(COLUMNS))
        lines = _lines(campaign_id, key)
        while block := list(islice(lines, BLOCK)):
            _write_block(file, written, block)
            progress(len(block))
        file.rows = written.events
    return written


def _write_block(file: WrittenFile, written: EventsWritten, block: list[bytes]) -> None:
    content = b"".join(b"%d,%b" % (written.events + n, line) for n, line in enumerate(block, 1))
    file.write(content)
    written.blocks.append(hashlib.sha256(content).hexdigest())
    written.events += len(block)


def _lines(campaign_id: int, key: bytes) -> Iterator[bytes]:
    """Yield each event as a line of CSV, without its rank."""
    rest = lru_cache(maxsize=4096)(_rest)  # what follows the message is of few kinds
    with (
        connection.cursor() as cursor,
        cursor.copy(_EVENTS.format(campaign=int(campaign_id))) as copy,
    ):
        for at, message, others in copy.rows():
            shown = pseudonym(int(message), key) if message is not None else ""
            yield b"%b,%b,%b" % (at.encode(), shown.encode(), rest(others))


def _rest(cells: str) -> bytes:
    return csv_line(cells.split("\x1f"))


def pseudonym(notification_id: int, key: bytes) -> str:
    """Return what stands for a message: the same in each pack, and nobody's without the key."""
    code = hmac.digest(key, notification_id.to_bytes(8, "big"), "sha256")
    return code[:PSEUDONYM_BYTES].hex()
