"""Write the trail and check it. The database chains the entries (migration 0002)."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Min

from audit.models import AuditEntry, Outcome, TrailCheckpoint, TrailHead

PORTAL = "portal"
READABLE = (datetime.min.replace(tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
SYSTEM = "system"


def insurer_scope(insurer_id: object) -> str:
    """Return the scope of an insurer's chain."""
    return f"insurer:{insurer_id}"


def account(user_id: object) -> str:
    """Return how the trail names an account: by number, never by address."""
    return f"account:{user_id}"


def token(token_id: object) -> str:
    """Return how the trail names a program's token: by number, never by its secret."""
    return f"token:{token_id}"


def actor_of(*, account_id: object | None, token_id: object | None) -> str:
    """Return whoever did something: a program by its token, a person, else the portal itself."""
    if token_id is not None:
        return token(token_id)
    return account(account_id) if account_id is not None else SYSTEM


def record(
    *,
    action: str,
    scope: str,
    actor: str = SYSTEM,
    subject: str = "",
    outcome: Outcome = Outcome.DONE,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append one entry, in the caller's transaction.

    `action` is `subject.verb` in English (`list.accepted`); `detail` holds numbers, hashes and
    codes, never an identifier, a contact or a reference.
    """
    text = json.dumps(detail or {}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_auditentry (scope, actor, action, subject, outcome, detail)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [scope, actor, action, subject, outcome.value, text],
        )


def entry_hash(entry: AuditEntry) -> bytes:
    """Recompute an entry's SHA-256 (32 bytes) from its fields."""
    digest = hashlib.sha256()
    for part in (
        bytes(entry.previous_hash),
        entry.scope.encode(),
        str(entry.sequence).encode(),
        entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode(),
        entry.actor.encode(),
        entry.action.encode(),
        entry.subject.encode(),
        entry.outcome.encode(),
        entry.detail.encode(),
    ):
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()


@dataclass(frozen=True)
class Fault:
    """The first bad place found in a chain."""

    scope: str
    sequence: int
    reason: str


def verify(*, scope: str) -> Fault | None:
    """Walk a scope's chain from its start, or from where old months were dropped.

    Returns the first fault, or None.
    """
    expected, previous = chain_start(scope)
    found = AuditEntry.objects.filter(scope=scope).order_by("sequence", "pk")
    # A time that Python cannot read (« infinity ») would end the walk without naming anything.
    unread = found.exclude(at__range=READABLE).aggregate(first=Min("sequence"))["first"]
    if unread is not None:
        found = found.filter(sequence__lt=unread)
    entries: Iterator[AuditEntry] = found.iterator(chunk_size=2000)
    for entry in entries:
        if entry.sequence != expected:
            return Fault(scope, expected, "entry missing or out of order")
        if bytes(entry.previous_hash) != previous:
            return Fault(scope, expected, "does not follow the entry before it")
        if bytes(entry.hash) != entry_hash(entry):
            return Fault(scope, expected, "changed after it was written")
        expected, previous = expected + 1, bytes(entry.hash)
    if unread is not None:
        return Fault(scope, expected, "changed after it was written")
    head = TrailHead.objects.filter(scope=scope).first()
    if head is None and expected == 1:
        return None
    if head is not None and head.sequence < expected - 1:
        return Fault(scope, head.sequence + 1, "added behind the portal's back")
    if head is None or head.sequence != expected - 1 or bytes(head.hash) != previous:
        return Fault(scope, expected, "the end of the chain was cut")
    return None


def chain_start(scope: str) -> tuple[int, bytes]:
    """Return the first rank that a chain still has, and the hash before it."""
    dropped = TrailCheckpoint.objects.filter(scope=scope).exclude(dropped_at=None)
    last = dropped.order_by("-sequence").first()
    return (last.sequence + 1, bytes(last.hash)) if last else (1, b"")


def scopes() -> list[str]:
    """Return every scope that has entries or a head."""
    found = set(AuditEntry.objects.values_list("scope", flat=True).distinct())
    return sorted(found | set(TrailHead.objects.values_list("scope", flat=True)))
