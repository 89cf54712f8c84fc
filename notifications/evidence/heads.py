"""The trail's heads leave the database: each hour into a folder, each day to the auditors.

Why both, and why the mail is daily: docs/decisions/0025-evidence.md.
"""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from audit.expiry import due_heads, kept_from, sign_checkpoints
from audit.heads import read_heads, signed_heads
from audit.kept_files import keep_new_file
from audit.trail import PORTAL, record
from insurers.lists.locks import session_lock
from insurers.staff_mail import send_staff_mail, staff_message
from notifications.evidence.keys import fingerprint_of, next_key, published_keys, signing_key
from notifications.models import EvidenceKey, KeptHeads

LOCK_SPACE = 37  # first half of the advisory lock's key
EVERY = timedelta(hours=1)
MAILED_EVERY = timedelta(days=1)
FOLDER = "notifications/messages/trail_heads"


def let_heads_leave(*, now: datetime) -> bool:
    """Sign the heads and let them leave, once an hour is over; return whether they left (worker).

    A folder that cannot be written is an OSError: nothing is noted, and the next call tries again.
    """
    with session_lock(LOCK_SPACE, 0) as is_ours:
        last = KeptHeads.objects.first()
        if not is_ours or not _is_due(last.signed_at if last else None, EVERY, now):
            return False
        mailed = KeptHeads.objects.exclude(mailed_at=None).first()
        is_mail_due = _is_due(mailed.mailed_at if mailed else None, MAILED_EVERY, now)
        kept, content = _leave(last, now)
        if is_mail_due and _mail(kept, content, now):
            kept.mailed_at = now
            kept.save(update_fields=["mailed_at"])
        return True


def _is_due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    """Whether it is time again; a moment that is still to come puts nothing off."""
    return last is None or not timedelta() <= now - last < every


def replace_key(*, now: datetime) -> EvidenceKey | None:
    """Sign with another key from now on; None while heads leave, then try again (worker only).

    The key before it signs the heads a last time, with the trail's entry that names the new one:
    whoever trusts the one has the other's fingerprint from it. All or nothing but the key store's
    entry, which the next attempt takes.
    """
    with session_lock(LOCK_SPACE, 0) as is_ours:
        if not is_ours:
            return None
        with transaction.atomic():
            signing_key(now=now)  # The first, where nothing was ever signed.
            new = next_key(now=now)
            detail = {"number": new.number, "sha256": fingerprint_of(new)}
            record(action="evidence_key.replaced", scope=PORTAL, detail=detail)
            _leave(KeptHeads.objects.first(), now)
            new.save(force_insert=True)
        return new


def _leave(last: KeptHeads | None, now: datetime) -> tuple[KeptHeads, bytes]:
    """Sign the heads with the present key and keep the file; return what is noted of it, and it."""
    heads = read_heads()
    number, before = _next(last)
    content = signed_heads(
        heads,
        portal=settings.PORTAL_URL,
        number=number,
        previous_sha256=before,
        key=signing_key(now=now),
        now=now,
    )
    _keep(file_name(number, now), content)
    kept = KeptHeads.objects.create(
        number=number, sha256=hashlib.sha256(content).digest(), chains=len(heads), signed_at=now
    )
    return kept, content


def sign_expiry(*, now: datetime) -> bool:
    """Sign for the months of the trail that are over, which the owner role may then drop (worker).

    The file goes into the folder of heads. Returns whether something was signed.
    """
    with session_lock(LOCK_SPACE, 0) as is_ours:
        if not is_ours or not (heads := due_heads(now=now)):
            return False
        # No checkpoint without its file: a folder that cannot be written undoes it.
        with transaction.atomic():
            content = sign_checkpoints(
                heads, portal=settings.PORTAL_URL, key=signing_key(now=now), now=now
            )
            _keep(f"expiry-{kept_from(now):%Y%m%d}-{now:%Y%m%dT%H%M%SZ}.checkpoints", content)
    return True


def file_name(number: int, now: datetime) -> str:
    """Return what a file of heads is called: they sort in the order of their numbers."""
    return f"trail-{number:08d}-{now:%Y%m%dT%H%M%SZ}.heads"


def _keep(name: str, content: bytes) -> None:
    if settings.TRAIL_HEADS_DIR is not None:
        settings.TRAIL_HEADS_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_new_file(settings.TRAIL_HEADS_DIR / name, content)


def _next(last: KeptHeads | None) -> tuple[int, str]:
    """Return the next number, and the SHA-256 of the file before it.

    The folder's word counts more than the database's: a worker that is killed between the two
    leaves a file without a row, and somebody who rewrites the database would start at 1 again.
    """
    number, before = (last.number, bytes(last.sha256).hex()) if last else (0, "")
    newest = _newest_file()
    if newest is not None and (found := int(newest.name.split("-")[1])) >= number:
        number, before = found, hashlib.sha256(newest.read_bytes()).hexdigest()
    return number + 1, before


def _newest_file() -> Path | None:
    if settings.TRAIL_HEADS_DIR is None:
        return None
    return max(settings.TRAIL_HEADS_DIR.glob("trail-*.heads"), default=None)


def _mail(kept: KeptHeads, content: bytes, now: datetime) -> bool:
    """Mail a file to every auditor whose mandate runs; whether the server took it, for somebody."""
    people = get_user_model().objects.filter(
        is_active=True, mandates__until_date__gte=timezone.localdate(now)
    )
    context = {
        "kept": kept,
        "sha256": bytes(kept.sha256).hex(),
        "fingerprint": published_keys()[0].fingerprint,
        "portal": settings.PORTAL_URL,
    }
    mails = [
        staff_message(folder=FOLDER, context=context, to=email)
        for email in people.order_by("email").values_list("email", flat=True).distinct()
    ]
    for mail in mails:
        mail.attach(file_name(kept.number, now), content, "application/octet-stream")
    return bool(mails) and send_staff_mail(mails)
