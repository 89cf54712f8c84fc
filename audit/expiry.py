"""Whole months of the trail that are over: signed by the worker first, then dropped by the owner.

A checkpoint says which entry was the last of them, and its hash, under the key that signs the
heads. What remains is a chain that begins after it; `manage.py verify_trail --against` accepts
that beginning because of the signature, never because a row says so.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from audit.heads import EXPIRY, Head, UntrustedHeadsError, read_signed, signed_heads
from audit.models import AuditEntry, TrailCheckpoint
from audit.trail import PORTAL, record, scopes, verify


class CheckpointRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """What a checkpoint says is not what the trail holds, or nobody trusted signed it."""


def kept_from(now: datetime) -> date:
    """Return the first day whose entries stay: a first of a month."""
    today = timezone.localdate(now)
    months = today.year * 12 + today.month - 1 - settings.TRAIL_MONTHS
    return date(months // 12, months % 12 + 1, 1)


def _start(now: datetime) -> datetime:
    return timezone.make_aware(datetime.combine(kept_from(now), datetime.min.time()))


def due_heads(*, now: datetime) -> list[Head]:
    """Return the last entry of each chain before that day, where none is signed that late yet."""
    start = _start(now)
    found = []
    for scope in scopes():
        old = AuditEntry.objects.filter(scope=scope, at__lt=start)
        last = old.order_by("-sequence").first()
        known = TrailCheckpoint.objects.filter(scope=scope).aggregate(last=Max("sequence"))["last"]
        if last is not None and last.sequence > (known or 0):
            found.append(Head(scope, last.sequence, bytes(last.hash), last.at))
    return found


def sign_checkpoints(
    heads: Iterable[Head], *, portal: str, key: Ed25519PrivateKey, now: datetime
) -> bytes:
    """Keep a signed checkpoint for each of these entries; return the file (worker only).

    A chain in which something is wrong is not signed: raises CheckpointRefused.
    """
    heads = list(heads)
    for head in heads:
        if verify(scope=head.scope) is not None:
            raise CheckpointRefused(head.scope)
    content = signed_heads(
        heads, portal=portal, number=0, previous_sha256="", key=key, now=now, format_=EXPIRY
    )
    TrailCheckpoint.objects.bulk_create(
        TrailCheckpoint(
            scope=head.scope,
            sequence=head.sequence,
            hash=head.hash,
            kept_from_date=kept_from(now),
            signed=content,
            signed_at=now,
        )
        for head in heads
    )
    return content


def trusted(checkpoint: TrailCheckpoint, *, fingerprints: Collection[str]) -> Head | None:
    """Return what a key with one of these fingerprints signed for a checkpoint, or None.

    A file of heads that left is no checkpoint: those are everybody's, and of entries that stay.
    """
    try:
        signed = read_signed(bytes(checkpoint.signed), fingerprints=fingerprints, format_=EXPIRY)
    except UntrustedHeadsError:
        return None
    said = (checkpoint.scope, checkpoint.sequence, bytes(checkpoint.hash))
    for head in signed.heads:
        if said == (head.scope, head.sequence, head.hash):
            return head
    return None


def drop_expired(*, fingerprints: Collection[str], now: datetime) -> Counter[str]:
    """Drop the entries before each new checkpoint (owner role); return how many, by scope.

    Raises CheckpointRefused, and drops nothing of any chain.
    """
    with transaction.atomic():
        dropped: Counter[str] = Counter()  # A chain may have several months to drop.
        for checkpoint in TrailCheckpoint.objects.filter(dropped_at=None):
            dropped[checkpoint.scope] += _drop(checkpoint, fingerprints, now)
        if dropped:
            record(
                action="trail_expiry.dropped",
                scope=PORTAL,
                detail={"chains": len(dropped), "entries": sum(dropped.values())},
            )
    return dropped


def _drop(checkpoint: TrailCheckpoint, fingerprints: Collection[str], now: datetime) -> int:
    mine = {"scope": checkpoint.scope, "sequence": checkpoint.sequence}
    last = AuditEntry.objects.filter(**mine).first()
    if last is None or bytes(last.hash) != bytes(checkpoint.hash) or last.at >= _start(now):
        raise CheckpointRefused(checkpoint.scope)
    if trusted(checkpoint, fingerprints=fingerprints) is None:
        raise CheckpointRefused(checkpoint.scope)
    if verify(scope=checkpoint.scope) is not None:
        raise CheckpointRefused(checkpoint.scope)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER audit_no_change")
        cursor.execute(
            "DELETE FROM audit_auditentry WHERE scope = %s AND sequence <= %s",
            [checkpoint.scope, checkpoint.sequence],
        )
        gone: int = cursor.rowcount
        cursor.execute("ALTER TABLE audit_auditentry ENABLE TRIGGER audit_no_change")
    checkpoint.dropped_at = now
    checkpoint.save(update_fields=["dropped_at"])
    return gone
