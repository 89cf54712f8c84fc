"""What somebody typed, from the web process to the worker: sealed, read once, erased."""

import json
import logging
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from insurers.lists import identifiers
from insurers.lists.sealing import DamagedError, open_sealed, seal
from insurers.models import Insurer
from lookup.models import SentConfirmation, WaitingAddress, WaitingRequest
from lookup.waiting.addresses import TOKEN_BYTES, Addresses, Reachable
from lookup.waiting.answered import answered_insurers
from lookup.waiting.limits import UNCONFIRMED_FOR, may_be_asked
from lookup.waiting.links import hashed

PURPOSE = "waiting"
LANGUAGES = ("fr", "en")
AT_ONCE = 200
AHEAD = timedelta(minutes=5)  # that a web process's clock may be
_SEALED_BYTES = 600  # what is typed has 254 at most: how long it is shows nowhere

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What a request said: whose answer is waited for, and who is to be told in which language."""

    insurer_id: UUID
    email: str = field(repr=False)
    language: str


def ask_to_be_told(*, insurer: Insurer, email: str, language: str, now: datetime) -> None:
    """Seal a request to the worker and add it (web): the same act for every address."""
    request_id = uuid4()
    asked = {
        "purpose": PURPOSE,
        "id": str(request_id),
        "at": now.timestamp(),
        "insurer": str(insurer.pk),
        "email": email,
        "language": language,
    }
    sealed = seal(json.dumps(asked).encode().ljust(_SEALED_BYTES))
    WaitingRequest.objects.bulk_create(
        [WaitingRequest(id=request_id, sealed=sealed, received_at=now)]
    )


def take_requests(*, addresses: Addresses, now: datetime) -> int:
    """Open what was asked, oldest first, and erase it; return how many there were (worker).

    One worker at a time. What is malformed, foreign or too old is erased with the others. A
    request that is sent again finds the address known, and its mailbox asked already.
    """
    with transaction.atomic():
        rows = WaitingRequest.objects.order_by("received_at")[:AT_ONCE]
        requests = list(rows.select_for_update(skip_locked=True))
        asked = [found for row in requests if (found := _opened(row, now))]
        known = set(
            Insurer.objects.filter(pk__in={one.insurer_id for one in asked}).values_list(
                "pk", flat=True
            )
        )
        waited_for = known - answered_insurers(known)
        for one in asked:
            if one.insurer_id in waited_for:
                _register(one, addresses, now)
        WaitingRequest.objects.filter(pk__in=[row.pk for row in requests]).delete()
    return len(requests)


def _register(asked: Asked, addresses: Addresses, now: datetime) -> None:
    """Note an address, and that it is to be asked for confirmation, if its mailbox may be."""
    fingerprint = addresses.fingerprint(asked.email)
    found = WaitingAddress.objects.filter(
        insurer_id=asked.insurer_id, fingerprint=fingerprint
    ).first()
    if found is not None and found.confirmed_at is not None:
        return
    mailbox = addresses.mailbox(asked.email)
    if not may_be_asked(mailbox=mailbox, insurer_id=asked.insurer_id, now=now):
        return
    SentConfirmation.objects.create(mailbox=mailbox, insurer_id=asked.insurer_id, sent_at=now)
    if found is not None:
        # Whoever confirms or removes it at this moment has the last word.
        WaitingAddress.objects.filter(pk=found.pk, confirmed_at=None).update(
            language=asked.language, asked_at=now, due_at=now, attempts=0, is_doubtful=False
        )
        return
    row_id, token = uuid4(), secrets.token_urlsafe(TOKEN_BYTES)
    WaitingAddress.objects.create(
        id=row_id,
        insurer_id=asked.insurer_id,
        fingerprint=fingerprint,
        sealed=addresses.seal(Reachable(asked.email, token), row_id=row_id),
        token_sha256=hashed(token),
        language=asked.language,
        asked_at=now,
        due_at=now,
    )


def _opened(row: WaitingRequest, now: datetime) -> Asked | None:
    """Return what a request asks, None where it is not one of these, of this row and of late."""
    try:
        said: dict[str, Any] = json.loads(open_sealed(bytes(row.sealed)))
        asked_at = datetime.fromtimestamp(said["at"], tz=now.tzinfo)
        is_ours = said["purpose"] == PURPOSE and said["id"] == str(row.pk)
        email = identifiers.email(said["email"])
        asked = Asked(UUID(said["insurer"]), email, said["language"])
    except (
        DamagedError,
        identifiers.BadValueError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        OSError,
    ):
        logger.warning("waiting request %s cannot be read", row.pk)
        return None
    is_of_late = now - UNCONFIRMED_FOR < asked_at < now + AHEAD
    return asked if is_ours and is_of_late and email and asked.language in LANGUAGES else None
