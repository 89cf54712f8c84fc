"""The trail's heads leave: hourly into a folder, daily to the auditors whose mandate runs."""

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from audit.checks import check_heads_leave
from audit.heads import read_signed
from audit.models import AuditEntry, TrailCheckpoint
from audit.trail import PORTAL, record
from insurers.lists.key_check import expected_keys, faults_of_store
from insurers.lists.keystore import key_store
from insurers.models import Mandate
from notifications.evidence.heads import let_heads_leave, sign_expiry
from notifications.evidence.keys import pseudonym_key
from notifications.models import EvidenceKey, KeptHeads
from tests import cast
from tests.conftest import as_role

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with override_settings(TRAIL_HEADS_DIR=tmp_path / "heads"):
        yield tmp_path / "heads"


def leave(*, hours: int) -> bool:
    with as_role("worker"):
        return let_heads_leave(now=cast.NOW + hours * HOUR)


def test_heads_leave_once_an_hour_and_are_never_replaced(folder: Path) -> None:
    record(action="user.changed", scope=PORTAL)
    assert [leave(hours=hours) for hours in (0, 0, 1)] == [True, False, True]
    first, second = sorted(folder.iterdir())
    assert first.name == "trail-00000001-20260302T100000Z.heads"
    told = json.loads(second.read_bytes().splitlines()[0])
    assert told["previous_sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert {bytes(one.sha256).hex() for one in KeptHeads.objects.all()} == {
        hashlib.sha256(one.read_bytes()).hexdigest() for one in (first, second)
    }


def test_the_command_finds_them_good_with_the_fingerprint_that_is_published(
    folder: Path,
) -> None:
    record(action="user.changed", scope=PORTAL)
    leave(hours=0)
    printed, said = StringIO(), StringIO()
    call_command("evidence_key", stdout=printed)
    fingerprint = printed.getvalue().split()[2]
    call_command("verify_trail", against=[folder], key=[fingerprint], stdout=said)
    assert "1 signed files of heads agree" in said.getvalue()


def test_a_database_that_forgot_its_files_does_not_begin_anew(folder: Path) -> None:
    leave(hours=0)
    KeptHeads.objects.all().delete()
    leave(hours=1)
    assert [one.name[:14] for one in sorted(folder.iterdir())] == [
        "trail-00000001",
        "trail-00000002",
    ]


def test_auditors_get_them_daily_while_their_mandate_runs(
    folder: Path, mailoutbox: list[EmailMessage]
) -> None:
    cast.aude()
    Mandate.objects.create(user=cast.vera(), until_date=cast.NOW.date(), created_at=cast.NOW)
    for hours in (0, 1, 23, 25):
        leave(hours=hours)
    assert [letter.to[0] for letter in mailoutbox] == [
        "aude@phare.example.fr",
        "vera@phare.example.fr",
        "aude@phare.example.fr",
    ]
    (attached,) = mailoutbox[0].attachments
    assert attached[1] == min(folder.iterdir()).read_bytes()


def test_mail_that_no_server_takes_leaves_the_file_and_is_sent_the_hour_after(
    folder: Path,
) -> None:
    cast.aude()
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    with override_settings(EMAIL_BACKEND=smtp, EMAIL_HOST="127.0.0.1", EMAIL_PORT=1):
        assert leave(hours=0)
    assert len(list(folder.iterdir())) == 1
    assert KeptHeads.objects.get().mailed_at is None


def test_a_clock_that_was_ahead_puts_nothing_off(
    folder: Path, mailoutbox: list[EmailMessage]
) -> None:
    """Nor does a date that somebody wrote into the database."""
    assert leave(hours=400)
    KeptHeads.objects.update(mailed_at=cast.NOW + 400 * HOUR)
    cast.aude()
    assert [leave(hours=0), leave(hours=0), leave(hours=1)] == [True, False, True]
    assert len(mailoutbox) == 1


