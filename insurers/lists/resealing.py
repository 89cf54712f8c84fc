"""Replace the sealing key pair: what the previous one sealed is sealed to the new one.

The order: give workers the new pair and the previous private key, then give web processes the
new public key, then `reseal`, then wait for `sealed_to_previous` to find nothing (uploads,
questions and receipts in flight are read and erased, never sealed again), then destroy the
previous private key.
"""

import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.db import transaction
from nacl.public import PrivateKey

from audit.trail import PORTAL, record
from insurers.lists.keystore import KeyNotFoundError, key_store
from insurers.lists.sealing import SealedColumn, is_sealed_to_present_key, open_sealed, seal
from insurers.signals import sealed_columns

PRIVATE_FILE, PUBLIC_FILE = "sealing_private_key", "sealing_public_key"


@dataclass(frozen=True)
class Resealed:
    """How many keys of the store and how many rows were sealed anew."""

    keys: int
    rows: int


@dataclass(frozen=True)
class Remains:
    """How much still needs the previous private key."""

    keys: int
    upload_pieces: int
    rows: int

    @property
    def is_nothing(self) -> bool:
        """Whether the previous private key may be destroyed."""
        return not (self.keys or self.upload_pieces or self.rows)


def write_new_pair(folder: Path) -> None:
    """Write a new pair in base64 as two files of `folder` that only this account reads.

    Raises FileExistsError where there is one already.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = PrivateKey.generate()
    for name, key in ((PRIVATE_FILE, bytes(private)), (PUBLIC_FILE, bytes(private.public_key))):
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b64encode(key) + b"\n")


def reseal() -> Resealed:
    """Seal every key of the store, and what rows keep sealed, to the present public key.

    Killed at any moment, the next call does the rest. Raises WrongKeyError where a key opens
    with neither private key, and DamagedError where a row does.
    """
    done = Resealed(_reseal_keys(), _reseal_rows())
    with transaction.atomic():
        detail = {"keys": done.keys, "sealed_rows": done.rows}
        record(action="sealing_key.rotated", scope=PORTAL, detail=detail)
    return done


def _reseal_keys() -> int:
    store, changed = key_store(), 0
    for name in store.names():
        try:
            if not store.is_rewrapped(name):
                store.rewrap(name)
                changed += 1
        except KeyNotFoundError:
            continue  # Destroyed meanwhile.
    return changed


def _reseal_rows() -> int:
    changed = 0
    for column in columns():
        for pk, sealed in _old_rows(column) if column.is_lasting else ():
            # A value that staff replace meanwhile is sealed to the new key by them.
            same = column.model._default_manager.filter(pk=pk, **{column.field: sealed})
            changed += same.update(**{column.field: seal(open_sealed(sealed))})
    return changed


def sealed_to_previous() -> Remains:
    """Count what does not open with the present private key alone (worker only)."""
    store = key_store()
    keys = sum(not store.is_rewrapped(name) for name in store.names())
    pieces = sum(not is_sealed_to_present_key(piece) for piece in _upload_pieces())
    return Remains(keys, pieces, sum(1 for column in columns() for _row in _old_rows(column)))


def columns() -> Iterator[SealedColumn]:
    """Yield every column whose values are sealed to the pair."""
    for _receiver, named in sealed_columns.send(sender=None):
        yield from cast("list[SealedColumn]", named)


def _old_rows(column: SealedColumn) -> Iterator[tuple[Any, bytes]]:
    """Yield the key and the value of each row that the present private key does not open."""
    rows = column.model._default_manager.order_by("pk").values_list("pk", column.field)
    for pk, value in rows.iterator():
        if value and not is_sealed_to_present_key(sealed := bytes(value)):
            yield pk, sealed


def _upload_pieces() -> Iterator[bytes]:
    for path in sorted(settings.UPLOAD_DIR.rglob("*")):
        try:
            if path.is_file() and not path.name.startswith("."):
                yield path.read_bytes()
        except FileNotFoundError:
            continue  # Erased meanwhile.
