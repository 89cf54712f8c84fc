"""The reference in a message: `BP7K-3F9M-Q2XD-7`, 60 bits and a check symbol.

Derived by HMAC from the notification's id, so that it is stored nowhere; what is stored is its
fingerprint under a second key, which the web process holds to look a reference up.
"""

import hmac
import re
import unicodedata
from base64 import b64decode
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

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
_APART = r"[\W_]{1,3}"
IN_GROUPS = re.compile(rf"\b(?:[0-9A-Z]{{4}}{_APART}){{3}}[0-9A-Z]\b", re.IGNORECASE)
"""A reference as it is printed, somewhere in a text, whatever stands between its groups."""


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


def derive(notification_id: int) -> str:
    """Return the reference of a notification, in groups of four (worker only)."""
    digest = hmac.digest(_key(settings.REFERENCE_KEY), b"reference:%d" % notification_id, "sha256")
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
    symbols = _symbols(plain)
    if len(symbols) != SYMBOLS + 1 and (found := IN_GROUPS.search(plain)):
        symbols = _symbols(found[0])
    if len(symbols) != SYMBOLS + 1:
        return Typed(Form.NOT_A_REFERENCE)
    if any(symbol not in ALPHABET for symbol in symbols):
        return Typed(Form.MISTYPED)
    if check_symbol(symbols[:SYMBOLS]) != symbols[SYMBOLS]:
        return Typed(Form.MISTYPED)
    return Typed(Form.WELL_FORMED, _grouped(symbols))


def fingerprint(reference: str) -> bytes:
    """Return what is stored of a reference: 16 bytes under the look-up key (web and worker)."""
    plain = reference.replace("-", "").encode()
    return hmac.digest(_key(settings.REFERENCE_LOOKUP_KEY), plain, "sha256")[:16]


def message_id(notification_id: int) -> str:
    """Return the Message-ID (RFC 5322) of a notification: the same at every attempt."""
    digest = hmac.digest(_key(settings.REFERENCE_KEY), b"message-id:%d" % notification_id, "sha256")
    return f"<{digest[:16].hex()}@{settings.PORTAL_HOST}>"


def _symbols(text: str) -> str:
    return re.sub(r"[\W_]", "", text).upper().translate(_READ_AS)


def _grouped(symbols: str) -> str:
    return "-".join([symbols[0:4], symbols[4:8], symbols[8:12], symbols[12:]])


@lru_cache(maxsize=4)
def _key(encoded: str) -> bytes:
    return b64decode(encoded)
