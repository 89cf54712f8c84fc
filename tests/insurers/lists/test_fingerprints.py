"""What stands for a member: same person, same bytes; anything else, other bytes."""

import hmac
from uuid import UUID

import pytest

from insurers.lists.fingerprints import AddressFingerprints, MemberFingerprints

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


def test_names_tell_twins_apart() -> None:
    fingerprints = MemberFingerprints(keys=[KEY], insurer_id=PHARE)
    anne, zoe = (fingerprints.name_tag(of(*LISE), name) for name in ("anne", "zoe"))
    assert anne != zoe
    assert all(-(2**31) <= tag < 2**31 and tag != 0 for tag in (anne, zoe))


def test_no_name_is_no_tag() -> None:
    assert MemberFingerprints(keys=[KEY], insurer_id=PHARE).name_tag(of(*LISE), "") == 0


def test_equal_names_of_two_members_cannot_be_seen() -> None:
    fingerprints = MemberFingerprints(keys=[KEY], insurer_id=PHARE)
    other = of("A124", "1980-12-31", "")
    assert fingerprints.name_tag(of(*LISE), "anne") != fingerprints.name_tag(other, "anne")


def hmac_of(key: bytes, *parts: bytes) -> bytes:
    """What RFC 2104 says, by the standard library."""
    message = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    return hmac.digest(key, message, "sha256")[:16]


def test_a_fingerprint_is_the_hmac_that_the_design_says() -> None:
    parts = (b"member-number+birth-date", PHARE.bytes, b"A123", b"1980-12-31")
    assert of(*LISE) == hmac_of(KEY, *parts)
    assert of("A123", "1980-12-31", "2") == hmac_of(KEY, *parts, b"2")


def test_a_later_version_is_the_hmac_of_the_one_before() -> None:
    keys = [KEY, OTHER_KEY, bytes([2]) * 32]
    fingerprints = MemberFingerprints(keys=keys, insurer_id=PHARE)
    second = hmac.digest(keys[1], of(*LISE), "sha256")[:16]
    third = hmac.digest(keys[2], second, "sha256")[:16]
    assert fingerprints.all_versions(*LISE) == [of(*LISE), second, third]
    assert fingerprints.member(*LISE) == fingerprints.wrap(second, version=2) == third
    assert fingerprints.version == 3


def test_a_name_tag_is_the_same_under_every_version() -> None:
    old = MemberFingerprints(keys=[KEY], insurer_id=PHARE)
    new = MemberFingerprints(keys=[KEY, OTHER_KEY], insurer_id=PHARE)
    assert old.name_tag(old.first(*LISE), "anne") == new.name_tag(new.first(*LISE), "anne")


def test_a_hot_loop_that_copies_the_states_finds_the_same() -> None:
    fingerprints = MemberFingerprints(keys=[KEY, OTHER_KEY], insurer_id=PHARE)
    (inner, outer), (wrap,) = fingerprints.states()
    inner, outer = inner.copy(), outer.copy()
    inner.update(b"\x00\x04A123\x00\x0a1980-12-31")
    outer.update(inner.digest())
    assert wrap.of(outer.digest()[:16]) == fingerprints.member(*LISE)


def test_an_address_is_the_same_in_any_case_and_never_a_phone() -> None:
    fingerprints = AddressFingerprints(key=KEY)
    assert fingerprints.email("Lise@example.fr") == fingerprints.email("lise@example.fr")
    assert fingerprints.email("+33639980001") != fingerprints.phone("+33639980001")
    assert fingerprints.phone("+33639980001") != AddressFingerprints(key=OTHER_KEY).phone(
        "+33639980001"
    )
