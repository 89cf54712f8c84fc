"""A waiting address at rest: a keyed fingerprint to know it again, and itself sealed (worker).

All keys are derived from the one of the key store, each for one use.
"""

import hmac
import json
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from insurers.lists.sealing import DamagedError

TOKEN_BYTES = 32
_NONCE_BYTES = 12
_SEALED_BYTES = 400  # an address has 254 at most: how long one is shows nowhere


@dataclass(frozen=True)
class Reachable:
    """An address in clear with the token of its links: in the worker's memory, nowhere else."""

    email: str = field(repr=False)
    token: str = field(repr=False)


class Addresses:
    """Fingerprints, seals and opens addresses in their normal form (`identifiers.email`)."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seal = AESGCM(hmac.digest(key, b"waiting:seal", "sha256"))

    def fingerprint(self, email: str) -> UUID:
        """Return what stands for an address, in whatever case it is written."""
        return self._code(b"waiting:address", email.lower())

    def mailbox(self, email: str) -> UUID:
        """Return what stands for a mailbox, whatever dots and `+tag` reach it.

        Some providers give their users endless addresses: limits count what they all lead to.
        """
        local, _at, domain = email.lower().rpartition("@")
        bare = local.partition("+")[0].replace(".", "")
        return self._code(b"waiting:mailbox", f"{bare}@{domain}")

    def seal(self, reachable: Reachable, *, row_id: UUID) -> bytes:
        """Return an address and its token sealed for one row, always of one length."""
        content = json.dumps([reachable.email, reachable.token]).encode().ljust(_SEALED_BYTES)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, content, row_id.bytes)

    def open(self, sealed: bytes, *, row_id: UUID) -> Reachable:
        """Return what was sealed for a row, or raise DamagedError."""
        try:
            content = self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], row_id.bytes)
        except (InvalidTag, ValueError) as error:
            raise DamagedError from error
        email, token = json.loads(content)
        return Reachable(email, token)

    def _code(self, purpose: bytes, text: str) -> UUID:
        key = hmac.digest(self._key, purpose, "sha256")
        return UUID(bytes=hmac.digest(key, text.encode(), "sha256")[:16])
