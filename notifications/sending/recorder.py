"""Have what servers took on disk before the next message leaves, for a whole process at once.

All connections of a worker process have their acceptances written by one statement and one flush
of the disk; `acceptances.py` makes events of them. The statement is committed synchronously
(`synchronous_commit` on): after a crash of the database host no acceptance is forgotten, hence no
message sent twice (docs/decisions/0019).
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from notifications.channels import Outcome
from notifications.cooperation import CooperativeLock, let_others_go_first
from notifications.prepared import PreparedStatement

KEEP = """
WITH kept AS (
    INSERT INTO notifications_acceptance (batch_id, notification_id, reason, reference,
        reference_fingerprint, at)
    SELECT batch, message, reason, reference, decode(fingerprint, 'hex'), $1::timestamptz
    FROM unnest($2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[])
        AS one (batch, message, reason, reference, fingerprint)
)
SELECT b.id FROM notifications_dispatchbatch b JOIN notifications_campaign c ON c.id = b.campaign_id
WHERE b.id = ANY ($2::int[]) AND c.state = 'sending' AND c.interruptions = b.interruptions
"""


@dataclass
class _Entry:
    values: tuple[int, int, str, str, str]
    is_written: bool = False
    goes_on: bool = False
    error: BaseException | None = None


@dataclass
class Recorder:
    """Writes acceptances for the connections of a process, by one database connection.

    That one holds their leases too: whatever ends it frees them, and PostgreSQL does so only once
    it has written the acceptances that it was given.
    """

    database: BaseDatabaseWrapper
    _waiting: deque[_Entry] = field(default_factory=deque)
    _turn: CooperativeLock = field(default_factory=CooperativeLock)
    _unapplied: set[int] = field(default_factory=set)
    _noting: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.database.ensure_connection()
        # Never on another connection: it would not hold the leases.
        self._kept = PreparedStatement(self.database.connection, KEEP)

    def record(self, *, batch_id: int, outcome: Outcome, fingerprint: bytes) -> bool:
        """Write what a server took, to disk; return whether its batch is still to be sent.

        `fingerprint` is that of the message's reference.
        What all have brought is written together, when none of them can go on or what was written
        before is on disk. Raises the database's error, for each of them.
        """
        values = (
            batch_id,
            outcome.notification_id,
            outcome.reason,
            outcome.provider_reference.replace("\0", "")[:120],
            fingerprint.hex(),
        )
        entry = _Entry(values)
        self._waiting.append(entry)
        with self._turn:
            if not entry.is_written:  # Another's turn has written it.
                let_others_go_first()
                self._write_what_waits()
        if entry.error is not None:
            raise entry.error
        return entry.goes_on

    def batches_to_apply(self) -> set[int]:
        """Return the batches that something was written for since this was last asked."""
        with self._noting:
            found, self._unapplied = self._unapplied, set()
        return found

    @contextmanager
    def leasing(self) -> Iterator[BaseDatabaseWrapper]:
        """Give the connection that holds the leases, for a moment in which nothing is written."""
        with self._turn:
            yield self.database

    def _write_what_waits(self) -> None:
        entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            sending = self._keep(entries)
        except BaseException as error:
            for entry in entries:
                entry.is_written, entry.error = True, error
            return  # Each raises it.
        with self._noting:
            self._unapplied |= {entry.values[0] for entry in entries}
        for entry in entries:
            entry.is_written, entry.goes_on = True, entry.values[0] in sending

    def _keep(self, entries: list[_Entry]) -> set[int]:
        numbers, texts = slice(0, 2), slice(2, 5)
        columns = list(zip(*(entry.values for entry in entries), strict=True))
        arrays = [*map(_array_of_numbers, columns[numbers]), *map(_array_of_texts, columns[texts])]
        with self.database.wrap_database_errors:
            rows = self._kept.rows(timezone.now().isoformat(), *arrays)
        return {int(batch) for (batch,) in rows if batch is not None}


def _array_of_numbers(values: tuple[int, ...]) -> str:
    return f"{{{','.join(map(str, values))}}}"


def _array_of_texts(values: tuple[str, ...]) -> str:
    """Return texts as PostgreSQL reads an array (its manual, 8.15.6)."""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return '{"' + '","'.join(quoted) + '"}'
