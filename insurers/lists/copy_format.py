"""Members as PostgreSQL's COPY takes them fastest: binary rows, laid out by column.

Each row: the number of fields (16 bits), then each field after its length in bytes (32 bits);
a length of -1 says NULL (PostgreSQL manual, COPY, Binary Format).
"""

import struct
from dataclasses import dataclass

import polars as pl
import polars_hash

from insurers.lists.byte_columns import series
from insurers.lists.fingerprints import FINGERPRINT_BYTES

COPY_COLUMNS = (
    "list_id, key_version, contact_flags, ordinal, name_tag, fingerprint,"
    " email_fingerprint, phone_fingerprint, contact"
)
COPY_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"

# The number of fields, those that are alike in many rows, and the length of the next.
_START = struct.Struct(">h ii ih ih i")
_LENGTH = struct.Struct(">i")
_NULL, _FOUR, _UUID = (_LENGTH.pack(length) for length in (-1, 4, FINGERPRINT_BYTES))
_BEFORE_ADDRESS = pl.Series([_NULL, _UUID])


@dataclass(frozen=True)
class MemberColumns:
    """Members by column: b"" where there is nothing."""

    ordinals: pl.Series  # 32 bits
    flags: pl.Series  # 8 bits
    tags: pl.Series  # 32 bits
    fingerprints: bytes  # 16 bytes each
    emails: pl.Series  # 16 bytes or none
    phones: pl.Series  # 16 bytes or none
    contacts: list[bytes]  # sealed, without the number below
    contact_number: bytes  # what stands before each sealed contact


def copy_rows(columns: MemberColumns, *, list_id: int, key_version: int) -> bytes:
    """Return the rows in the order of COPY_COLUMNS, to stand between COPY_START and COPY_END."""
    contacts = pl.Series(columns.contacts, dtype=pl.Binary)
    frame = pl.DataFrame(
        {
            "start": _starts(columns.flags, list_id, key_version),
            "ordinal": columns.ordinals,
            "tag": columns.tags,
            "fingerprint": series(columns.fingerprints, FINGERPRINT_BYTES),
            "before_email": _before_addresses(columns.emails),
            "email": columns.emails,
            "before_phone": _before_addresses(columns.phones),
            "phone": columns.phones,
            "before_contact": _before_contacts(contacts, columns.contact_number),
            "contact": contacts,
        }
    )
    return b"".join(frame.select(_ROW).to_series().to_list())


def _row() -> pl.Expr:
    # Short sums first: each is copied into the next.
    ordinal, tag = (polars_hash.col(name).bytes.to_be() for name in ("ordinal", "tag"))
    numbers = ordinal + pl.lit(_FOUR) + tag + pl.lit(_UUID)
    addresses = _sum("before_email", "email", "before_phone", "phone", "before_contact")
    return (pl.col("start") + (numbers + pl.col("fingerprint"))) + addresses + pl.col("contact")


def _sum(first: str, *others: str) -> pl.Expr:
    return sum((pl.col(name) for name in others), pl.col(first))


_ROW = _row()


def _starts(flags: pl.Series, list_id: int, key_version: int) -> pl.Series:
    of_flags = [_START.pack(9, 4, list_id, 2, key_version, 2, flag, 4) for flag in range(256)]
    return pl.Series(of_flags).gather(flags)


def _before_addresses(fingerprints: pl.Series) -> pl.Series:
    return _BEFORE_ADDRESS.gather((fingerprints.bin.size() > 0).cast(pl.UInt32))


def _before_contacts(contacts: pl.Series, number: bytes) -> pl.Series:
    sizes = contacts.bin.size()
    longest = int(sizes.max() or 0)  # type: ignore[arg-type]
    lengths = [_LENGTH.pack(len(number) + size) + number for size in range(1, longest + 1)]
    return pl.Series([_NULL, *lengths]).gather(sizes)
