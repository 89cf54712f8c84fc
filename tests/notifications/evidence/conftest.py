"""One story, told and packed once for all tests of packs, in a database of its own."""

import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from insurers.lists.purging import purge_contacts, run_purge
from insurers.models import AffectedList
from notifications.evidence import verify_evidence
from notifications.evidence.archive import PackEntry
from notifications.evidence.keys import published_keys
from notifications.evidence.making import make_pack
from notifications.evidence.packs import ask_for_evidence, file_of
from notifications.exemptions.deciding import approve_exemption, submit_exemption
from notifications.models import EvidencePack, ExemptionGround, Notification
from notifications.references import derive
from notifications.retention.erasing import erase_problems_of
from notifications.sending.dispatch import dispatch_campaign
from tests import cast
from tests.conftest import as_role
from tests.faults.stack import own_database
from tests.notifications.story import accepted_list, built, member
from tests.smtp import smtp_server

EMAILS = [f"personne{number}@example.fr" for number in range(1, 8)]
MEMBERS = [member(437_512_010 + n, email=email) for n, email in enumerate(EMAILS)]


@dataclass(frozen=True)
class Packed:
    """A pack of the story; what must be nowhere in it; and the fingerprint, from elsewhere."""

    path: Path
    sha256: str
    fingerprint: str
    secrets: list[str] = field(repr=False)

    def names(self) -> list[str]:
        with ZipFile(self.path) as pack:
            return pack.namelist()

    def read(self, name: str) -> bytes:
        with ZipFile(self.path) as pack:
            return pack.read(name)


WHY_EXEMPT = "Les fichiers pris étaient chiffrés, et la clé n’a pas été prise avec eux."
WITHOUT_NUMBER = ";12/03/1980;Phare;Omar;;;"


def tell_the_story() -> list[str]:
    """Tell people of a list by e-mail, two bounce, and contacts go; return what identifies them."""
    cast.declaration()
    campaign = built([*MEMBERS, member(437_512_020), WITHOUT_NUMBER])
    with smtp_server() as mail, override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=mail.port):
        mail.answers = dict.fromkeys(EMAILS[:2], "550 5.1.1 unknown")
        with as_role("worker"):
            dispatch_campaign(campaign_id=campaign.pk, seconds=30)
    exempt(accepted_list([member(20, email="autre@example.fr")]))
    references = [derive(number) for number in Notification.objects.values_list("pk", flat=True)]
    numbers = [row.split(";")[0] for row in MEMBERS]
    purge = purge_contacts(
        affected_list=campaign.affected_list, requested_by=cast.armand(), now=cast.NOW
    )
    with as_role("worker"):
        run_purge(purge_id=purge.pk, now=cast.NOW)
        erase_problems_of(campaign.affected_list, now=cast.NOW)
    return [*EMAILS, *references, *numbers, "12/03/1980", "1980-03-12"]


def exempt(found: AffectedList) -> None:
    """Have an exemption of a list approved."""
    waiting = submit_exemption(
        affected_list=found,
        ground=ExemptionGround.UNINTELLIGIBLE,
        justification=WHY_EXEMPT,
        submitted_by_id=cast.paule().pk,
        now=cast.NOW,
    )
    approve_exemption(exemption_id=waiting.pk, approver_id=cast.armand().pk, now=cast.NOW)


def make_one() -> EvidencePack:
    """Ask for a pack, and make it as a worker does."""
    pack = ask_for_evidence(
        breach=cast.breach(),
        insurer=cast.phare(),
        requested_by_id=cast.aude().pk,
        now=cast.NOW,
    )
    with as_role("worker"):
        make_pack(pack_id=pack.pk, now=cast.NOW)
    pack.refresh_from_db()
    return pack


@pytest.fixture(scope="session")
def packed(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Packed:
    folder = tmp_path_factory.mktemp("evidence")
    name = f"evidence_{os.getpid()}_{uuid.uuid4().hex[:6]}"
    with django_db_blocker.unblock(), own_database(name, folder):
        secrets = tell_the_story()
        pack = make_one()
        kept = folder / "pack.zip"
        file_of(pack).rename(kept)
        return Packed(kept, bytes(pack.sha256).hex(), published_keys()[0].fingerprint, secrets)


def repack_without_an_event(path: Path, into: Path, *, rank: int) -> Path:
    """Copy a pack, as a stream, without the event of this rank; nothing else differs."""
    with ZipFile(path) as pack, ZipFile(into, "w") as other:
        for name in pack.namelist():
            with (
                pack.open(name) as source,
                other.open(PackEntry(name), "w", force_zip64=True) as copy,
            ):
                copy.writelines(line for line in source if not line.startswith(b"%d," % rank))
    return into


def verified(
    path: Path, *, key: str, sha256: str = "", more: Sequence[str] = ()
) -> tuple[int, str]:
    """Run the pack's own script in a clean interpreter; return its exit code and what it says."""
    more = [*more, "--sha256", sha256] if sha256 else more
    script = Path(verify_evidence.__file__)
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(path), "--key", key, *more],
        capture_output=True,
        timeout=120,
        env={},
    )
    assert done.stderr == b"", done.stderr.decode()
    return done.returncode, done.stdout.decode()
