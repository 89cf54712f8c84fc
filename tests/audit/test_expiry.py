"""Old months of the trail: signed by the worker, dropped by the owner, and still a chain."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.db import ProgrammingError
from django.test import override_settings

from audit.expiry import due_heads, kept_from, sign_checkpoints
from audit.models import AuditEntry, TrailCheckpoint
from audit.trail import record, verify
from tests.audit.tampering import behind_its_back, execute, rewrite_chain
from tests.audit.test_heads import FINGERPRINT, KEY, PHARE, compared, keep_heads, write
from tests.conftest import as_role

pytestmark = pytest.mark.django_db

NOW = datetime(2029, 4, 15, 10, tzinfo=UTC)
OLD, NEW = datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _five_entries() -> None:
    """Three of March 2026 by the clock of Paris, two of April."""
    write(1, 2, 3, 4, 5)
    record(action="user.changed", scope="portal")
    with behind_its_back():
        AuditEntry.objects.filter(scope=PHARE, sequence__lte=3).update(at=OLD)
        AuditEntry.objects.filter(scope=PHARE, sequence__gt=3).update(at=NEW)
        rewrite_chain(PHARE)


def sign(key: Ed25519PrivateKey = KEY) -> None:
    with as_role("worker"):
        heads = due_heads(now=NOW)
        sign_checkpoints(heads, portal="https://a.fr", key=key, now=NOW)


def expire(key: str = FINGERPRINT, *, now: datetime = NOW + timedelta(days=31)) -> str:
    said = StringIO()
    clock = mock.patch("django.utils.timezone.now", return_value=now)
    with clock, as_role("owner"), override_settings(ROLE="owner"):
        call_command("expire_trail", key=[key], stdout=said)
    return said.getvalue()


def ranks() -> list[int]:
    entries = AuditEntry.objects.filter(scope=PHARE).order_by("sequence")
    return list(entries.values_list("sequence", flat=True))


def test_whole_months_are_kept() -> None:
    assert str(kept_from(NOW)) == "2026-04-01"
    assert str(kept_from(datetime(2029, 1, 1, tzinfo=UTC))) == "2026-01-01"
    assert [(head.scope, head.sequence) for head in due_heads(now=NOW)] == [(PHARE, 3)]
    assert due_heads(now=NOW - timedelta(days=31)) == []


def test_what_is_signed_is_dropped_and_the_rest_is_a_chain(tmp_path: Path) -> None:
    keep_heads(tmp_path, 1)
    sign()
    assert ranks() == [1, 2, 3, 4, 5]
    assert expire() == f"{PHARE}: 3 entries dropped\n"
    assert ranks() == [4, 5]
    assert verify(scope=PHARE) is None
    write(6)
    keep_heads(tmp_path, 2)
    assert "nothing was changed" in compared(tmp_path)
    assert "Nothing to drop" in expire()
    assert AuditEntry.objects.filter(action="trail_expiry.dropped").count() == 1


def test_two_months_that_wait_are_both_dropped_and_counted() -> None:
    sign()
    with as_role("worker"):
        later = NOW + timedelta(days=31)
        heads = due_heads(now=later)
        assert [(head.scope, head.sequence) for head in heads] == [(PHARE, 5)]
        sign_checkpoints(heads, portal="https://a.fr", key=KEY, now=later)
    assert expire() == f"{PHARE}: 5 entries dropped\n"
    assert ranks() == []
    assert verify(scope=PHARE) is None
    write(6)
    assert verify(scope=PHARE) is None


def test_nothing_goes_without_a_signature_of_the_right_key() -> None:
    assert "Nothing to drop" in expire()
    sign(key=Ed25519PrivateKey.generate())
    with pytest.raises(CommandError, match="another key"):
        expire()
    assert ranks() == [1, 2, 3, 4, 5]


def test_a_broken_chain_is_neither_signed_nor_dropped() -> None:
    sign()
    with behind_its_back():
        execute("UPDATE audit_auditentry SET actor = 'x' WHERE sequence = 2")
    with pytest.raises(CommandError):
        expire()
    assert ranks() == [1, 2, 3, 4, 5]


def test_a_forged_checkpoint_is_named(tmp_path: Path) -> None:
    keep_heads(tmp_path, 1)
    sign()
    expire()
    fourth = AuditEntry.objects.get(scope=PHARE, sequence=4)
    signed = TrailCheckpoint.objects.get()
    with behind_its_back():
        execute("DELETE FROM audit_auditentry WHERE sequence = 4")
    TrailCheckpoint.objects.create(
        scope=PHARE,
        sequence=4,
        hash=bytes(fourth.hash),
        kept_from_date=signed.kept_from_date,
        signed=bytes(signed.signed),
        signed_at=NOW,
        dropped_at=NOW,
    )
    assert verify(scope=PHARE) is None  # The database alone cannot tell.
    said = compared(tmp_path)
    assert f"{PHARE}: entry 4: dropped up to entry 4 without a signed checkpoint" in said


def forge_checkpoint(last: AuditEntry, signed: bytes) -> None:
    """Drop a chain up to an entry, and say that it was signed for."""
    with behind_its_back():
        AuditEntry.objects.filter(scope=PHARE, sequence__lte=last.sequence).delete()
    TrailCheckpoint.objects.create(
        scope=PHARE,
        sequence=last.sequence,
        hash=bytes(last.hash),
        kept_from_date=NOW.date(),
        signed=signed,
        signed_at=NOW,
        dropped_at=NOW,
    )


def test_a_file_of_heads_that_left_is_no_checkpoint(tmp_path: Path) -> None:
    """Everybody has those; what they name is what a rewriter would like to see gone."""
    kept = keep_heads(tmp_path, 1)
    fifth = AuditEntry.objects.get(scope=PHARE, sequence=5)
    write(6)
    forge_checkpoint(fifth, kept.read_bytes())
    assert verify(scope=PHARE) is None
    said = compared(tmp_path)
    assert f"{PHARE}: entry 1: dropped up to entry 5 without a signed checkpoint" in said


def test_a_chain_that_was_made_old_to_be_signed_for_and_dropped_is_found(tmp_path: Path) -> None:
    keep_heads(tmp_path, 1)
    with behind_its_back():
        AuditEntry.objects.filter(scope=PHARE).update(at=OLD)
        rewrite_chain(PHARE)
    sign()
    assert expire() == f"{PHARE}: 5 entries dropped\n"
    write(6)
    keep_heads(tmp_path, 2)
    said = compared(tmp_path)
    assert f"{PHARE}: entry 5: rewritten, up to here or before, and then dropped as old" in said


def test_a_month_signed_for_by_a_clock_that_was_ahead_is_not_dropped() -> None:
    sign()
    with pytest.raises(CommandError, match="not over"):
        expire(now=NOW - timedelta(days=31))
    assert ranks() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("role", ["worker", "web"])
def test_only_the_owner_dates_a_drop(role: str) -> None:
    sign()
    with pytest.raises(ProgrammingError, match="permission denied"), as_role(role):
        TrailCheckpoint.objects.update(dropped_at=NOW)


def test_the_command_is_the_owners() -> None:
    with pytest.raises(CommandError, match="PORTAL_ROLE=owner"):
        call_command("expire_trail", key=[FINGERPRINT])
