"""Keyed fingerprints: what stands for a member and for an address, instead of them.

A member is HMAC-SHA-256(key of the breach, scheme ‖ insurer ‖ identifier ‖ birth date ‖ birth
rank if given), each part preceded by its length, cut to 128 bits. An address (e-mail, mobile)
has a keyed BLAKE2b under a key of its insurer, so that nothing links two insurers' people.
Rotation will wrap: a fingerprint of key version n is HMAC(Kn, the one of version n - 1).
"""

from collections.abc import Iterable
from uuid import UUID

import polars as pl

from insurers.lists.keyed_hashes import Blake2, HmacSha256
from insurers.lists.keystore import key_named

KEY_VERSION = 1
SCHEME = b"member-number+birth-date"
NO_NAME = 0
FINGERPRINT_BYTES = 16
_LENGTHS = pl.Series([f"\0{chr(length)}" for length in range(128)])
"""A length as two bytes, for parts of at most 127: one byte each in UTF-8 as well."""


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
        self._member = HmacSha256(key, _part(SCHEME) + _part(insurer_id.bytes))
        self._name = Blake2(key, 4, _part(b"name"))

    def members(self, numbers: pl.Series, births: pl.Series, ranks: pl.Series) -> list[bytes]:
        """Return the 16 bytes that stand for each member (a uuid in the database)."""
        ranked = pl.select(
            pl.when(ranks != "")
            .then(_LENGTHS.gather(ranks.str.len_bytes()) + ranks)
            .otherwise(pl.lit(""))
        ).to_series()
        messages = (
            _LENGTHS.gather(numbers.str.len_bytes())
            + numbers
            + _LENGTHS.gather(births.str.len_bytes())
            + births
            + ranked
        )
        return self._member.column(messages.cast(pl.Binary).to_list(), FINGERPRINT_BYTES)

    def member(self, identifier: str, birth_date: str, birth_rank: str = "") -> bytes:
        """Return the 16 bytes that stand for one member."""
        values = (identifier, birth_date, birth_rank)
        (found,) = self.members(*(pl.Series([value], dtype=pl.String) for value in values))
        return found

    def name_tags(self, fingerprints: Iterable[bytes], names: Iterable[bytes]) -> list[int]:
        """Return for each member 32 signed bits that tell twins apart, 0 without a name.

        The fingerprint enters, so that equal names of different members have different tags.
        """
        messages = [
            fingerprint + name if name else None
            for fingerprint, name in zip(fingerprints, names, strict=True)
        ]
        return [
            int.from_bytes(code, "big", signed=True) or 1 if code else NO_NAME
            for code in self._name.column(messages)
        ]


class AddressFingerprints:
    """Fingerprints of the e-mail addresses and mobile numbers of an insurer's members."""

    def __init__(self, *, key: bytes) -> None:
        self._email = Blake2(key, FINGERPRINT_BYTES, _part(b"email"))
        self._phone = Blake2(key, FINGERPRINT_BYTES, _part(b"phone"))

    def emails(self, addresses: Iterable[bytes]) -> list[bytes | None]:
        """Return the 16 bytes that stand for each lower-case e-mail address, None for b""."""
        return self._email.column(addresses)

    def phones(self, numbers: Iterable[bytes]) -> list[bytes | None]:
        """Return the 16 bytes that stand for each E.164 number, None for b""."""
        return self._phone.column(numbers)


def member_fingerprints(*, breach_id: int, insurer_id: UUID) -> MemberFingerprints:
    """Return them under the key of the breach, made the first time (worker only)."""
    return MemberFingerprints(key=key_named(breach_key_name(breach_id)), insurer_id=insurer_id)


def address_fingerprints(*, insurer_id: UUID) -> AddressFingerprints:
    """Return them under the key of the insurer, made the first time (worker only)."""
    return AddressFingerprints(key=key_named(address_key_name(insurer_id)))
