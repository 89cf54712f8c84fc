"""Contacts: small, sealed to their row of their list, silent when printed."""

import pytest

from insurers.lists.contacts import Contact, ContactOpener, decode, encode
from insurers.lists.sealing import DamagedError, ListSealer

LISE = Contact("Lise", "Marin", "lise@example.fr", "+33639980001", "fr")
KEY = bytes(range(32))


def test_a_contact_comes_back_as_it_was() -> None:
    assert decode(encode(LISE)) == LISE
    assert decode(encode(Contact())) == Contact()


def test_a_member_without_contact_has_an_empty_one() -> None:
    assert ContactOpener(ListSealer(key=KEY, list_id=7)).open(2, None) == Contact()


@pytest.mark.parametrize(("list_id", "ordinal"), [(7, 3), (8, 2)])
def test_a_sealed_contact_opens_in_its_place_only(list_id: int, ordinal: int) -> None:
    sealed = ListSealer(key=KEY, list_id=7).seal(2, encode(LISE))
    assert ContactOpener(ListSealer(key=KEY, list_id=7)).open(2, sealed) == LISE
    with pytest.raises(DamagedError):
        ContactOpener(ListSealer(key=KEY, list_id=list_id)).open(ordinal, sealed)


def test_a_printed_contact_says_nothing() -> None:
    assert "Lise" not in f"{LISE} {LISE!r} {[LISE]}"
