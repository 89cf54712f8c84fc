"""How a member can be reached: encoded in few bytes, sealed under the list's data key."""

import secrets
from typing import NamedTuple

from insurers.lists.keystore import KEY_BYTES, key_store
from insurers.lists.sealing import DamagedError, ListSealer
from insurers.models import AffectedList

EMAIL_INVALID = 1
PHONE_INVALID = 2
"""Bits of `AffectedMember.contact_flags`: an address was given and is unusable."""

_FORMAT = b"\x01"
_SEPARATOR = "\x1f"


class Contact(NamedTuple):
    """Normalised values (no control character), "" where there is none; phone in E.164."""

    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    language: str = ""

    def __repr__(self) -> str:
        """Say nothing: traces and test reports print it."""
        return "Contact(…)"


def encode(contact: Contact) -> bytes:
    """Return a contact as bytes: a format number, then the fields."""
    return _FORMAT + _SEPARATOR.join(contact).encode()


def decode(content: bytes) -> Contact:
    """Return the contact that `encode` was given, or raise DamagedError."""
    fields = content[1:].decode().split(_SEPARATOR)
    if content[:1] != _FORMAT or len(fields) != 5:
        raise DamagedError
    return Contact(*fields)


def data_key_name(list_id: int, attempt: int) -> str:
    """Return the name of the data key of one reading of a list."""
    return f"list/{list_id}/{attempt}"


def new_sealer(affected_list: AffectedList) -> ListSealer:
    """Make the data key of this reading of a list; those of earlier readings are destroyed."""
    store = key_store()
    for attempt in range(1, affected_list.attempt):
        store.destroy(data_key_name(affected_list.pk, attempt))
    key = secrets.token_bytes(KEY_BYTES)
    store.put(data_key_name(affected_list.pk, affected_list.attempt), key)
    return ListSealer(key=key, list_id=affected_list.pk)


def destroy_data_keys(affected_list: AffectedList) -> None:
    """Make the list's contacts unreadable for good."""
    for attempt in range(1, affected_list.attempt + 1):
        key_store().destroy(data_key_name(affected_list.pk, attempt))


class ContactOpener:
    """Opens the contacts of one list."""

    def __init__(self, sealer: ListSealer) -> None:
        self._sealer = sealer

    def open(self, ordinal: int, sealed: bytes | memoryview | None) -> Contact:
        """Return the contact of a member (an empty one where none was given).

        Raises DamagedError when the bytes are not those of this member.
        """
        if sealed is None:
            return Contact()
        return decode(self._sealer.open(ordinal, bytes(sealed)))


def open_contacts(affected_list: AffectedList) -> ContactOpener:
    """Load a list's data key once (worker only); raise KeyNotFoundError once it is destroyed."""
    key = key_store().get(data_key_name(affected_list.pk, affected_list.attempt))
    return ContactOpener(ListSealer(key=key, list_id=affected_list.pk))
