"""Members as PostgreSQL's COPY takes them fastest: binary rows, laid out by column.

Each row: the number of fields (16 bits), then each field after its length in bytes (32 bits);
a length of -1 says NULL (PostgreSQL manual, COPY, Binary Format). The rows' places in one buffer
are known before anything is written; contacts are sealed where they stand.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from insurers.lists.byte_columns import put
from insurers.lists.contacts import NOTHING, SEALED_MORE, ContactSealer
from insurers.lists.fingerprints import FINGERPRINT_BYTES, Addresses

COPY_COLUMNS = (
    "list_id, key_version, contact_flags, ordinal, name_tag, fingerprint,"
    " email_fingerprint, phone_fingerprint, contact"
)
COPY_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
COLUMNS = COPY_COLUMNS.count(",") + 1


def field(name: str, kind: str) -> list[tuple[str, str]]:
    """Return a field of COPY, as the parts of a numpy type: its length comes first."""
    return [(f"length of {name}", ">i4"), (name, kind)]


def blank(*parts: tuple[str, str]) -> NDArray[Any]:
    """Return a value of that type in which the lengths of its fields are filled in."""
    kind = np.dtype(list(parts))
    value = np.zeros((), kind)
    for name in kind.names or ():
        if f"length of {name}" in (kind.names or ()):
            value[f"length of {name}"] = kind[name].itemsize
    return value


_START = blank(
    ("fields", ">i2"),
    *field("list_id", ">i4"),
    *field("key_version", ">i2"),
    *field("contact_flags", ">i2"),
    *field("ordinal", ">i4"),
    *field("name_tag", ">u4"),
    *field("fingerprint", "V16"),
)
_ADDRESS = blank(*field("fingerprint", "V16"))
_NULL = np.array([-1], ">i4")


@dataclass(frozen=True)
class MemberColumns:
    """Members by column."""

    ordinals: NDArray[np.int32]
    flags: NDArray[np.uint8]
    tags: NDArray[np.uint32]
    fingerprints: bytes  # 16 each
    emails: Addresses
    phones: Addresses


class Rows(NamedTuple):
    """Rows in the order of COPY_COLUMNS, to stand between COPY_START and COPY_END."""

    content: NDArray[np.uint8]
    contacts: NDArray[np.int64]
    """The place of each contact that there is, which is still to be written."""


def lay_out(
    members: MemberColumns, sizes: NDArray[np.int64], *, list_id: int, key_version: int
) -> Rows:
    """Return the rows but for their contacts, of so many bytes each, 0 where there is none."""
    widths = _START.itemsize + 3 * _NULL.itemsize + sizes
    for addresses in (members.emails, members.phones):
        widths += addresses.given * FINGERPRINT_BYTES
    ends = np.cumsum(widths)
    content = np.empty(widths.sum(), np.uint8)
    places = ends - widths
    put(content, places, _starts(members, list_id, key_version))
    places += _START.itemsize
    for addresses in (members.emails, members.phones):
        places += _put_addresses(content, places, addresses)
    put(content, places, np.where(sizes, sizes, -1).astype(_NULL.dtype))
    return Rows(content, (ends - sizes)[sizes > 0])


def sealed_rows(
    members: MemberColumns,
    contacts: pl.Series,
    sealer: ContactSealer,
    *,
    list_id: int,
    key_version: int,
) -> memoryview:
    """Return rows whose contacts, as `encode_column` returns them, are sealed in their places."""
    sizes = contacts.bin.size().to_numpy().astype(np.int64)
    is_given = sizes > len(NOTHING)
    sizes = is_given * (sizes + SEALED_MORE)
    rows = lay_out(members, sizes, list_id=list_id, key_version=key_version)
    sealer.seal_into(
        rows.content, rows.contacts, members.ordinals[is_given], contacts.filter(is_given)
    )
    return rows.content.data


def rows_with(
    contacts: bytes,
    sizes: NDArray[np.int64],
    members: MemberColumns,
    *,
    list_id: int,
    key_version: int,
) -> memoryview:
    """Return rows with contacts that are sealed already, one after the other, of these sizes."""
    rows = lay_out(members, sizes, list_id=list_id, key_version=key_version)
    given = sizes[sizes > 0]
    into, ends = rows.content.data, np.cumsum(given)
    places = zip(rows.contacts.tolist(), (ends - given).tolist(), given.tolist(), strict=True)
    for place, start, size in places:
        into[place : place + size] = contacts[start : start + size]
    return into


def _starts(members: MemberColumns, list_id: int, key_version: int) -> NDArray[Any]:
    starts = np.full(len(members.ordinals), _START)
    starts["fields"] = COLUMNS
    starts["list_id"] = list_id
    starts["key_version"] = key_version
    starts["contact_flags"] = members.flags
    starts["ordinal"] = members.ordinals
    starts["name_tag"] = members.tags
    starts["fingerprint"] = np.frombuffer(members.fingerprints, "V16")
    return starts


def _put_addresses(
    rows: NDArray[np.uint8], places: NDArray[np.int64], addresses: Addresses
) -> NDArray[np.int64]:
    """Write them, NULL where there is none, and return the bytes that each row takes."""
    values = np.full(addresses.given.sum(), _ADDRESS)
    values["fingerprint"] = np.frombuffer(addresses.fingerprints, "V16")
    put(rows, places[addresses.given], values)
    put(rows, places[~addresses.given], _NULL)
    return np.where(addresses.given, _ADDRESS.itemsize, _NULL.itemsize)
