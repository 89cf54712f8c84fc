"""What stands for a member: same person, same bytes; anything else, other bytes."""

import hmac
from collections.abc import Sequence
from uuid import UUID

import polars as pl
import pytest

from insurers.lists.fingerprints import NO_NAME, AddressFingerprints, MemberFingerprints

PHARE, DUNE = UUID(int=1), UUID(int=2)
KEY, OTHER_KEY = bytes(32), bytes([1]) * 32
LISE = ("A123", "1980-12-31", "")


def of(*parts: str, key: bytes = KEY, insurer: UUID = PHARE) -> bytes:
    return MemberFingerprints(keys=[key], insurer_id=insurer).member(*parts)


def code(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key.hex().encode(), message, "sha256")[:16]


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
    assert of("A123", "1980-12-31", "2") == code(KEY, message)


def tag(
    first_name: str,
    last_name: str = "Le Goff",
    number: str = "A123",
    keys: Sequence[bytes] = (KEY,),
) -> int:
    prints = MemberFingerprints(keys=keys, insurer_id=PHARE)
    codes = prints.codes(*map(column, (number, "1980-12-31", "")))
    (found,) = prints.name_tags(codes, column(first_name), column(last_name))
    return int(found)


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
    prints = MemberFingerprints(keys=[KEY], insurer_id=PHARE)
    (code_of_anne,) = prints.name_tags(bytes(20), column("Anne"), column(""))
    codes = bytes(16) + int(code_of_anne).to_bytes(4) + bytes(19) + b"\1"
    tags = prints.name_tags(codes, pl.Series(["Anne", "Anne"]), pl.Series(["", ""]))
    assert tags.tolist() == [1 << 24, code_of_anne ^ 1]


def test_names_are_tagged_alike_whether_many_are_different_or_few() -> None:
    prints = MemberFingerprints(keys=[KEY], insurer_id=PHARE)
    few = pl.Series(["Anne", "Zoé", "", "!"] * 10)
    tags = prints.name_tags(bytes(20 * len(few)), few, few.reverse())
    one_by_one = [
        prints.name_tags(bytes(20), few[at : at + 1], few.reverse()[at : at + 1]).item()
        for at in range(len(few))
    ]
    assert tags.tolist() == one_by_one


def test_columns_of_nobody_are_empty() -> None:
    prints, nobody = (
        MemberFingerprints(keys=[KEY], insurer_id=PHARE),
        pl.Series([], dtype=pl.String),
    )
    assert prints.codes(nobody, nobody, nobody) == b""
    assert prints.name_tags(b"", nobody, nobody).tolist() == []
    assert AddressFingerprints(key=KEY).emails(nobody).fingerprints == b""


def test_an_address_is_never_a_phone_and_an_absent_one_nothing() -> None:
    here, elsewhere = AddressFingerprints(key=KEY), AddressFingerprints(key=OTHER_KEY)
    number = pl.Series(["+33639980001", ""])
    found = [here.emails(number), here.phones(number), elsewhere.phones(number)]
    assert [addresses.given.tolist() for addresses in found] == [[True, False]] * 3
    assert len({addresses.fingerprints for addresses in found}) == 3
    assert [len(addresses.fingerprints) for addresses in found] == [16, 16, 16]


def test_an_address_is_the_hmac_under_a_key_of_its_kind() -> None:
    of_emails = hmac.digest(KEY.hex().encode(), b"email", "sha256")
    addresses = pl.Series(["", "lise@example.fr", "", "zoé@example.fr"])
    found = AddressFingerprints(key=KEY).emails(addresses)
    assert found.given.tolist() == [False, True, False, True]
    assert found.fingerprints == b"".join(
        code(of_emails, address.encode()) for address in addresses if address
    )


def test_a_later_version_is_the_hmac_of_the_one_before() -> None:
    keys = [KEY, OTHER_KEY, bytes([2]) * 32]
    fingerprints = MemberFingerprints(keys=keys, insurer_id=PHARE)
    second = code(keys[1], of(*LISE))
    third = code(keys[2], second)
    assert fingerprints.all_versions([LISE]) == [of(*LISE), second, third]
    assert fingerprints.wrap(of(*LISE)) == fingerprints.wrap(second, version=2) == third
    assert fingerprints.version == 3


def test_a_name_tag_is_the_same_under_every_version() -> None:
    assert tag("Anne", keys=[KEY, OTHER_KEY]) == tag("Anne")
