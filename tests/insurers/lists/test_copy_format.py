"""Rows for COPY laid out by column are those that a loop over the members would write."""

import struct
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.contacts import Contact, ContactSealer, encode
from insurers.lists.copy_format import MemberColumns, rows_with, sealed_rows
from insurers.lists.fingerprints import Addresses

KEY = bytes(32)
LIST, VERSION = 2**31 - 1, 3

Fingerprint = st.binary(min_size=16, max_size=16)
MEMBERS = st.lists(
    st.tuples(
        st.integers(min_value=2, max_value=2**31 - 1),
        st.integers(min_value=0, max_value=127),
        st.integers(min_value=0, max_value=2**32 - 1),
        Fingerprint,
        st.none() | Fingerprint,
        st.none() | Fingerprint,
        st.builds(Contact, first_name=st.sampled_from(["", "Lise", "Zoé"])),
    ),
    max_size=6,
    unique_by=lambda member: member[0],
)


def written(*fields: bytes | None) -> bytes:
    sized = (struct.pack(">i", -1) if f is None else struct.pack(">i", len(f)) + f for f in fields)
    return struct.pack(">h", len(fields)) + b"".join(sized)


@given(members=MEMBERS)
def test_each_member_is_the_row_that_a_loop_would_write(members: list[tuple[Any, ...]]) -> None:
    sealer = ContactSealer(KEY, attempt=2)
    ordinals, flags, tags, fingerprints, emails, phones, contacts = (
        zip(*members, strict=True) if members else ((),) * 7
    )
    columns = MemberColumns(
        ordinals=np.array(ordinals, np.int32),
        flags=np.array(flags, np.uint8),
        tags=np.array(tags, np.uint32),
        fingerprints=b"".join(fingerprints),
        emails=addresses(emails),
        phones=addresses(phones),
    )
    contents = pl.Series([encode(contact) for contact in contacts], dtype=pl.Binary)
    place = {"list_id": LIST, "key_version": VERSION}
    sealed = [
        None if contact == Contact() else sealer.seal(ordinal, encode(contact))
        for ordinal, contact in zip(ordinals, contacts, strict=True)
    ]
    expected = b"".join(
        written(
            struct.pack(">i", LIST),
            struct.pack(">h", VERSION),
            struct.pack(">h", flag),
            struct.pack(">i", ordinal),
            struct.pack(">I", tag),
            fingerprint,
            email,
            phone,
            contact,
        )
        for (ordinal, flag, tag, fingerprint, email, phone, _contact), contact in zip(
            members, sealed, strict=True
        )
    )
    assert sealed_rows(columns, contents, sealer, **place) == expected
    sizes = np.array([len(contact or b"") for contact in sealed], np.int64)
    whole = b"".join(contact or b"" for contact in sealed)
    assert rows_with(whole, sizes, columns, **place) == expected


def addresses(values: tuple[bytes | None, ...]) -> Addresses:
    given = [value is not None for value in values]
    return Addresses(np.array(given, np.bool), b"".join(value or b"" for value in values))
