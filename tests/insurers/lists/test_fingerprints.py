"""What stands for a member: same person, same bytes; anything else, other bytes."""

import hmac
from collections.abc import Sequence
from uuid import UUID

import polars as pl
import pytest

from insurers.lists.fingerprints import (
    NO_NAME,
    AddressFingerprints,
    MemberFingerprints,
    _never_none,
)

PHARE, DUNE = UUID(int=1), UUID(int=2)
KEY, OTHER_KEY = bytes(32), bytes([1]) * 32
LISE = ("A123", "1980-12-31", "")


def of(*parts: str, key: bytes = KEY, insurer: UUID = PHARE) -> bytes:
    return MemberFingerprints(keys=[key], insurer_id=insurer).member(*parts)


def test_a_member_has_128_bits_that_depend_on_nothing_else() -> None:
    assert of(*LISE) == of(*LISE)
    assert len(of(*LISE)) == 16


@pytest.mark.parametrize(
    "other",
    [
        ("A124", "1980-12-31", ""),
        ("A123", "1980-12-30", ""),
        ("A123", "1980-12-31", "1"),
        ("A1231", "980-12-31", ""),
    ],
)
def test_another_member_has_another_fingerprint(other: tuple[str, str, str]) -> None:
    assert of(*other) != of(*LISE)


def test_insurers_and_breaches_cannot_be_compared() -> None:
    assert len({of(*LISE), of(*LISE, insurer=DUNE), of(*LISE, key=OTHER_KEY)}) == 3


def test_the_fingerprint_is_the_hmac_of_its_parts() -> None:
    parts = (b"member-number+birth-date", PHARE.bytes, b"A123", b"1980-12-31", b"2")
    message = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    assert of("A123", "1980-12-31", "2") == hmac.digest(KEY, message, "sha256")[:16]


def tag(
    first_name: str,
    last_name: str = "Le Goff",
    number: str = "A123",
    keys: Sequence[bytes] = (KEY,),
) -> bytes:
    prints = MemberFingerprints(keys=keys, insurer_id=PHARE)
    codes = prints.codes(*map(column, (number, "1980-12-31", "")))
    return prints.name_tags(codes, column(first_name), column(last_name))


def column(value: str) -> pl.Series:
    return pl.Series([value], dtype=pl.String)


def test_names_tell_twins_apart() -> None:
    assert len({tag("Anne"), tag("Zoé"), tag("Anne", "Martin"), tag("Le Goff", "Anne")}) == 4


def test_spellings_of_a_name_have_one_tag() -> None:
    assert tag("Zoé", "Le Goff") == tag("ZOE", "LE-GOFF")


def test_no_name_is_no_tag() -> None:
    assert tag("", "") == NO_NAME
    assert NO_NAME not in (tag("Anne", ""), tag("", "Le Goff"))


def test_equal_names_of_two_members_cannot_be_seen() -> None:
    assert tag("Anne") != tag("Anne", number="A124")


def test_a_tag_that_would_say_no_name_is_changed() -> None:
    assert _never_none(bytes(4) + b"abcd") == b"\1\0\0\0abcd"


def test_an_address_is_never_a_phone_and_an_absent_one_nothing() -> None:
    here, elsewhere = AddressFingerprints(key=KEY), AddressFingerprints(key=OTHER_KEY)
    number = [b"+33639980001", b""]
    assert here.emails(number) != here.phones(number) != elsewhere.phones(number)
    assert here.emails(number)[1] == b""


def test_a_later_version_is_the_hmac_of_the_one_before() -> None:
    keys = [KEY, OTHER_KEY, bytes([2]) * 32]
    fingerprints = MemberFingerprints(keys=keys, insurer_id=PHARE)
    second = hmac.digest(keys[1], of(*LISE), "sha256")[:16]
    third = hmac.digest(keys[2], second, "sha256")[:16]
    assert fingerprints.all_versions([LISE]) == [of(*LISE), second, third]
    assert fingerprints.wrap(of(*LISE)) == fingerprints.wrap(second, version=2) == third
    assert fingerprints.version == 3


def test_a_name_tag_is_the_same_under_every_version() -> None:
    assert tag("Anne", keys=[KEY, OTHER_KEY]) == tag("Anne")
