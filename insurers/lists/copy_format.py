"""Members as PostgreSQL's COPY takes them fastest: binary rows, laid out by column.

Each row: the number of fields (16 bits), then each field after its length in bytes (32 bits);
a length of -1 says NULL (PostgreSQL manual, COPY, Binary Format).
"""

import struct
from dataclasses import dataclass

from insurers.lists.byte_columns import put, split
from insurers.lists.fingerprints import FINGERPRINT_BYTES, TAG_BYTES

COPY_COLUMNS = (
    "list_id, ordinal, key_version, contact_flags, name_tag, fingerprint,"
    " email_fingerprint, phone_fingerprint, contact"
)
COPY_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"

# The fields that every row has, with their lengths before them.
_FIXED = struct.Struct(">h ii ii ih ih ii i16s")
_AT_ORDINAL, _AT_FLAGS, _AT_TAG, _AT_FINGERPRINT = 14, 28, 34, 42
_LENGTH = struct.Struct(">i")
_NULL = _LENGTH.pack(-1)
_UUID_LENGTH = _LENGTH.pack(FINGERPRINT_BYTES)
_PIECES = 7


@dataclass(frozen=True)
class MemberColumns:
    """Members by column: fixed widths as bytes, the others as lists with b"" for nothing."""

    ordinals: bytes  # 4 bytes each
    flags: dict[int, int]  # by place, where there are any
    tags: bytes  # 4 bytes each
    fingerprints: bytes  # 16 bytes each
    emails: list[bytes]  # 16 bytes or none
    phones: list[bytes]  # 16 bytes or none
    contacts: list[bytes]  # sealed, without the number below
    contact_number: bytes  # what stands before each sealed contact


def copy_rows(columns: MemberColumns, *, list_id: int, key_version: int) -> bytes:
    """Return the rows in the order of COPY_COLUMNS, to stand between COPY_START and COPY_END."""
    count = len(columns.emails)
    row = _FIXED.pack(9, 4, list_id, 4, 0, 2, key_version, 2, 0, 4, 0, FINGERPRINT_BYTES, b"")
    fixed = bytearray(row) * count
    width = _FIXED.size
    put(fixed, columns.ordinals, width=width, at=_AT_ORDINAL, size=4)
    put(fixed, columns.tags, width=width, at=_AT_TAG, size=TAG_BYTES)
    put(fixed, columns.fingerprints, width=width, at=_AT_FINGERPRINT, size=FINGERPRINT_BYTES)
    for place, flag in columns.flags.items():
        fixed[place * width + _AT_FLAGS + 1] = flag
    number = columns.contact_number
    longest = max(map(len, columns.contacts), default=0)
    before_contact = [_NULL] + [
        _LENGTH.pack(size + len(number)) + number for size in range(1, longest + 1)
    ]
    pieces = [b""] * (_PIECES * count)
    pieces[0::_PIECES] = split(fixed, width)
    pieces[1::_PIECES] = [_UUID_LENGTH if email else _NULL for email in columns.emails]
    pieces[2::_PIECES] = columns.emails
    pieces[3::_PIECES] = [_UUID_LENGTH if phone else _NULL for phone in columns.phones]
    pieces[4::_PIECES] = columns.phones
    pieces[5::_PIECES] = [before_contact[len(contact)] for contact in columns.contacts]
    pieces[6::_PIECES] = columns.contacts
    return b"".join(pieces)
