"""Replace the sealing key pair: what the previous one sealed is sealed to the new one.

The order: give workers the new pair and the previous private key, then give web processes the
new public key, then `reseal_keys`, then wait for `sealed_to_previous` to find nothing (uploads
in flight are read and erased, never sealed again), then destroy the previous private key.
"""

import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from nacl.public import PrivateKey

from audit.trail import PORTAL, record
from insurers.lists.keystore import KeyNotFoundError, key_store
from insurers.lists.sealing import is_sealed_to_present_key

PRIVATE_FILE, PUBLIC_FILE = "sealing_private_key", "sealing_public_key"


@dataclass(frozen=True)
class Remains:
    """How much still needs the previous private key."""

    keys: int
    upload_pieces: int

    @property
    def is_nothing(self) -> bool:
        """Whether the previous private key may be destroyed."""
        return not self.keys and not self.upload_pieces


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


def reseal_keys() -> int:
    """Seal every key of the store to the present public key; return how many were changed.

    Killed at any moment, the next call does the rest. Raises WrongKeyError where a key opens
    with neither private key.
    """
    store, changed = key_store(), 0
    for name in store.names():
        try:
            if not store.is_rewrapped(name):
                store.rewrap(name)
                changed += 1
        except KeyNotFoundError:
            continue  # Destroyed meanwhile.
    with transaction.atomic():
        record(action="sealing_key.rotated", scope=PORTAL, detail={"keys": changed})
    return changed


def sealed_to_previous() -> Remains:
    """Count what does not open with the present private key alone (worker only)."""
    store = key_store()
    keys = sum(not store.is_rewrapped(name) for name in store.names())
    pieces = sum(not is_sealed_to_present_key(piece) for piece in _upload_pieces())
    return Remains(keys, pieces)


def _upload_pieces() -> Iterator[bytes]:
    for path in sorted(settings.UPLOAD_DIR.rglob("*")):
        try:
            if path.is_file() and not path.name.startswith("."):
                yield path.read_bytes()
        except FileNotFoundError:
            continue  # Erased meanwhile.
