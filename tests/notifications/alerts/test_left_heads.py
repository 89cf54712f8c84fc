"""The daily check of the trail reads the heads that left, and says when they stop leaving."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import override_settings

from audit.heads import signed_heads
from audit.trail import insurer_scope, record, verify
from notifications.alerts.conditions import SLOW
from notifications.alerts.raising import raise_alerts
from notifications.evidence import left_heads
from notifications.evidence.heads import let_heads_leave
from notifications.models import Alert, AlertKind, KeptHeads
from notifications.tasks import check_trail
from tests import cast
from tests.audit.tampering import behind_its_back, execute, rewrite_chain
from tests.conftest import WebClient, as_role

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    with override_settings(TRAIL_HEADS_DIR=tmp_path):
        yield tmp_path


def leave(*hours: int) -> None:
    for hour in hours:
        with as_role("worker"):
            assert let_heads_leave(now=cast.NOW + hour * HOUR)


def subjects(*, hours: float) -> list[str]:
    """Check as the worker does each day; return what runs of it."""
    with as_role("worker"):
        raise_alerts(now=cast.NOW + hours * HOUR, kinds=SLOW)
    running = Alert.objects.filter(ended_at=None, kind=AlertKind.TRAIL)
    return sorted(running.values_list("subject", flat=True))


def written(*rows: int) -> str:
    """Let Phare's trail grow; return its scope."""
    scope = insurer_scope(cast.phare().pk)
    for number in rows:
        record(action="list.accepted", scope=scope, detail={"rows": number})
    return scope


def rewritten(scope: str, sequence: int) -> None:
    """Change an entry, and every hash after it with the head: inside, nothing tells."""
    with behind_its_back():
        execute(f"UPDATE audit_auditentry SET detail = '{{}}' WHERE sequence = {sequence}")
        rewrite_chain(scope)
    assert verify(scope=scope) is None


def test_a_trail_that_only_grew_is_right() -> None:
    written(1, 2)
    leave(0)
    written(3)
    leave(1)
    assert subjects(hours=2) == []


def test_a_chain_made_anew_is_told_though_later_heads_agree_with_it() -> None:
    scope = written(1)
    leave(0)
    written(2)
    leave(1)
    rewritten(scope, 2)
    leave(2, 3)
    assert subjects(hours=4) == ["entry:2"]
    assert Alert.objects.get().insurer_id == cast.phare().pk


def test_of_earlier_days_one_head_each_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_heads, "READ_ALL", 1)
    scope = written(1, 2)
    leave(0, 1)
    rewritten(scope, 2)
    leave(24)
    assert subjects(hours=25) == ["entry:1"]


def test_heads_that_stop_leaving_are_told_until_they_leave_again(folder: Path) -> None:
    assert subjects(hours=0) == ["heads"]
    leave(0)
    assert subjects(hours=2.9) == []
    assert subjects(hours=3) == ["heads"]
    leave(3)
    assert subjects(hours=4) == []


def test_heads_leave_before_they_are_called_late(tmp_path: Path) -> None:
    """Everything was stopped for a night: the first check begins with them."""
    with as_role("worker"):
        check_trail()
    assert not Alert.objects.exists()
    blocked = tmp_path / "file"
    blocked.write_text("")
    KeptHeads.objects.all().delete()
    with (
        override_settings(TRAIL_HEADS_DIR=blocked / "heads"),
        pytest.raises(OSError),  # noqa: PT011
        as_role("worker"),
    ):
        check_trail()
    assert Alert.objects.get().subject == "heads"


def test_a_file_that_is_missing_damaged_or_of_another_key_is_named(folder: Path) -> None:
    leave(*range(5))
    first, second, _third, fourth, _fifth = sorted(folder.iterdir())
    second.unlink()
    fourth.write_bytes(fourth.read_bytes().replace(b'"number":4', b'"number":5'))
    another = Ed25519PrivateKey.generate()
    first.write_bytes(
        signed_heads([], portal="", number=1, previous_sha256="", key=another, now=cast.NOW)
    )
    assert subjects(hours=5) == ["heads:1", "heads:2", "heads:4"]


def test_what_is_wrong_with_heads_is_not_called_a_changed_trail(client: WebClient) -> None:
    subjects(hours=0)
    page = cast.sign_in(client, cast.odile()).get("/espace/alertes/").content.decode()
    assert "Têtes signées du journal" in page
    assert "Journal altéré" not in page
