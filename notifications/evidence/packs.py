"""Packs of evidence: asked for, kept for some days, given out; each step is in the trail."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from audit.trail import SYSTEM, account, insurer_scope, record
from insurers.models import Breach, Insurer
from notifications.campaigns.refusals import StepRefused
from notifications.models import EvidencePack, PackState

TRIES = 3
KEPT_FOR = timedelta(days=7)
KEPT_AT_MOST = 3  # of one insurer in one breach; a newer one pushes the oldest out


class EvidenceRefused(StepRefused):
    """The rule that forbids a step, for people."""


def file_of(pack: EvidencePack) -> Path:
    """Return where a pack's file stands, or will."""
    return settings.EVIDENCE_DIR / f"{pack.pk}.zip"


@transaction.atomic
def ask_for_evidence(
    *, breach: Breach, insurer: Insurer, requested_by_id: int, now: datetime
) -> EvidencePack:
    """Have a worker make a pack. Raises EvidenceRefused where one is under way already."""
    try:
        with transaction.atomic():
            pack = EvidencePack.objects.create(
                breach=breach, insurer=insurer, requested_by_id=requested_by_id, requested_at=now
            )
    except IntegrityError as error:
        raise EvidenceRefused(_("Un dossier est déjà en préparation : attendez-le.")) from error
    _record(pack, "evidence.asked", actor=account(requested_by_id))
    return pack


def take_evidence(*, pack: EvidencePack, taken_by_id: int) -> Path:
    """Note that somebody downloads a pack; return its file. Raises EvidenceRefused."""
    path = file_of(pack)
    if pack.state != PackState.READY or not path.is_file():
        raise EvidenceRefused(_("Ce dossier n’est pas prêt, ou plus gardé : demandez-en un autre."))
    _record(
        pack, "evidence.downloaded", actor=account(taken_by_id), sha256=bytes(pack.sha256).hex()
    )
    return path


@transaction.atomic
def keep_pack(*, pack_id: UUID, size_bytes: int, sha256: bytes, now: datetime) -> None:
    """Offer a pack whose file is whole and on the disk (worker only)."""
    pack = EvidencePack.objects.select_for_update().get(pk=pack_id)
    pack.state, pack.made_at, pack.expires_at = PackState.READY, now, now + KEPT_FOR
    pack.size_bytes, pack.sha256 = size_bytes, sha256
    pack.save(update_fields=["state", "made_at", "expires_at", "size_bytes", "sha256"])
    _record(pack, "evidence.made", size_bytes=size_bytes, sha256=sha256.hex())
    others = EvidencePack.objects.filter(
        breach=pack.breach_id, insurer=pack.insurer_id, state=PackState.READY
    )
    for old in others.order_by("-made_at", "-pk")[KEPT_AT_MOST:]:
        EvidencePack.objects.filter(pk=old.pk).update(expires_at=now)


@transaction.atomic
def count_failure(*, pack_id: UUID) -> None:
    """Note that a pack could not be made; after TRIES times nobody tries again (worker only)."""
    EvidencePack.objects.filter(pk=pack_id).update(failures=F("failures") + 1)
    pack = EvidencePack.objects.get(pk=pack_id)
    if pack.failures >= TRIES:
        pack.state = PackState.FAILED
        pack.save(update_fields=["state"])
        _record(pack, "evidence.failed", tries=pack.failures)


def packs_to_make() -> list[UUID]:
    """Return the packs that were asked for and are not made: of each, a worker may have died."""
    asked = EvidencePack.objects.filter(state=PackState.ASKED).order_by("requested_at")
    return list(asked.values_list("pk", flat=True))


def erase_old_packs(*, now: datetime) -> None:
    """Erase what is kept long enough, and files that no pack offers (worker only)."""
    for pack in EvidencePack.objects.filter(state=PackState.READY, expires_at__lte=now):
        file_of(pack).unlink(missing_ok=True)
        EvidencePack.objects.filter(pk=pack.pk).update(state=PackState.ERASED)
    # First the files: of a pack that is asked for meanwhile there is none among them.
    paths = list(settings.EVIDENCE_DIR.glob("*.*"))
    wanted = EvidencePack.objects.filter(state__in=(PackState.READY, PackState.ASKED))
    known = {str(number) for number in wanted.values_list("pk", flat=True)}
    for path in paths:
        if path.suffix in (".zip", ".draft") and path.stem not in known:
            path.unlink(missing_ok=True)


def _record(pack: EvidencePack, action: str, *, actor: str = SYSTEM, **detail: object) -> None:
    record(
        action=action,
        scope=insurer_scope(pack.insurer_id),
        actor=actor,
        subject=f"breach:{pack.breach_id}",
        detail={"pack": str(pack.pk), **detail},
    )
