"""References: the check catches every single error and every swap; typing is forgiven the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.references import (
    ALPHABET,
    Form,
    check_symbol,
    derive,
    fingerprint,
    parse,
    places_of_references,
)

SPREAD = 10_000


def symbols_of(reference: str) -> str:
    return reference.replace("-", "")


def is_valid(symbols: str) -> bool:
    return check_symbol(symbols[:-1]) == symbols[-1]


def test_a_reference_has_twelve_symbols_and_a_check() -> None:
    reference = derive(1)
    assert [len(group) for group in reference.split("-")] == [4, 4, 4, 1]
    assert is_valid(symbols_of(reference))


def test_references_of_different_notifications_differ() -> None:
    assert len({derive(number) for number in range(SPREAD)}) == SPREAD


def test_any_single_wrong_symbol_is_caught() -> None:
    """At every place of ten thousand references; over them, by each of the 31 wrong symbols."""
    for number in range(SPREAD):
        symbols = symbols_of(derive(number))
        for place, right in enumerate(symbols):
            wrong = ALPHABET[(ALPHABET.index(right) + 1 + number % 31) % 32]
            assert not is_valid(symbols[:place] + wrong + symbols[place + 1 :])


def test_any_swap_of_neighbours_is_caught() -> None:
    for number in range(SPREAD):
        symbols = symbols_of(derive(number))
        for place in range(len(symbols) - 1):
            left, right = symbols[place], symbols[place + 1]
            swapped = symbols[:place] + right + left + symbols[place + 2 :]
            assert left == right or not is_valid(swapped)


def test_the_check_is_linear_so_that_these_samples_stand_for_all() -> None:
    """Check(a) + check(b) = check(a + b): what one wrong symbol changes depends on nothing else."""
    for number in range(200):
        first, second = (symbols_of(derive(number + step))[:-1] for step in (0, 1000))
        added = "".join(
            ALPHABET[ALPHABET.index(a) ^ ALPHABET.index(b)]
            for a, b in zip(first, second, strict=True)
        )
        sum_of_checks = ALPHABET.index(check_symbol(first)) ^ ALPHABET.index(check_symbol(second))
        assert check_symbol(added) == ALPHABET[sum_of_checks]


def test_only_a_fingerprint_is_stored() -> None:
    reference = derive(7)
    assert len(fingerprint(reference)) == 16
    assert symbols_of(reference).encode() not in fingerprint(reference)


BETWEEN = st.sampled_from(["", "-", " ", "\u00a0", "\u2011", "–", " - ", ".", "_", "\u200b"])
MISREAD = {"0": "0Oo", "1": "1IiLl"}


@given(
    number=st.integers(0, 10**9),
    between=st.lists(BETWEEN, min_size=14, max_size=14),
    data=st.data(),
)
def test_case_separators_and_look_alikes_are_forgiven(
    number: int, between: list[str], data: st.DataObject
) -> None:
    reference = derive(number)
    typed = between[13]
    for place, symbol in enumerate(symbols_of(reference)):
        written = data.draw(st.sampled_from(MISREAD.get(symbol, symbol + symbol.lower())))
        typed += written + between[place]
    read = parse(typed)
    assert (read.form, read.reference) == (Form.WELL_FORMED, reference)


@given(text=st.text(max_size=60))
def test_whatever_is_typed_is_read_without_a_fault(text: str) -> None:
    read = parse(text)
    assert (read.form == Form.WELL_FORMED) == bool(read.reference)


@given(number=st.integers(0, 10**9), place=st.integers(0, 12), step=st.integers(1, 31))
def test_a_wrong_symbol_is_told_apart(number: int, place: int, step: int) -> None:
    symbols = symbols_of(derive(number))
    wrong = ALPHABET[(ALPHABET.index(symbols[place]) + step) % 32]
    assert parse(symbols[:place] + wrong + symbols[place + 1 :]).form == Form.MISTYPED


def test_a_symbol_that_no_reference_has_is_a_slip() -> None:
    assert parse("UUUU-UUUU-UUUU-U").form == Form.MISTYPED


@pytest.mark.parametrize(
    "sentence",
    [
        "Code {}",
        "Code de référence : {}.",
        "code de reference {}\n",
        "({})",
        "mon code:{}",
        "{} merci",
        "Mutuelle du Phare, le 12 mars 2026. Votre code est {} et vous pouvez le vérifier.",
        "ABCD EFGH IJKL M {}",
    ],
)
def test_a_reference_is_found_in_the_words_copied_with_it(sentence: str) -> None:
    reference = derive(3)
    for symbols in (symbols_of(reference), symbols_of(reference).lower()):
        for written in (symbols, f"{symbols[:6]} {symbols[6:]}", " ".join(symbols)):
            assert parse(sentence.format(written)).reference == reference
    assert parse(sentence.format(reference)).reference == reference


LETTERS = "BCDFGHJKMNPX" + check_symbol("BCDFGHJKMNPX")
"""What one reference in 130 is: without a digit."""


@pytest.mark.parametrize("sentence", ["code {}", "Votre code est {} et vous pouvez le vérifier."])
def test_a_reference_without_a_digit_is_found_among_words(sentence: str) -> None:
    grouped = f"{LETTERS[:4]}-{LETTERS[4:8]}-{LETTERS[8:12]}-{LETTERS[12]}"
    for written in (LETTERS, LETTERS.lower(), grouped, grouped.lower(), " ".join(LETTERS)):
        assert parse(sentence.format(written)).reference == grouped


def test_one_that_is_mistyped_is_told_apart_in_a_sentence() -> None:
    symbols = symbols_of(derive(3))
    wrong = symbols[:-1] + ("0" if symbols[-1] != "0" else "1")
    assert parse(f"mon code est {wrong}, merci").form == Form.MISTYPED


WORDS = "Votre organisme a subi une violation de données, appelez le zéro huit sans attendre demain"


@given(words=st.lists(st.sampled_from(WORDS.split()), min_size=3, max_size=12))
def test_ordinary_words_are_no_reference(words: list[str]) -> None:
    """Though one in 32 rows of 13 letters has a check that agrees."""
    assert not list(places_of_references(" ".join(words), may_touch=True))


def test_a_telephone_number_among_words_is_no_reference() -> None:
    for last in range(10_000):
        text = f"tel 06 39 98 {last // 100:02} {last % 100:02} ou 063998{last:04}, avant demain"
        assert not list(places_of_references(text, may_touch=True))


@pytest.mark.parametrize("text", ["", " ", "bonjour", "BP7K-3F9M", "1" * 12, "1" * 14, ALPHABET])
def test_what_has_not_its_length_is_no_reference(text: str) -> None:
    assert parse(text).form == Form.NOT_A_REFERENCE


def test_nothing_that_prints_a_reading_shows_the_reference() -> None:
    assert derive(5)[:4] not in repr(parse(derive(5)))
