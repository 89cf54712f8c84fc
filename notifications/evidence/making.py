"""Make a pack of evidence: all of it as it stood at one instant, signed, offered only once whole.

Read in one transaction (repeatable read, read only), so that figures, events and the trail agree.
A worker that is killed leaves a draft without a name; the next one begins anew.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from io import BufferedRandom
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction

from audit.heads import key_fingerprint
from audit.kept_files import sync_folder
from audit.models import AuditEntry
from insurers.lists.locks import session_lock
from insurers.models import AffectedList
from notifications.evidence import verify_evidence
from notifications.evidence.archive import Archive, json_bytes
from notifications.evidence.events import count_events, write_events
from notifications.evidence.keys import pseudonym_key, public_pem, signing_key
from notifications.evidence.notices import write_notices
from notifications.evidence.packs import count_failure, file_of, keep_pack
from notifications.evidence.record_files import write_record
from notifications.evidence.register_files import (
    write_actors,
    write_approvals,
    write_erasures,
    write_exemptions,
    write_lists,
    write_purges,
    write_register,
    write_statements,
)
from notifications.evidence.trail_extract import moment, write_trail
from notifications.models import EvidencePack, PackState
from notifications.register.figures import BUILT
from notifications.register.part import part_of
from notifications.register.record import record_of

LOCK_SPACE = 38  # first half of the advisory lock's key; the second is of the pack
Progress = Callable[[int, int], None]


def make_pack(*, pack_id: UUID | str, now: datetime) -> None:
    """Make a pack that was asked for; of one that somebody makes, or made, nothing (worker only).

    What fails raises, and counts: after three times nobody tries by himself.
    """
    pack = EvidencePack.objects.select_related("breach", "insurer").get(pk=pack_id)
    with session_lock(LOCK_SPACE, pack.pk.int % 2**31) as is_ours:
        pack.refresh_from_db(fields=["state"])
        if not is_ours or pack.state != PackState.ASKED:
            return
        try:
            with _draft(pack) as draft:
                _write(pack, draft, now)
                size, digest = _settle(draft, file_of(pack))
        except Exception:
            count_failure(pack_id=pack.pk)
            raise
        keep_pack(pack_id=pack.pk, size_bytes=size, sha256=digest, now=now)


def _write(pack: EvidencePack, draft: BufferedRandom, now: datetime) -> None:
    key = signing_key(now=now)
    names = pseudonym_key(breach_id=pack.breach_id, insurer_id=pack.insurer_id, now=now)
    archive = Archive(draft)
    with _progress_of(pack) as progress, _one_instant():
        _write_files(archive, pack, key, names, progress, now)
    archive.close()


def _write_files(
    archive: Archive,
    pack: EvidencePack,
    key: Ed25519PrivateKey,
    names: bytes,
    progress: Progress,
    now: datetime,
) -> None:
    part = part_of(breach=pack.breach, insurer=pack.insurer)
    lists = AffectedList.objects.filter(breach=pack.breach, insurer=pack.insurer)
    own_lists = list(lists.select_related("population").order_by("pk"))
    write_register(archive, part)
    write_record(archive, record_of(breach=pack.breach, insurer=pack.insurer))
    write_lists(archive, own_lists)
    write_approvals(archive, part.campaigns)
    write_exemptions(archive, own_lists)
    write_purges(archive, own_lists)
    write_erasures(archive, pack.breach, pack.insurer)
    write_statements(archive, part)
    write_notices(archive, part.campaigns)
    built = sorted(campaign.pk for campaign in part.campaigns if campaign.state in BUILT)
    total, done = count_events(built), 0
    progress(0, total)

    def count(events: int) -> None:
        nonlocal done
        done += events
        progress(done, total)

    events = [
        write_events(archive, campaign_id=campaign_id, key=names, progress=count).told()
        for campaign_id in built
    ]
    trail = write_trail(archive, insurer_id=pack.insurer_id)
    entries = AuditEntry.objects.filter(scope=trail["scope"])
    write_actors(archive, set(entries.values_list("actor", flat=True).distinct()))
    public = key.public_key()
    archive.add("public_key.pem", public_pem(public))
    archive.add("verify_evidence.py", Path(verify_evidence.__file__).read_bytes())
    manifest = json_bytes(
        {
            "format": verify_evidence.FORMAT,
            "portal": settings.PORTAL_URL,
            "pack": str(pack.pk),
            "made_at": moment(now),
            "breach": pack.breach.slug,
            "insurer": str(pack.insurer_id),
            "key_fingerprint": key_fingerprint(public),
            "files": archive.files,
            "events": events,
            "trail": trail,
        }
    )
    archive.add("manifest.json", manifest)
    archive.add("manifest.sig", key.sign(manifest))


@contextmanager
def _one_instant() -> Iterator[None]:
    """Read everything as it stands now, whatever is written meanwhile."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def _progress_of(pack: EvidencePack) -> Iterator[Progress]:
    """Note how far a pack is, on a connection of its own: the other one only reads."""
    notes = connection.copy()

    def note(done: int, total: int) -> None:
        with notes.cursor() as cursor:
            cursor.execute(
                "UPDATE notifications_evidencepack SET rows_done = %s, rows_total = %s"
                " WHERE id = %s",
                [done, total, pack.pk],
            )

    try:
        yield note
    finally:
        notes.close()


@contextmanager
def _draft(pack: EvidencePack) -> Iterator[BufferedRandom]:
    """Open a file without a pack's name; what another maker left of it is overwritten."""
    path = file_of(pack).with_suffix(".draft")
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        with path.open("w+b") as draft:
            os.fchmod(draft.fileno(), 0o640)
            yield draft
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def _settle(draft: BufferedRandom, path: Path) -> tuple[int, bytes]:
    """Have the disk keep a draft under its pack's name; return its size and SHA-256."""
    draft.flush()
    os.fsync(draft.fileno())
    draft.seek(0)
    digest = hashlib.file_digest(draft, "sha256").digest()
    size = os.fstat(draft.fileno()).st_size
    Path(draft.name).rename(path)
    sync_folder(path.parent)
    return size, digest
