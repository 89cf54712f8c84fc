"""How a member can be reached: encoded in few bytes, sealed under the list's data key."""

import secrets
from typing import NamedTuple

import numpy as np
import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from insurers.lists.keystore import KEY_BYTES, key_store
from insurers.lists.sealing import DamagedError
from insurers.models import AffectedList

EMAIL_INVALID = 1
PHONE_INVALID = 2
"""Bits of `AffectedMember.contact_flags`: an address was given and is unusable."""
EMAIL_ERASED, PHONE_ERASED = 4, 8
"""Bits set by a purge: an address was given, and is erased with the contacts."""
EMAIL_SHARED, PHONE_SHARED = 16, 32
"""Bits set by a purge: too many people shared that address for a message to go there."""

HAS_POSTAL_ADDRESS = 64
"""Bit that says a postal address is sealed with the contact, until a purge."""

NONCE_BYTES, TAG_BYTES = 12, 16
_NONCE = np.dtype([("start", "V8"), ("ordinal", ">i4")])
SEALED_MORE = 1 + TAG_BYTES
"""Bytes by which a sealed contact is longer."""
_FORMAT = b"\x01"
_SEPARATOR = "\x1f"
_ALWAYS = 5
"""Fields that every contact has: most have no postal address, and take no byte for it."""


class Contact(NamedTuple):
    """Normalised values (no control character), "" where there is none; phone in E.164."""

    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    language: str = ""
    address: str = ""  # as `postal.PostalAddress.of` reads it

    def __repr__(self) -> str:
        """Say nothing: traces and test reports print it."""
        return "Contact(…)"


def encode(contact: Contact) -> bytes:
    """Return a contact as bytes: a format number, then the fields, the address if there is one."""
    fields = contact if contact.address else contact[:_ALWAYS]
    return _FORMAT + _SEPARATOR.join(fields).encode()


def encode_column(*fields: pl.Series, addresses: pl.Series | None = None) -> pl.Series:
    """Return contacts given by column, in the order of `Contact`, as `encode` does each."""
    first, *others = fields
    parts = [pl.lit("\x01"), first]
    for other in others:
        parts += [pl.lit(_SEPARATOR), other]
    if addresses is not None:
        parts.append((_SEPARATOR + addresses).set(addresses == "", ""))
    return pl.select(pl.concat_str(parts)).to_series().cast(pl.Binary)


NOTHING = encode(Contact())


def decode(content: bytes) -> Contact:
    """Return the contact that `encode` was given, or raise DamagedError."""
    fields = content[1:].decode().split(_SEPARATOR)
    if content[:1] != _FORMAT or not _ALWAYS <= len(fields) <= len(Contact._fields):
        raise DamagedError
    return Contact(*fields)


def data_key_name(list_id: int, attempt: int) -> str:
    """Return the name of the data key of one reading of a list."""
    return f"list/{list_id}/{attempt}"


def make_data_key(affected_list: AffectedList) -> None:
    """Make the data key of this reading of a list; those of earlier readings are destroyed."""
    store = key_store()
    for attempt in range(1, affected_list.attempt):
        store.destroy(data_key_name(affected_list.pk, attempt))
    name = data_key_name(affected_list.pk, affected_list.attempt)
    store.put(name, secrets.token_bytes(KEY_BYTES))


def destroy_data_keys(affected_list: AffectedList) -> None:
    """Make the list's contacts unreadable for good."""
    for attempt in range(1, affected_list.attempt + 1):
        key_store().destroy(data_key_name(affected_list.pk, attempt))


class ContactSealer:
    """Seals the contacts of one block, in one of its readings.

    AES-256-GCM under the list's data key. The nonce is the number of the reading and the
    row's ordinal: a block that is read again after a kill never uses a nonce twice. The
    number is the first byte of what is stored; the row is bound by the nonce.
    """

    def __init__(self, key: bytes, *, attempt: int) -> None:
        self._cipher = AESGCM(key)
        self.number = bytes((attempt,))

    def seal(self, ordinal: int, content: bytes) -> bytes:
        """Return the sealed contact of a row, SEALED_MORE bytes longer."""
        return self.number + self._cipher.encrypt(_nonce(self.number, ordinal), content, None)

    def seal_into(
        self,
        rows: NDArray[np.uint8],
        places: NDArray[np.int64],
        ordinals: NDArray[np.int32],
        contents: pl.Series,
    ) -> None:
        """Write the sealed contact of each row over the bytes from its place on."""
        rows[places] = self.number[0]
        nonces = np.empty(len(ordinals), _NONCE)
        nonces["start"] = np.void(_nonce(self.number, 0)[: _NONCE["start"].itemsize])
        nonces["ordinal"] = ordinals
        starts = places + len(self.number)
        ends = starts + contents.bin.size().to_numpy() + TAG_BYTES
        each = nonces.view(f"V{NONCE_BYTES}").tolist()
        columns = each, contents.to_list(), starts.tolist(), ends.tolist()
        encrypt, into = self._cipher.encrypt_into, rows.data
        for nonce, content, first, end in zip(*columns, strict=True):
            encrypt(nonce, content, None, into[first:end])


class ContactOpener:
    """Opens the contacts of one list."""

    def __init__(self, key: bytes) -> None:
        self._decrypt = AESGCM(key).decrypt

    def open(self, ordinal: int, sealed: bytes | memoryview | None) -> Contact:
        """Return the contact of a member (an empty one where none was given).

        Raises DamagedError when the bytes are not those of this member.
        """
        if sealed is None:
            return Contact()
        content = bytes(sealed)
        try:
            clear = self._decrypt(_nonce(content[:1], ordinal), content[1:], None)
        except (InvalidTag, ValueError) as error:
            raise DamagedError from error
        return decode(clear)


def _nonce(attempt: bytes, ordinal: int) -> bytes:
    return attempt + ordinal.to_bytes(NONCE_BYTES - 1, "big")


def contact_sealer(affected_list: AffectedList, *, attempt: int) -> ContactSealer:
    """Return what seals a block in its reading number `attempt` (worker only)."""
    return ContactSealer(_data_key(affected_list), attempt=attempt)


def open_contacts(affected_list: AffectedList) -> ContactOpener:
    """Load a list's data key once (worker only); raise KeyNotFoundError once it is destroyed."""
    return ContactOpener(_data_key(affected_list))


def _data_key(affected_list: AffectedList) -> bytes:
    return key_store().get(data_key_name(affected_list.pk, affected_list.attempt))
