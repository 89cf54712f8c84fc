"""Keyed fingerprints: what stands for a member and for an address, instead of them.

A member is HMAC-SHA-256(key of the breach, scheme ‖ insurer ‖ identifier ‖ birth date ‖ birth
rank if given), each part preceded by its length, cut to 128 bits. Rotation wraps: the
fingerprint of key version n is HMAC(Kn, the one of version n - 1), so no identifier is needed,
and every version of the key stays needed. An address (e-mail, mobile) is fingerprinted under a
key of its insurer, so that nothing links two insurers' people.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from insurers.lists.fingerprint_keys import address_key, breach_chain, version_for_new_rows

SCHEME = b"member-number+birth-date"
NO_NAME = 0
_BLOCK = 64  # bytes, of SHA-256
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Hash(Protocol):
    """What is used of a `hashlib` object."""

    def copy(self) -> "Hash":
        """Return another with the same state."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """Return 32 bytes."""


class HmacState(NamedTuple):
    """HMAC-SHA-256 (RFC 2104) as its two hashes, begun: twice as fast to copy as `hmac`'s.

    A hot loop writes `member` out: i = inner.copy(); i.update(message); o = outer.copy();
    o.update(i.digest()); o.digest()[:16].
    """

    inner: Hash
    outer: Hash

    def of(self, message: bytes) -> bytes:
        """Return the first 16 bytes of the HMAC of what the state began with and `message`."""
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()[:16]


def hmac_state(key: bytes, beginning: bytes = b"") -> HmacState:
    """Return the state of HMAC under a key of at most 64 bytes after `beginning`."""
    padded = key.ljust(_BLOCK, b"\0")
    return HmacState(
        hashlib.sha256(padded.translate(_INNER) + beginning),
        hashlib.sha256(padded.translate(_OUTER)),
    )


def _part(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


class MemberFingerprints:
    """Fingerprints of an insurer's members in a breach; takes normalised values only.

    `keys` are all versions of the breach's key, the first one first.
    """

    def __init__(self, *, keys: Sequence[bytes], insurer_id: UUID) -> None:
        self.insurer_id = insurer_id
        self._first = hmac_state(keys[0], _part(SCHEME) + _part(insurer_id.bytes))
        self._wraps = tuple(hmac_state(key) for key in keys[1:])
        self._name = hmac_state(keys[0], _part(b"name"))

    @property
    def version(self) -> int:
        """The key version of what `member` returns."""
        return 1 + len(self._wraps)

    def states(self) -> tuple[HmacState, tuple[HmacState, ...]]:
        """Return what a hot loop copies: the state that takes a member's parts, and the wraps."""
        return self._first, self._wraps

    def member(self, identifier: str, birth_date: str, birth_rank: str = "") -> bytes:
        """Return the 16 bytes that stand for a member (a uuid in the database)."""
        return self.wrap(self.first(identifier, birth_date, birth_rank))

    def first(self, identifier: str, birth_date: str, birth_rank: str = "") -> bytes:
        """Return the fingerprint of version 1, from which `name_tag` and `wrap` start."""
        parts = _part(identifier.encode()) + _part(birth_date.encode())
        return self._first.of(parts + _part(birth_rank.encode()) if birth_rank else parts)

    def wrap(self, fingerprint: bytes, *, version: int = 1) -> bytes:
        """Return the fingerprint of the newest version from that of an earlier one."""
        for state in self._wraps[version - 1 :]:
            fingerprint = state.of(fingerprint)
        return fingerprint

    def all_versions(self, identifier: str, birth_date: str, birth_rank: str = "") -> list[bytes]:
        """Return the fingerprint of each version, the first one first: what look-ups ask for."""
        chain = [self.first(identifier, birth_date, birth_rank)]
        for state in self._wraps:
            chain.append(state.of(chain[-1]))
        return chain

    def name_tag(self, first: bytes, name: str) -> int:
        """Return 32 signed bits that tell twins apart, 0 without a name; rotation keeps them.

        `first`, the fingerprint of version 1, enters, so that equal names of different members
        have different tags.
        """
        if not name:
            return NO_NAME
        tag = self._name.of(_part(first) + _part(name.encode()))
        return int.from_bytes(tag[:4], "big", signed=True) or 1


class AddressFingerprints:
    """Fingerprints of the e-mail addresses and mobile numbers of an insurer's members."""

    def __init__(self, *, key: bytes) -> None:
        self._email = hmac_state(key, _part(b"email"))
        self._phone = hmac_state(key, _part(b"phone"))

    def states(self) -> tuple[HmacState, HmacState]:
        """Return what a hot loop copies: for lower-case e-mail addresses, for E.164 numbers."""
        return self._email, self._phone

    def email(self, address: str) -> bytes:
        """Return the 16 bytes that stand for an e-mail address, case aside."""
        return self._email.of(address.lower().encode())

    def phone(self, number: str) -> bytes:
        """Return the 16 bytes that stand for an E.164 number."""
        return self._phone.of(number.encode())


def member_fingerprints(
    *, breach_id: int, insurer_id: UUID, version: int | None = None
) -> MemberFingerprints:
    """Return them under the whole chain of keys up to `version` (worker only).

    Without `version`, up to that of new rows; a list is read under one version from its first
    row to its last. Raises UnknownKeyVersionError and KeyNotFoundError, which name the key.
    """
    if version is None:
        version = version_for_new_rows(breach_id)
    return MemberFingerprints(
        keys=breach_chain(breach_id=breach_id, version=version), insurer_id=insurer_id
    )


def address_fingerprints(*, insurer_id: UUID) -> AddressFingerprints:
    """Return them under the key of the insurer (worker only), or raise KeyNotFoundError."""
    return AddressFingerprints(key=address_key(insurer_id))
