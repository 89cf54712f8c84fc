"""An insurer's chain of the trail, whole, with all that each hash is made of."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from audit.models import AuditEntry, TrailHead
from audit.trail import chain_start, insurer_scope
from notifications.evidence.archive import Archive

NAME = "trail.jsonl"


def write_trail(archive: Archive, *, insurer_id: UUID) -> dict[str, Any]:
    """Write the chain, an entry a line; return what the manifest says of it, its end included.

    The end is the head's, not the last entry's: where the two differ, the check says so. The
    start is entry 1, or the first one after the months that were dropped.
    """
    scope = insurer_scope(insurer_id)
    entries = AuditEntry.objects.filter(scope=scope).order_by("sequence", "pk")
    with archive.writing(NAME) as file:
        file.rows = 0
        for entry in entries.iterator(chunk_size=2000):
            file.write(_line(entry))
            file.rows += 1
    first, before = chain_start(scope)
    head = TrailHead.objects.filter(scope=scope).first()
    return {
        "file": NAME,
        "scope": scope,
        "first": first,
        "before": before.hex(),
        "entries": head.sequence if head else 0,
        "head": bytes(head.hash).hex() if head else "",
    }


def _line(entry: AuditEntry) -> bytes:
    told = {
        "scope": entry.scope,
        "sequence": entry.sequence,
        "at": moment(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "outcome": entry.outcome,
        "detail": entry.detail,
        "previous_hash": bytes(entry.previous_hash).hex(),
        "hash": bytes(entry.hash).hex(),
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def moment(value: datetime | None) -> str | None:
    """Return a time as every file of a pack writes it: UTC, microseconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value else None
