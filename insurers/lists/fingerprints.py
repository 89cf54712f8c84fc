"""Keyed fingerprints: what stands for a member and for an address, instead of them.

A member is HMAC-SHA-256(key of the breach, scheme ‖ insurer ‖ identifier ‖ birth date ‖ birth
rank if given), each part preceded by its length, cut to 128 bits. An address (e-mail, mobile)
has one under a key of its insurer, so that nothing links two insurers' people.
Rotation wraps: the fingerprint of key version n is HMAC(Kn, the one of version n - 1), so no
identifier is needed, and every version of the key stays needed. Address keys are not rotated
(docs/decisions/0010).
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import numpy as np
import polars as pl
from numpy.typing import NDArray

from insurers.lists.byte_columns import cut, series
from insurers.lists.fingerprint_keys import address_key, breach_chain, version_for_new_rows
from insurers.lists.identifiers import letters
from insurers.lists.keyed_hashes import HmacSha256

SCHEME = b"member-number+birth-date"
FINGERPRINT_BYTES, TAG_BYTES = 16, 4
CODE_BYTES = FINGERPRINT_BYTES + TAG_BYTES
HASH = np.dtype("<u8")
"""What of a fingerprint is enough to see which ones may be equal: its first eight bytes."""
NO_NAME = 0
_NEVER_NONE = 1 << 24
"""In place of a tag that would look as if there were no name."""
REMEMBERED = 100_000
"""How many first names, and how many last names, a worker remembers at the most."""

_LENGTHS = pl.Series([f"\0{chr(length)}" for length in range(128)])
"""A length as two bytes, for parts of at most 127: one byte each in UTF-8 as well."""


def _lengths(texts: pl.Series) -> pl.Series:
    return _LENGTHS.gather(texts.str.len_bytes())


def _part(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


class _NameCodes(dict[str, int]):
    """32 keyed bits for each spelling of a name, remembered: names come again and again."""

    def __init__(self, key: bytes, prefix: bytes) -> None:
        super().__init__()
        self._hash = HmacSha256(key, prefix)

    def __missing__(self, name: str) -> int:
        spelt = letters(name)
        code = int.from_bytes(self._hash.one(spelt.encode())[:TAG_BYTES]) if spelt else NO_NAME
        if len(self) < REMEMBERED:
            self[name] = code
        return code

    def column(self, names: pl.Series) -> NDArray[np.uint32]:
        """Return the code of each name; those without a letter have none."""
        different = names.unique()
        if 4 * different.len() >= names.len():
            return self._each(names).to_numpy()
        codes = names.replace_strict(different, self._each(different), return_dtype=pl.UInt32)
        return codes.to_numpy()

    def _each(self, names: pl.Series) -> pl.Series:
        return pl.Series(list(map(self.__getitem__, names.to_list())), dtype=pl.UInt32)


class MemberFingerprints:
    """Fingerprints of an insurer's members in a breach; takes normalised values only.

    `keys` are all versions of the breach's key, the first one first.
    """

    def __init__(self, *, keys: Sequence[bytes], insurer_id: UUID) -> None:
        self.insurer_id = insurer_id
        self._member = HmacSha256(keys[0], _part(SCHEME) + _part(insurer_id.bytes))
        self._first_names = _NameCodes(keys[0], _part(b"first name"))
        self._last_names = _NameCodes(keys[0], _part(b"last name"))
        self._wraps = [HmacSha256(key) for key in keys[1:]]

    @property
    def version(self) -> int:
        """The newest key version: that of what `wrap` returns."""
        return 1 + len(self._wraps)

    def wrap(self, fingerprints: bytes, *, version: int = 1) -> bytes:
        """Return the column of fingerprints of the newest version from those of an earlier one."""
        for key in self._wraps[version - 1 :]:
            fingerprints = _wrapped(fingerprints, key)
        return fingerprints

    def codes(self, numbers: pl.Series, births: pl.Series, ranks: pl.Series) -> bytes:
        """Return what is kept of each member's HMAC under the first key: a column of 20 bytes.

        16 are the fingerprint; names are tagged from the rest, so that tags stay what they are
        when the key is rotated.
        """
        parts = [_lengths(numbers), numbers, _lengths(births), births]
        if (ranks != "").any():
            parts += [_lengths(ranks).set(ranks == "", ""), ranks]
        messages = pl.select(pl.concat_str(parts)).to_series()
        return self._member.column(messages, size=CODE_BYTES)

    def member(self, identifier: str, birth_date: str, birth_rank: str = "") -> bytes:
        """Return the 16 bytes of key version 1 that stand for one member."""
        return self.all_versions([(identifier, birth_date, birth_rank)])[0]

    def all_versions(self, people: Sequence[tuple[str, str, str]]) -> list[bytes]:
        """Return the column of fingerprints of each key version, the first one first.

        `people` are member numbers, birth dates and birth ranks.
        """
        columns = zip(*people, strict=True)
        codes = self.codes(*(pl.Series(list(values), dtype=pl.String) for values in columns))
        chain = [fingerprints_of(codes)]
        for key in self._wraps:
            chain.append(_wrapped(chain[-1], key))
        return chain

    def name_tags(
        self, codes: bytes, first_names: pl.Series, last_names: pl.Series
    ) -> NDArray[np.uint32]:
        """Return a column of 32 bits that tell twins apart, 0 without a name.

        Keyed hashes of the names, under bits of the member's HMAC that nothing else uses: equal
        names of different members have different tags.
        """
        masks = cut(codes, width=CODE_BYTES, start=FINGERPRINT_BYTES, stop=CODE_BYTES)
        tags = np.frombuffer(masks, ">u4").astype(np.uint32)
        tags ^= self._first_names.column(first_names) ^ self._last_names.column(last_names)
        tags[tags == NO_NAME] = _NEVER_NONE
        tags[((first_names == "") & (last_names == "")).to_numpy()] = NO_NAME
        return tags


def fingerprints_of(codes: bytes) -> bytes:
    """Return the column of 16 bytes that stand for the members (uuids in the database)."""
    return cut(codes, width=CODE_BYTES, start=0, stop=FINGERPRINT_BYTES)


def hashes_of(fingerprints: bytes) -> NDArray[np.uint64]:
    """Return the beginning of each, as a number; 0 stands for none elsewhere."""
    return np.frombuffer(fingerprints, HASH)[:: FINGERPRINT_BYTES // HASH.itemsize]


def _wrapped(fingerprints: bytes, key: HmacSha256) -> bytes:
    return key.column(series(fingerprints, FINGERPRINT_BYTES), size=FINGERPRINT_BYTES)


class Addresses(NamedTuple):
    """What stands for a column of addresses."""

    given: NDArray[np.bool]  # of each member
    fingerprints: bytes  # 16 of each address that is given


class AddressFingerprints:
    """Fingerprints of the e-mail addresses and mobile numbers of an insurer's members."""

    def __init__(self, *, key: bytes) -> None:
        self._email = HmacSha256(HmacSha256(key).one(b"email"))
        self._phone = HmacSha256(HmacSha256(key).one(b"phone"))

    def emails(self, addresses: pl.Series) -> Addresses:
        """Return what stands for lower-case e-mail addresses, "" where there is none."""
        return _where_given(addresses, self._email)

    def phones(self, numbers: pl.Series) -> Addresses:
        """Return what stands for E.164 numbers, "" where there is none."""
        return _where_given(numbers, self._phone)


def _where_given(addresses: pl.Series, key: HmacSha256) -> Addresses:
    given = addresses != ""
    fingerprints = key.column(addresses.filter(given), size=FINGERPRINT_BYTES)
    return Addresses(given.to_numpy(), fingerprints)


def asked_about(*, key: bytes, insurer_id: UUID, identifier: str, birth_date: str) -> UUID:
    """Return what stands for a person whom somebody asked about, under a key of its own.

    It lies on no list, and outlives a rotation: answers are limited by it.
    """
    parts = (SCHEME, insurer_id.bytes, identifier.encode(), birth_date.encode())
    code = HmacSha256(key).one(b"".join(map(_part, parts)))
    return UUID(bytes=code[:FINGERPRINT_BYTES])


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


def address_fingerprints(*, insurer_id: UUID, number: int) -> AddressFingerprints:
    """Return them under a key of the insurer (worker only), or raise KeyNotFoundError."""
    return AddressFingerprints(key=address_key(insurer_id, number))
