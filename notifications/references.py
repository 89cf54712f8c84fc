"""The reference in a message: `BP7K-3F9M-Q2XD-7`, 60 bits and a check symbol.

Derived by HMAC from the notification's id, so that it is stored nowhere; what is stored is its
fingerprint under a second key, which the web process holds to look a reference up.
"""

import hmac
import re
import unicodedata
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from django.conf import settings

# Crockford's 32 symbols: no I, L, O, U.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SYMBOLS = 12
_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
_SHIFTS = range(5 * (SYMBOLS - 1), -1, -5)
_FIELD = 0b100101  # x^5 + x^2 + 1, primitive over GF(2)
# Each element of GF(32) times the generator x.
_DOUBLED = [n << 1 if n < 16 else n << 1 ^ _FIELD for n in range(32)]

# What the alphabet leaves out because it is read as another symbol.
_READ_AS = str.maketrans("OIL", "011")
_SYMBOL = re.compile(r"[0-9A-Z]", re.IGNORECASE)
_APART = 4  # signs between two symbols
_ALONE = r"(?<![^\W_]){}(?![^\W_])"
IN_GROUPS = re.compile(
    _ALONE.format(rf"(?:[0-9A-Z]{{4}}[\W_]{{1,{_APART}}}){{3}}[0-9A-Z]"), re.IGNORECASE
)
"""A reference as it is printed, somewhere in a text, whatever stands between its groups."""
_IN_A_ROW = re.compile(_ALONE.format(r"[0-9A-Z]{13}"), re.IGNORECASE)
# In a row, in groups, spelled.
_GAPS: list[list[int]] = [[], [4, 8, SYMBOLS], list(range(1, SYMBOLS + 1))]


class Form(Enum):
    """What somebody typed as a reference."""

    WELL_FORMED = "well_formed"
    MISTYPED = "mistyped"  # as long as one, but its check does not agree
    NOT_A_REFERENCE = "not_a_reference"


@dataclass(frozen=True)
class Typed:
    """What was typed, and the reference in groups of four where it is well-formed."""

    form: Form
    reference: str = field(default="", repr=False)


class Names(NamedTuple):
    """What a message is called: its reference, that one's fingerprint, its Message-ID."""

    reference: str
    fingerprint: bytes
    message_id: str


def namer() -> Callable[[int], Names]:
    """Return what names notifications (worker only): the settings are read once for all of them."""
    key, lookup = _key(settings.REFERENCE_KEY), _key(settings.REFERENCE_LOOKUP_KEY)
    host = settings.PORTAL_HOST

    def names(notification_id: int) -> Names:
        reference = _derived(notification_id, key)
        return Names(
            reference, _fingerprint(reference, lookup), _message_id(notification_id, key, host)
        )

    return names


def derive(notification_id: int) -> str:
    """Return the reference of a notification, in groups of four (worker only)."""
    return _derived(notification_id, _key(settings.REFERENCE_KEY))


def _derived(notification_id: int, key: bytes) -> str:
    digest = hmac.digest(key, b"reference:%d" % notification_id, "sha256")
    number = int.from_bytes(digest[:8], "big") >> 4
    symbols = "".join([ALPHABET[number >> shift & 31] for shift in _SHIFTS])
    return _grouped(symbols + check_symbol(symbols))


def check_symbol(symbols: str) -> str:
    """Return the check: the symbols weighted by the powers of a generator of GF(32), added.

    All weights differ and none is zero, so any single wrong symbol and any swap of two
    neighbours change it.
    """
    check = 0
    for symbol in symbols:
        check = _DOUBLED[check ^ _VALUES[symbol]]
    return ALPHABET[check]


def parse(text: str) -> Typed:
    """Read a reference as people type it: any case and separators, O for 0, I or L for 1.

    It may stand in the sentence that was copied with it.
    """
    plain = unicodedata.normalize("NFKC", text)
    written = [plain] if len(_symbols(plain)) == SYMBOLS + 1 else list(_written_in(plain))
    for symbols in map(_symbols, written):
        if _agrees(symbols):
            return Typed(Form.WELL_FORMED, _grouped(symbols))
    return Typed(Form.MISTYPED if written else Form.NOT_A_REFERENCE)


