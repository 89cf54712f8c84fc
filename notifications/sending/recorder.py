"""Have what servers took on disk before the next message leaves, for a whole process at once.

All connections of a worker process have their acceptances written by one statement and one flush
of the disk; `acceptances.py` makes events of them. The statement is committed synchronously
(`synchronous_commit` on): after a crash of the database host no acceptance is forgotten, hence no
message sent twice (docs/decisions/0019).
"""

from collections import deque
from dataclasses import dataclass, field
from threading import Lock

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from notifications.channels import Outcome
from notifications.cooperation import write_together
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
    _turn: Lock = field(default_factory=Lock)
    _unapplied: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.database.ensure_connection()
        # Never on another connection: it would not hold the leases.
        self._kept = PreparedStatement(self.database.connection, KEEP)

    def record(self, *, batch_id: int, outcome: Outcome, fingerprint: bytes) -> bool:
        """Write what a server took, to disk; return whether its batch is still to be sent.

        `fingerprint` is that of the message's reference.
        What all have brought is written when none of them can go on. Raises the database's error,
        for each of them.
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
        if not write_together(self._write):
            self._write()
        if entry.error is not None:
            raise entry.error
        return entry.goes_on

    def batches_to_apply(self) -> set[int]:
        """Return the batches that something was written for since this was last asked."""
        with self._turn:
            found, self._unapplied = self._unapplied, set()
        return found

    def _write(self) -> None:
        with self._turn:
            self._write_what_waits()

    def _write_what_waits(self) -> None:
        entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not entries:
            return  # Another thread wrote it.
        try:
            sending = self._keep(entries)
        except BaseException as error:
            for entry in entries:
                entry.error = error
            return  # Each raises it.
        self._unapplied |= {entry.values[0] for entry in entries}
        for entry in entries:
            entry.goes_on = entry.values[0] in sending

    def _keep(self, entries: list[_Entry]) -> set[int]:
        columns = zip(*(entry.values for entry in entries), strict=True)
        with self.database.wrap_database_errors:
            rows = self._kept.rows(timezone.now().isoformat(), *map(_array, columns))
        return {int(batch) for (batch,) in rows if batch is not None}


def _array(values: tuple[object, ...]) -> str:
    """Return values as PostgreSQL reads an array (its manual, 8.15.6)."""
    quoted = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return '{"' + '","'.join(quoted) + '"}'
