"""What stands for a member: same person, same bytes; anything else, other bytes."""

from uuid import UUID

import pytest

from insurers.lists.fingerprints import AddressFingerprints, MemberFingerprints

PHARE, DUNE = UUID(int=1), UUID(int=2)
KEY, OTHER_KEY = bytes(32), bytes([1]) * 32
LISE = ("A123", "1980-12-31", "")


def of(*parts: str, key: bytes = KEY, insurer: UUID = PHARE) -> bytes:
    return MemberFingerprints(key=key, insurer_id=insurer).member(*parts)


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


def test_names_tell_twins_apart() -> None:
    fingerprints = MemberFingerprints(key=KEY, insurer_id=PHARE)
    anne, zoe = (fingerprints.name_tag(of(*LISE), name) for name in ("anne", "zoe"))
    assert anne != zoe
    assert all(-(2**31) <= tag < 2**31 and tag != 0 for tag in (anne, zoe))


def test_no_name_is_no_tag() -> None:
    assert MemberFingerprints(key=KEY, insurer_id=PHARE).name_tag(of(*LISE), "") == 0


def test_equal_names_of_two_members_cannot_be_seen() -> None:
    fingerprints = MemberFingerprints(key=KEY, insurer_id=PHARE)
    other = of("A124", "1980-12-31", "")
    assert fingerprints.name_tag(of(*LISE), "anne") != fingerprints.name_tag(other, "anne")


def test_an_address_is_the_same_in_any_case_and_never_a_phone() -> None:
    fingerprints = AddressFingerprints(key=KEY)
    assert fingerprints.email("Lise@example.fr") == fingerprints.email("lise@example.fr")
    assert fingerprints.email("+33639980001") != fingerprints.phone("+33639980001")
    assert fingerprints.phone("+33639980001") != AddressFingerprints(key=OTHER_KEY).phone(
        "+33639980001"
    )
