"""Versions of a notice or a public statement: one person at a time adds one, none ever changes."""

import hashlib
import json
from datetime import datetime
from typing import Any, Literal, TypeVar

from django.db import connection
from django.db.models import Manager

from audit.trail import account, insurer_scope, record
from notifications.models import Notice, NoticeVersion, Statement, StatementVersion

Kind = Literal["notice", "statement"]
Version = TypeVar("Version", NoticeVersion, StatementVersion)
# The first number of an advisory lock's two.
CLASSES: dict[Kind, int] = {"notice": 7431, "statement": 7432}


def hold_versions(kind: Kind, number: int) -> None:
    """Let nobody else add a version to it, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [CLASSES[kind], number])


def add_version(
    versions: Manager[Version],
    *,
    of: Notice | Statement,
    content: dict[str, Any],
    author_id: int,
    now: datetime,
) -> Version:
    """Store a content as the next of `of.versions`, in the trail; the caller holds them."""
    kind: Kind = "notice" if isinstance(of, Notice) else "statement"
    last = versions.order_by("-number").values_list("number", flat=True).first()
    version = versions.create(
        number=(last or 0) + 1,
        content=content,
        sha256=canonical_sha256(content),
        edited_by_id=author_id,
        edited_at=now,
    )
    record(
        action=f"{kind}.saved",
        scope=insurer_scope(of.insurer_id),
        actor=account(author_id),
        subject=f"{kind}:{of.pk}",
        detail={"version": version.number, "sha256": version.sha256.hex()},
    )
    return version


def canonical_sha256(content: dict[str, Any]) -> bytes:
    """Return the SHA-256 of a content's canonical JSON, 32 bytes."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()
