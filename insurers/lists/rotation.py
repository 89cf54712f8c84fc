"""Rotate the key of a breach's fingerprints: announce it, wait for the workers, wrap.

1. `announce_key` makes the next version in the key store. Nothing uses it yet.
2. `start_wrapping`, once every worker has said that it can open it: new rows use it.
3. `wrap_breach` brings what is older up to it, insurer by insurer and list by list. Look-ups
   ask for every version meanwhile; comparing lists and building an outbox wait for their
   insurer's turn to end. Whatever is killed, the next call goes on where it stopped.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit.trail import PORTAL, record
from insurers.lists.fingerprint_keys import (
    breach_chain,
    breach_key_name,
    store_new_key,
)
from insurers.lists.fingerprints import MemberFingerprints
from insurers.lists.key_reports import workers_without
from insurers.lists.locks import fingerprints_lock, list_lock, rotation_lock
from insurers.lists.wrapping import wrap_list
from insurers.models import AffectedList, Breach, FingerprintKey, KeyState
from insurers.signals import fingerprints_wrapped

Report = Callable[[AffectedList], None]


class NothingToRotateError(Exception):
    """The breach has no key yet: no list of it was ever read."""


class WorkersNotReadyError(Exception):
    """Some workers have not said that they can open the new key; `workers` names them."""

    def __init__(self, workers: list[str]) -> None:
        super().__init__(", ".join(workers))
        self.workers = workers


def announce_key(*, breach: Breach, now: datetime) -> FingerprintKey:
    """Make the next version of a breach's key, or return the one that is under way."""
    with transaction.atomic():
        versions = FingerprintKey.objects.select_for_update().filter(breach=breach)
        newest = versions.order_by("version").last()
        if newest is None:
            raise NothingToRotateError
        if newest.state in (KeyState.ANNOUNCED, KeyState.WRAPPING):
            return newest
        version = newest.version + 1
        key = FingerprintKey.objects.create(
            breach=breach,
            version=version,
            state=KeyState.ANNOUNCED,
            proof=store_new_key(breach_key_name(breach.pk, version)),
            created_at=now,
        )
        _record("announced", key)
    return key


def start_wrapping(*, key: FingerprintKey, now: datetime) -> None:
    """Let new rows use an announced key.

    Raises WorkersNotReadyError: a worker without the key could neither read lists nor look
    anybody up. Raises KeyNotFoundError where this process itself cannot open it.
    """
    if key.state != KeyState.ANNOUNCED:
        return
    name = breach_key_name(key.breach_id, key.version)
    if workers := workers_without(name, now=now):
        raise WorkersNotReadyError(workers)
    with transaction.atomic():
        moved = FingerprintKey.objects.filter(pk=key.pk, state=KeyState.ANNOUNCED)
        if moved.update(state=KeyState.WRAPPING):
            breach_chain(breach_id=key.breach_id, version=key.version)
            _record("started", key)
    key.refresh_from_db()


def wrap_breach(*, breach_id: int, now: datetime, report: Report | None = None) -> bool:
    """Wrap what is older than the key that was started, to the end (worker only).

    Returns False where there is nothing to do or another worker does it. `report` is told of
    each list that is done.
    """
    with rotation_lock(breach_id) as held:
        key = FingerprintKey.objects.filter(breach_id=breach_id, state=KeyState.WRAPPING).first()
        if not held or key is None:
            return False
        keys = breach_chain(breach_id=breach_id, version=key.version)
        for insurer_id in _insurers(breach_id):
            if str(insurer_id) not in key.insurers_done:
                members = MemberFingerprints(keys=keys, insurer_id=insurer_id)
                _wrap_insurer(key, members, insurer_id, report)
        with transaction.atomic():
            earlier = FingerprintKey.objects.filter(breach_id=breach_id, version__lt=key.version)
            earlier.update(state=KeyState.CHAINED)
            key.state, key.finished_at = KeyState.CURRENT, now
            key.save(update_fields=["state", "finished_at"])
            _record("finished", key)
    return True


def rotations_under_way() -> list[int]:
    """Return the breaches whose fingerprints are being wrapped, or wait for it after a kill."""
    wrapping = FingerprintKey.objects.filter(state=KeyState.WRAPPING)
    return list(wrapping.values_list("breach_id", flat=True))


def _insurers(breach_id: int) -> list[UUID]:
    # Those whose lists are purged as well: who was told stays told.
    lists = AffectedList.objects.filter(breach_id=breach_id)
    return list(lists.order_by("insurer_id").values_list("insurer_id", flat=True).distinct())


def _wrap_insurer(
    key: FingerprintKey, members: MemberFingerprints, insurer_id: UUID, report: Report | None
) -> None:
    with fingerprints_lock(key.breach_id, insurer_id):
        lists = AffectedList.objects.with_members().filter(
            breach_id=key.breach_id, insurer_id=insurer_id
        )
        for list_id in lists.order_by("pk").values_list("pk", flat=True):
            with list_lock(list_id, wait=True):
                # It may have been refused or purged while its lock was waited for.
                affected_list = lists.filter(pk=list_id).first()
                if affected_list is not None:
                    wrap_list(affected_list, members)
                    if report is not None:
                        report(affected_list)
        fingerprints_wrapped.send(
            sender=FingerprintKey,
            breach_id=key.breach_id,
            insurer_id=insurer_id,
            members=members,
        )
        key.insurers_done = [*key.insurers_done, str(insurer_id)]
        key.save(update_fields=["insurers_done"])


def _record(step: str, key: FingerprintKey) -> None:
    record(
        action=f"fingerprint_key.{step}",
        scope=PORTAL,
        subject=f"breach:{key.breach_id}",
        detail={"version": key.version},
    )
