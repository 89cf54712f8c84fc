"""Parts of an SMS, against texts whose number of parts is known."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.segments import JOINED, Coding, encode, forcing_ucs2, plain, segment
from notifications.senders.names import check_sender_name

KNOWN = [
    ("", Coding.GSM7, 1),
    ("a" * 160, Coding.GSM7, 1),
    ("a" * 161, Coding.GSM7, 2),
    ("a" * 306, Coding.GSM7, 2),
    ("a" * 307, Coding.GSM7, 3),
    ("a" * 459, Coding.GSM7, 3),
    ("a" * 460, Coding.GSM7, 4),
    ("àéèùìòÇÉäöñüÄÖÑÜå§¿¡£¥'" * 6, Coding.GSM7, 1),
    ("€" * 80, Coding.GSM7, 1),
    ("€" * 81, Coding.GSM7, 2),
    ("a" + "€" * 80, Coding.GSM7, 2),  # 161 septets
    ("a" * 152 + "€" + "a" * 152, Coding.GSM7, 3),  # 306 septets, but € is not cut in two
    ("a" * 151 + "€" + "a" * 153, Coding.GSM7, 2),
    ("[]{}\\~^|\f" * 8, Coding.GSM7, 1),
    ("ç" + "a" * 69, Coding.UCS2, 1),
    ("ç" + "a" * 70, Coding.UCS2, 2),
    ("’" * 134, Coding.UCS2, 2),
    ("’" * 135, Coding.UCS2, 3),
    ("ê" * 201, Coding.UCS2, 3),
    ("ê" * 202, Coding.UCS2, 4),
    ("😀" * 35, Coding.UCS2, 1),
    ("😀" * 36, Coding.UCS2, 2),
    ("😀" * 67, Coding.UCS2, 3),  # 134 units, but 33 pairs a part
    ("a" * 66 + "😀" + "a" * 66, Coding.UCS2, 3),
]


@pytest.mark.parametrize(("text", "coding", "parts"), KNOWN)
def test_the_number_of_parts_is_known(text: str, coding: Coding, parts: int) -> None:
    found = segment(text)
    assert (found.coding, len(found.parts)) == (coding, parts)


@pytest.mark.parametrize("symbol", "çêôîûâëïœÀÊ’«»…\u00a0\u202f`–")
def test_a_character_outside_the_table_is_named(symbol: str) -> None:
    assert forcing_ucs2(f"Bonjour{symbol} et{symbol} merci") == [symbol]


@pytest.mark.parametrize("symbol", "àéèùìòÇÉäöñüÄÖÑÜ'€@_")
def test_a_character_of_the_table_forces_nothing(symbol: str) -> None:
    assert forcing_ucs2(symbol) == []


def test_the_plain_variant_changes_only_what_forces_ucs2() -> None:
    written = "L’assurée reçoit « dès août » un cœur à 10 € ; vous-même… Noël ÉTÉ"
    expected = 'L\'assurée recoit " dès aout " un coeur à 10 € ; vous-meme... Noel ÉTÉ'
    assert plain(written) == expected
    assert segment(plain(written)).coding == Coding.GSM7


def test_a_decomposed_accent_is_composed_before_it_is_judged() -> None:
    assert plain("de\u0301ja\u0300") == "déjà"


def test_what_has_no_plain_form_stays() -> None:
    assert plain("Привет 😀") == "Привет 😀"


def test_septets_are_those_of_the_standard() -> None:
    assert encode("@é€Ç§à", Coding.GSM7) == b"\x00\x05\x1b\x65\x09\x5f\x7f"


TEXTS = st.text(alphabet=st.sampled_from("aé€[’😀ç\n"), max_size=500)


@given(TEXTS)
def test_parts_joined_are_the_text_and_none_is_too_long(text: str) -> None:
    found = segment(text)
    assert "".join(found.parts) == text
    size = 1 if found.coding == Coding.GSM7 else 2
    if len(found.parts) > 1:
        assert all(len(part) <= JOINED[found.coding] * size for part in found.encoded())
        assert all(found.parts)


@pytest.mark.parametrize("name", ["MutPhare", "A", "Mutuelle123", "36PHARE"])
def test_a_sender_name_of_letters_and_digits_is_taken(name: str) -> None:
    check_sender_name(name)


@pytest.mark.parametrize(
    "name", ["", "MutuelleduPhare", "Mut Phare", "Mutuelle-Ph", "36111", "Préfet", "Phare\n", "٣a"]
)
def test_another_sender_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        check_sender_name(name)