def places_of_references(text: str, *, may_touch: bool = False) -> Iterator[tuple[int, int]]:
    """Yield where well-formed references begin and end in a text (NFKC), however written.

    Only what mixes digits and letters, or is in capitals, and is not cut as words are: one in 32
    rows of 13 letters would do. With `may_touch`, other letters may stand against it.
    """
    places = [found.start() for found in _SYMBOL.finditer(text)]
    symbols = _symbols("".join([text[place] for place in places]))
    end = 0
    for first in range(len(places) - SYMBOLS):
        window = places[first : first + SYMBOLS + 1]
        if window[0] < end or not _agrees(symbols[first : first + SYMBOLS + 1]):
            continue
        if _is_written_as_one(text, window, may_touch):
            end = window[-1] + 1
            yield window[0], end


def fingerprint(reference: str) -> bytes:
    """Return what is stored of a reference: 16 bytes under the look-up key (web and worker)."""
    return _fingerprint(reference, _key(settings.REFERENCE_LOOKUP_KEY))


def _fingerprint(reference: str, key: bytes) -> bytes:
    return hmac.digest(key, reference.replace("-", "").encode(), "sha256")[:16]


def message_id(notification_id: int) -> str:
    """Return the Message-ID (RFC 5322) of a notification: the same at every attempt."""
    return _message_id(notification_id, _key(settings.REFERENCE_KEY), settings.PORTAL_HOST)


def _message_id(notification_id: int, key: bytes, host: str) -> str:
    digest = hmac.digest(key, b"message-id:%d" % notification_id, "sha256")
    return f"<{digest[:16].hex()}@{host}>"


def own_key(purpose: str) -> bytes:
    """Return a key for another purpose, derived from the worker's reference key (32 bytes)."""
    return hmac.digest(_key(settings.REFERENCE_KEY), f"key:{purpose}".encode(), "sha256")


def _written_in(text: str) -> Iterator[str]:
    """Yield what may be a reference in a sentence, the likeliest first."""
    yield from (found[0] for found in IN_GROUPS.finditer(text))
    yield from (found[0] for found in _IN_A_ROW.finditer(text) if has_digit(found[0]))
    yield from (text[start:end] for start, end in places_of_references(text))
    # One in 130 has no digit: a word of 13 letters is taken for one only where the check agrees.
    words = (found[0] for found in _IN_A_ROW.finditer(text) if not has_digit(found[0]))
    yield from (word for word in words if _agrees(_symbols(word)))


def _is_written_as_one(text: str, places: list[int], may_touch: bool) -> bool:
    """Whether 13 symbols of a text stand as somebody writes a reference."""
    start, end = places[0], places[-1] + 1
    between = [text[left + 1 : right] for left, right in pairwise(places)]
    if any(len(signs) > _APART or any(map(str.isalnum, signs)) for signs in between):
        return False
    words = [word for word in re.split(r"[\W_]+", text[start:end]) if word]
    symbols = "".join(words)
    if symbols.isdecimal() or not (has_digit(symbols) or symbols.isupper()):
        return False
    touches = text[max(start - 1, 0) : start].isalnum() or text[end : end + 1].isalnum()
    if [place for place, signs in enumerate(between, 1) if signs] in _GAPS:
        return may_touch or not touches
    # Cut elsewhere, it is told from words by a piece that is neither a word nor a number.
    is_mixed = any(has_digit(word) and not word.isdigit() for word in words)
    return not touches and is_mixed and len(words) <= 4


def has_digit(text: str) -> bool:
    """Whether a text has a digit, which ordinary words have not."""
    return any(map(str.isdigit, text))


def is_reference(written: str) -> bool:
    """Whether 13 symbols are a reference, whatever stands between them."""
    return _agrees(_symbols(written))


def _agrees(symbols: str) -> bool:
    """Whether 13 signs are symbols and the last is the check of the others."""
    is_known = all(symbol in _VALUES for symbol in symbols)
    return is_known and check_symbol(symbols[:SYMBOLS]) == symbols[SYMBOLS]


def _symbols(text: str) -> str:
    return re.sub(r"[\W_]", "", text).upper().translate(_READ_AS)


def _grouped(symbols: str) -> str:
    return "-".join([symbols[0:4], symbols[4:8], symbols[8:12], symbols[12:]])


@lru_cache(maxsize=4)
def _key(encoded: str) -> bytes:
    return b64decode(encoded)
