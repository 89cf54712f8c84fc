"""The versions of each breach's key, and each insurer's address key: made on purpose, never twice.

The database says which keys exist (`FingerprintKey`, `AddressKey`), the key store holds them.
A key that the database knows and the store does not is lost: it is named, never made again,
since everything fingerprinted under it would no longer be found.
"""

import contextlib
import secrets
from datetime import datetime
from uuid import UUID

from insurers.lists.keystore import KEY_BYTES, KeyExistsError, key_store
from insurers.models import AddressKey, FingerprintKey, KeyState

IN_USE = (KeyState.WRAPPING, KeyState.CURRENT, KeyState.CHAINED)


class UnknownKeyVersionError(Exception):
    """Something is fingerprinted under a key version that the portal does not know.

    Never to be taken for « not found ». The message is the name of the key.
    """


def breach_key_name(breach_id: int, version: int) -> str:
    """Return the name of a version of a breach's key."""
    return f"breach/{breach_id}/{version}"


def address_key_name(insurer_id: UUID) -> str:
    """Return the name of an insurer's address key."""
    return f"address/{insurer_id}/1"


def make_keys(*, breach_id: int, insurer_id: UUID, now: datetime) -> None:
    """Make the first keys that a list of this breach and insurer needs, where there are none."""
    if not FingerprintKey.objects.filter(breach_id=breach_id).exists():
        store_new_key(breach_key_name(breach_id, 1))
        FingerprintKey.objects.bulk_create(
            [
                FingerprintKey(
                    breach_id=breach_id,
                    version=1,
                    state=KeyState.CURRENT,
                    created_at=now,
                    finished_at=now,
                )
            ],
            ignore_conflicts=True,
        )
    if not AddressKey.objects.filter(insurer_id=insurer_id).exists():
        store_new_key(address_key_name(insurer_id))
        AddressKey.objects.bulk_create(
            [AddressKey(insurer_id=insurer_id, created_at=now)], ignore_conflicts=True
        )


def store_new_key(name: str) -> None:
    """Put a random key in the store, before the row that says it exists.

    A key that is there already was put by another worker, or by one that died before its row.
    """
    with contextlib.suppress(KeyExistsError):
        key_store().put(name, secrets.token_bytes(KEY_BYTES))


def version_for_new_rows(breach_id: int) -> int:
    """Return the version that new rows are fingerprinted under.

    Raises UnknownKeyVersionError where the breach has no key yet.
    """
    newest = (
        FingerprintKey.objects.filter(breach_id=breach_id, state__in=IN_USE)
        .order_by("-version")
        .values_list("version", flat=True)
        .first()
    )
    if newest is None:
        raise UnknownKeyVersionError(breach_key_name(breach_id, 1))
    return newest


def breach_chain(*, breach_id: int, version: int) -> list[bytes]:
    """Return all keys of a breach up to a version, the first one first (worker only).

    Raises UnknownKeyVersionError, or KeyNotFoundError and WrongKeyError of the store.
    """
    known = set(
        FingerprintKey.objects.filter(breach_id=breach_id, state__in=IN_USE).values_list(
            "version", flat=True
        )
    )
    store = key_store()
    chain = []
    for number in range(1, version + 1):
        name = breach_key_name(breach_id, number)
        if number not in known:
            raise UnknownKeyVersionError(name)
        chain.append(store.get(name))
    if not chain:
        raise UnknownKeyVersionError(breach_key_name(breach_id, version))
    return chain


def address_key(insurer_id: UUID) -> bytes:
    """Return an insurer's address key (worker only), or raise KeyNotFoundError."""
    return key_store().get(address_key_name(insurer_id))
