"""Seal to the worker: the web process can seal, and holds nothing that opens."""

from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache

import nacl.exceptions
from django.conf import settings
from django.db.models import Model
from nacl.public import PrivateKey, PublicKey, SealedBox


@dataclass(frozen=True)
class SealedColumn:
    """A column whose values are sealed to the pair; the rows go soon, unless they are `lasting`."""

    model: type[Model]
    field: str
    is_lasting: bool = False


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
    """Return what `seal` was given (worker only), or raise DamagedError.

    While the key pair is being replaced, what was sealed to the previous one opens too.
    """
    try:
        return _opener(settings.SEALING_PRIVATE_KEY).decrypt(sealed)
    except nacl.exceptions.CryptoError as error:
        if not settings.SEALING_PRIVATE_KEY_PREVIOUS:
            raise DamagedError from error
    try:
        return _opener(settings.SEALING_PRIVATE_KEY_PREVIOUS).decrypt(sealed)
    except nacl.exceptions.CryptoError as error:
        raise DamagedError from error


def is_sealed_to_present_key(sealed: bytes) -> bool:
    """Whether it opens without the previous private key (worker only)."""
    try:
        _opener(settings.SEALING_PRIVATE_KEY).decrypt(sealed)
    except nacl.exceptions.CryptoError:
        return False
    return True
