"""The versions of each breach's key, and each insurer's address key: made on purpose, never twice.

The database says which keys exist (`FingerprintKey`, `AddressKey`), the key store holds them.
A key that the database knows and the store does not is lost: it is named, never made again,
since everything fingerprinted under it would no longer be found. For the same reason each row
holds a proof of its key: another key under the same name is wrong, and named too.
"""

import contextlib
import secrets
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from django.db import transaction

from audit.trail import PORTAL, insurer_scope, record
from insurers.lists.keystore import (
    KEY_BYTES,
    KeyDestroyedError,
    KeyExistsError,
    WrongKeyError,
    key_store,
)
from insurers.lists.locks import hold_address_key
from insurers.models import AddressKey, AffectedList, FingerprintKey, KeyState, ListState

IN_USE = (KeyState.WRAPPING, KeyState.CURRENT, KeyState.CHAINED)


class UnknownKeyVersionError(Exception):
    """Something is fingerprinted under a key version that the portal does not know.

    Never to be taken for « not found ». The message is the name of the key.
    """


def breach_key_name(breach_id: int, version: int) -> str:
    """Return the name of a version of a breach's key."""
    return f"breach/{breach_id}/{version}"


def address_key_name(insurer_id: UUID, number: int) -> str:
    """Return the name of an address key of an insurer."""
    return f"address/{insurer_id}/{number}"


def pin_keys(*, affected_list: AffectedList, now: datetime) -> None:
    """Fix under which keys a list is read, from its first row to its last; make those missing.

    Called once, when the list is prepared (worker only).
    """
    _make_first_breach_key(affected_list.breach_id, now)
    with transaction.atomic():
        # Until commit, nobody retires the address key that this list is given.
        hold_address_key(affected_list.insurer_id)
        affected_list.key_version = version_for_new_rows(affected_list.breach_id)
        affected_list.address_key = _address_key_in_use(affected_list.insurer_id, now)
        affected_list.save(update_fields=["key_version", "address_key"])


def _make_first_breach_key(breach_id: int, now: datetime) -> None:
    if FingerprintKey.objects.filter(breach_id=breach_id).exists():
        return
    first = FingerprintKey(
        breach_id=breach_id,
        version=1,
        state=KeyState.CURRENT,
        proof=store_new_key(breach_key_name(breach_id, 1)),
        created_at=now,
        finished_at=now,
    )
    FingerprintKey.objects.bulk_create([first], ignore_conflicts=True)


def _address_key_in_use(insurer_id: UUID, now: datetime) -> int:
    keys = AddressKey.objects.filter(insurer_id=insurer_id)
    for present in keys.filter(destroyed_at=None):
        try:
            address_key(insurer_id, present.number)
        except KeyDestroyedError:
            # The database was restored from before that key was destroyed.
            keys.filter(pk=present.pk).update(destroyed_at=now)
        else:
            return present.number
    number = keys.count() + 1
    proof = store_new_key(address_key_name(insurer_id, number))
    AddressKey.objects.create(insurer_id=insurer_id, number=number, proof=proof, created_at=now)
    return number


def retire_address_key(*, insurer_id: UUID, now: datetime) -> bool:
    """Destroy the address key of an insurer of whom no contact is left; return whether it is so.

    Can be killed and run again (worker only).
    """
    with transaction.atomic():
        hold_address_key(insurer_id)
        lists = AffectedList.objects.filter(insurer_id=insurer_id)
        unread = lists.filter(state=ListState.INGESTING)
        if unread.exists() or lists.with_members().filter(contacts_purged_at=None).exists():
            return False
        keys = AddressKey.objects.filter(insurer_id=insurer_id)
        if keys.filter(destroyed_at=None).update(destroyed_at=now):
            record(action="address_key.destroyed", scope=insurer_scope(insurer_id))
    for number in keys.exclude(destroyed_at=None).values_list("number", flat=True):
        key_store().destroy(address_key_name(insurer_id, number))
    return True


def destroy_breach_keys(*, breach_id: int, now: datetime) -> list[str]:
    """Destroy every version of a breach's key, for good; return their names.

    Nobody can be found on its lists, or compared with them, any more, whatever dump of the
    database is restored. Can be killed and run again (worker only).
    """
    with transaction.atomic():
        keys = FingerprintKey.objects.select_for_update().filter(breach_id=breach_id)
        versions = list(keys.order_by("version").values_list("version", flat=True))
        if keys.filter(destroyed_at=None).update(destroyed_at=now):
            record(
                action="fingerprint_key.destroyed",
                scope=PORTAL,
                subject=f"breach:{breach_id}",
                detail={"versions": versions},
            )
    names = [breach_key_name(breach_id, version) for version in versions]
    for name in names:
        key_store().destroy(name)
    return names


def open_key(name: str, proof: bytes | memoryview | None) -> bytes:
    """Return the key of this name (worker only).

    Raises KeyNotFoundError, and WrongKeyError where it is not the one that the proof is of.
    """
    key = key_store().get(name)
    if proof is not None and bytes(proof) != proof_of(name, key):
        raise WrongKeyError(name)
    return key


def proof_of(name: str, key: bytes) -> bytes:
    """Return 16 bytes that another key of this name would not give, and that tell nothing of it."""
    return blake2b(name.encode(), key=key, digest_size=16, person=b"proof").digest()


def store_new_key(name: str) -> bytes:
    """Put a random key in the store, before the row that says it exists; return its proof.

    A key that is there already was put by another worker, or by one that died before its row.
    """
    store = key_store()
    with contextlib.suppress(KeyExistsError):
        store.put(name, secrets.token_bytes(KEY_BYTES))
    return proof_of(name, store.get(name))


def version_for_new_rows(breach_id: int) -> int:
    """Return the version that new rows are fingerprinted under.

    Raises UnknownKeyVersionError where the breach has no key yet.
    """
    versions = _in_use(breach_id)
    if not versions:
        raise UnknownKeyVersionError(breach_key_name(breach_id, 1))
    return max(versions)


def breach_chain(*, breach_id: int, version: int) -> list[bytes]:
    """Return all keys of a breach up to a version, the first one first (worker only).

    Raises UnknownKeyVersionError, or KeyNotFoundError and WrongKeyError of the store.
    """
    known = _in_use(breach_id)
    chain = []
    for number in range(1, version + 1):
        name = breach_key_name(breach_id, number)
        if number not in known:
            raise UnknownKeyVersionError(name)
        chain.append(open_key(name, known[number]))
    if not chain:
        raise UnknownKeyVersionError(breach_key_name(breach_id, version))
    return chain


def _in_use(breach_id: int) -> dict[int, bytes | memoryview | None]:
    """Return the proof of each version of a breach's key that rows may be under."""
    keys = FingerprintKey.objects.filter(breach_id=breach_id, state__in=IN_USE, destroyed_at=None)
    return dict(keys.values_list("version", "proof"))


def address_key(insurer_id: UUID, number: int) -> bytes:
    """Return an address key of an insurer (worker only), or raise KeyNotFoundError."""
    keys = AddressKey.objects.filter(insurer_id=insurer_id, number=number)
    proof = keys.values_list("proof", flat=True).first()
    return open_key(address_key_name(insurer_id, number), proof)