def test_a_folder_that_is_full_leaves_nothing_noted(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with override_settings(TRAIL_HEADS_DIR=blocked / "heads"), pytest.raises(OSError):  # noqa: PT011
        leave(hours=0)
    assert not KeptHeads.objects.exists()


def test_no_month_is_signed_for_without_its_file(tmp_path: Path, folder: Path) -> None:
    record(action="user.changed", scope=PORTAL)
    later = timezone.now() + timedelta(days=4 * 366)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with (
        override_settings(TRAIL_HEADS_DIR=blocked / "heads"),
        pytest.raises(OSError),  # noqa: PT011
        as_role("worker"),
    ):
        sign_expiry(now=later)
    assert not TrailCheckpoint.objects.exists()
    with as_role("worker"):
        assert [sign_expiry(now=later), sign_expiry(now=later)] == [True, False]
    (path,) = folder.glob("expiry-*.checkpoints")
    assert path.read_bytes() == bytes(TrailCheckpoint.objects.get(scope=PORTAL).signed)


def test_its_key_is_looked_for_like_the_others(folder: Path) -> None:
    leave(hours=0)
    assert "evidence/1" in expected_keys()
    assert faults_of_store() == []
    kept = key_store().get("evidence/1")
    key_store().destroy("evidence/1")
    key_store().put("evidence/1", bytes(32))
    assert [fault.name for fault in faults_of_store()] == ["evidence/1"]
    key_store().destroy("evidence/1")
    key_store().put("evidence/1", kept)


def replace_the_key() -> list[str]:
    """Run the command as the worker; return the fingerprints it prints, the present one first."""
    printed = StringIO()
    with as_role("worker"), override_settings(ROLE="worker"):
        call_command("evidence_key", replace=True, stdout=printed)
    return re.findall(r"\b[0-9a-f]{64}\b", printed.getvalue())


def test_the_key_before_signs_for_its_successor(folder: Path) -> None:
    leave(hours=0)
    new, old = replace_the_key()
    later = KeptHeads.objects.get(number=2).signed_at + HOUR
    with as_role("worker"):
        assert let_heads_leave(now=later)
    _first, handover, after = sorted(folder.iterdir())
    entry = AuditEntry.objects.get(action="evidence_key.replaced")
    assert json.loads(entry.detail) == {"number": 2, "sha256": new}
    heads = read_signed(handover.read_bytes(), fingerprints=[old]).heads
    assert (PORTAL, entry.sequence, bytes(entry.hash)) in [
        (head.scope, head.sequence, head.hash) for head in heads
    ]
    read_signed(after.read_bytes(), fingerprints=[new])
    said = StringIO()
    call_command("verify_trail", against=[folder], key=[old, new], stdout=said)
    assert "3 signed files of heads agree" in said.getvalue()


def test_a_key_that_could_not_sign_for_its_successor_stays(tmp_path: Path, folder: Path) -> None:
    leave(hours=0)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with (
        override_settings(TRAIL_HEADS_DIR=blocked / "heads"),
        pytest.raises(CommandError, match="Mend the folder"),
    ):
        replace_the_key()
    assert EvidenceKey.objects.count() == 1
    assert not AuditEntry.objects.filter(action="evidence_key.replaced").exists()
    assert len(replace_the_key()) == 2, "the next attempt takes what is in the store"


def test_packs_keep_their_pseudonyms_when_the_key_is_replaced(folder: Path) -> None:
    phare = uuid.UUID(int=1)
    with as_role("worker"):
        before = pseudonym_key(breach_id=1, insurer_id=phare, now=cast.NOW)
    replace_the_key()
    with as_role("worker"):
        assert pseudonym_key(breach_id=1, insurer_id=phare, now=cast.NOW) == before


@pytest.mark.parametrize(("kept", "warnings"), [(None, 1), (Path("heads"), 0)])
def test_a_deployment_whose_heads_go_nowhere_is_warned(kept: Path | None, warnings: int) -> None:
    with override_settings(ROLE="worker", TRAIL_HEADS_DIR=kept):
        assert len(check_heads_leave()) == warnings
    with override_settings(ROLE="web", TRAIL_HEADS_DIR=None):
        assert not check_heads_leave()
