"""Seal to the worker: the web process can seal, and holds nothing that opens."""

from base64 import b64decode
from functools import lru_cache

import nacl.exceptions
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from nacl.public import PrivateKey, PublicKey, SealedBox


class DamagedError(Exception):
    """What should open does not: other key, other place, or changed bytes."""


@lru_cache
def _sealer(public_key: str) -> "SealedBox[PublicKey]":
    return SealedBox(PublicKey(b64decode(public_key)))


@lru_cache
def _opener(private_key: str) -> "SealedBox[PrivateKey]":
    return SealedBox(PrivateKey(b64decode(private_key)))


def seal(content: bytes) -> bytes:
    """Return `content` sealed to the worker's public key (48 bytes longer)."""
    return _sealer(settings.SEALING_PUBLIC_KEY).encrypt(content)


def open_sealed(sealed: bytes) -> bytes:
    """Return what `seal` was given (worker only), or raise DamagedError."""
    try:
        return _opener(settings.SEALING_PRIVATE_KEY).decrypt(sealed)
    except nacl.exceptions.CryptoError as error:
        raise DamagedError from error


class ListSealer:
    """AES-256-GCM for the contacts of one reading of one list.

    The nonce is the row's ordinal, so a key must serve one reading only: each attempt makes
    its own. List and ordinal are authenticated: a contact moved to another row does not open.
    """

    def __init__(self, *, key: bytes, list_id: int) -> None:
        self._cipher = AESGCM(key)
        self._list = list_id.to_bytes(4, "big")

    def seal(self, ordinal: int, content: bytes) -> bytes:
        """Return the sealed content, 16 bytes longer."""
        return self._cipher.encrypt(ordinal.to_bytes(12, "big"), content, self._place(ordinal))

    def open(self, ordinal: int, sealed: bytes) -> bytes:
        """Return the content, or raise DamagedError."""
        try:
            return self._cipher.decrypt(ordinal.to_bytes(12, "big"), sealed, self._place(ordinal))
        except InvalidTag as error:
            raise DamagedError from error

    def _place(self, ordinal: int) -> bytes:
        return self._list + ordinal.to_bytes(8, "big")
