"""Contacts: small, sealed to their row of their list, silent when printed."""

import numpy as np
import polars as pl
import pytest

from insurers.lists.contacts import (
    SEALED_MORE,
    Contact,
    ContactOpener,
    ContactSealer,
    decode,
    encode,
    encode_column,
)
from insurers.lists.sealing import DamagedError

LISE = Contact("Lise", "Marin", "lise@example.fr", "+33639980001", "fr")
KEY = bytes(range(32))


def test_a_contact_comes_back_as_it_was() -> None:
    assert decode(encode(LISE)) == LISE
    assert decode(encode(Contact())) == Contact()


def test_a_member_without_contact_has_an_empty_one() -> None:
    assert ContactOpener(KEY).open(2, None) == Contact()


@pytest.mark.parametrize(("key", "ordinal"), [(KEY, 3), (bytes(32), 2)])
def test_a_sealed_contact_opens_in_its_place_only(key: bytes, ordinal: int) -> None:
    sealed = ContactSealer(KEY, attempt=1).seal(2, encode(LISE))
    assert ContactOpener(KEY).open(2, sealed) == LISE
    with pytest.raises(DamagedError):
        ContactOpener(key).open(ordinal, sealed)


def test_a_block_that_is_read_again_uses_no_nonce_twice() -> None:
    first, second = (ContactSealer(KEY, attempt=n).seal(2, encode(LISE)) for n in (1, 2))
    assert first[1:] != second[1:]
    assert ContactOpener(KEY).open(2, first) == ContactOpener(KEY).open(2, second) == LISE


def test_contacts_sealed_by_column_open_each_in_its_place() -> None:
    sealer = ContactSealer(KEY, attempt=3)
    contents = pl.Series([encode(LISE), encode(LISE)])
    size = len(encode(LISE)) + SEALED_MORE
    rows = np.zeros(2 * size + 1, np.uint8)
    places, ordinals = np.array([0, size + 1]), np.array([2, 70_000], np.int32)
    sealer.seal_into(rows, places, ordinals, contents)
    first, second = (sealer.seal(ordinal, encode(LISE)) for ordinal in (2, 70_000))
    assert rows.tobytes() == first + b"\0" + second


def test_contacts_given_by_column_are_encoded_like_one() -> None:
    *columns, addresses = (pl.Series([value, ""]) for value in LISE)
    assert encode_column(*columns, addresses=addresses).to_list() == [
        encode(LISE),
        encode(Contact()),
    ]


def test_a_printed_contact_says_nothing() -> None:
    assert "Lise" not in f"{LISE} {LISE!r} {[LISE]}"
