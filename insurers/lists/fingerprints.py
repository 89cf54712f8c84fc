"""Keyed fingerprints: what stands for a member and for an address, instead of them.

A member is HMAC-SHA-256(key of the breach, scheme ‖ insurer ‖ identifier ‖ birth date ‖ birth
rank if given), each part preceded by its length, cut to 128 bits. An address (e-mail, mobile)
is fingerprinted under a key of its insurer, so that nothing links two insurers' people.
Rotation will wrap: a fingerprint of key version n is HMAC(Kn, the one of version n - 1).
"""

import hashlib
import hmac
from uuid import UUID

from insurers.lists.keystore import key_named

KEY_VERSION = 1
SCHEME = b"member-number+birth-date"
NO_NAME = 0


def breach_key_name(breach_id: int) -> str:
    """Return the name of the key under which a breach's members are fingerprinted."""
    return f"breach/{breach_id}/{KEY_VERSION}"


def address_key_name(insurer_id: UUID) -> str:
    """Return the name of the key under which an insurer's addresses are fingerprinted."""
    return f"address/{insurer_id}/{KEY_VERSION}"


def _part(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


class MemberFingerprints:
    """Fingerprints of an insurer's members in a breach; takes normalised values only."""

    def __init__(self, *, key: bytes, insurer_id: UUID) -> None:
        # The state after the constant parts is computed once, and copied for each member.
        self._member = hmac.new(key, _part(SCHEME) + _part(insurer_id.bytes), hashlib.sha256)
        self._name = hmac.new(key, _part(b"name"), hashlib.sha256)

    def member(self, identifier: str, birth_date: str, birth_rank: str = "") -> bytes:
        """Return the 16 bytes that stand for a member (a uuid in the database)."""
        state = self._member.copy()
        parts = _part(identifier.encode()) + _part(birth_date.encode())
        state.update(parts + _part(birth_rank.encode()) if birth_rank else parts)
        return state.digest()[:16]

    def name_tag(self, fingerprint: bytes, name: str) -> int:
        """Return 32 signed bits that tell twins apart, 0 without a name.

        `fingerprint` enters, so that equal names of different members have different tags.
        """
        if not name:
            return NO_NAME
        state = self._name.copy()
        state.update(_part(fingerprint) + _part(name.encode()))
        return int.from_bytes(state.digest()[:4], "big", signed=True) or 1


class AddressFingerprints:
    """Fingerprints of the e-mail addresses and mobile numbers of an insurer's members."""

    def __init__(self, *, key: bytes) -> None:
        self._email = hmac.new(key, _part(b"email"), hashlib.sha256)
        self._phone = hmac.new(key, _part(b"phone"), hashlib.sha256)

    def email(self, address: str) -> bytes:
        """Return the 16 bytes that stand for an e-mail address, case aside."""
        state = self._email.copy()
        state.update(address.lower().encode())
        return state.digest()[:16]

    def phone(self, number: str) -> bytes:
        """Return the 16 bytes that stand for an E.164 number."""
        state = self._phone.copy()
        state.update(number.encode())
        return state.digest()[:16]


def member_fingerprints(*, breach_id: int, insurer_id: UUID) -> MemberFingerprints:
    """Return them under the key of the breach, made the first time (worker only)."""
    return MemberFingerprints(key=key_named(breach_key_name(breach_id)), insurer_id=insurer_id)


def address_fingerprints(*, insurer_id: UUID) -> AddressFingerprints:
    """Return them under the key of the insurer, made the first time (worker only)."""
    return AddressFingerprints(key=key_named(address_key_name(insurer_id)))
