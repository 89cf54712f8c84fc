"""The check symbol catches every single error and every swap of neighbours."""

from notifications.references import ALPHABET, check_symbol, derive, fingerprint


def symbols_of(reference: str) -> str:
    return reference.replace("-", "")


def is_valid(symbols: str) -> bool:
    return check_symbol(symbols[:-1]) == symbols[-1]


def test_a_reference_has_twelve_symbols_and_a_check() -> None:
    reference = derive(1)
    assert [len(group) for group in reference.split("-")] == [4, 4, 4, 1]
    assert is_valid(symbols_of(reference))


def test_references_of_different_notifications_differ() -> None:
    assert len({derive(number) for number in range(2000)}) == 2000


def test_any_single_wrong_symbol_is_caught() -> None:
    for number in range(200):
        symbols = symbols_of(derive(number))
        for place, right in enumerate(symbols):
            wrong = ALPHABET[(ALPHABET.index(right) + 1 + number % 31) % 32]
            assert not is_valid(symbols[:place] + wrong + symbols[place + 1 :])


def test_any_swap_of_neighbours_is_caught() -> None:
    for number in range(200):
        symbols = symbols_of(derive(number))
        for place in range(len(symbols) - 1):
            left, right = symbols[place], symbols[place + 1]
            swapped = symbols[:place] + right + left + symbols[place + 2 :]
            assert left == right or not is_valid(swapped)


def test_only_a_fingerprint_is_stored() -> None:
    reference = derive(7)
    assert len(fingerprint(reference)) == 16
    assert symbols_of(reference).encode() not in fingerprint(reference)
