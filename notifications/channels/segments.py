"""How many parts an SMS takes, GSM 7-bit or UCS-2, and where it is cut (3GPP TS 23.038, 23.040).

A part holds 160 septets or 70 UTF-16 units; of a text in several parts each loses seven septets
(six octets) to the header that joins them: 153 or 67. National tables are not used.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

# Position in the string is the septet's value; 0x1B announces the extension table.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
ESCAPE = 0x1B
EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
SEPTETS = {symbol: bytes([value]) for value, symbol in enumerate(BASIC) if value != ESCAPE} | {
    symbol: bytes([ESCAPE, value]) for symbol, value in EXTENSION.items()
}

# What typesetters write and the table does not hold; letters lose their accent by decomposition.
PLAIN = {
    "’": "'",
    "‘": "'",
    "ʼ": "'",
    "“": '"',
    "”": '"',
    "«": '"',
    "»": '"',
    "…": "...",
    "–": "-",
    "—": "-",
    "‑": "-",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2009": " ",
    "œ": "oe",
    "Œ": "OE",
    "ÿ": "y",
    "Ÿ": "Y",
    "•": "-",
    "·": "-",
    "\t": " ",
}


class Coding(StrEnum):
    GSM7 = "gsm7"
    UCS2 = "ucs2"


ALONE = {Coding.GSM7: 160, Coding.UCS2: 70}
JOINED = {Coding.GSM7: 153, Coding.UCS2: 67}


@dataclass(frozen=True)
class Segments:
    """A text as it leaves: `parts` are cut between characters, never inside one."""

    coding: Coding
    parts: tuple[str, ...]
    units: int  # septets, or UTF-16 units

    def __repr__(self) -> str:
        return f"Segments({self.coding}, {len(self.parts)} parts)"

    def encoded(self) -> tuple[bytes, ...]:
        """Return the octets of each part: one septet an octet, or UTF-16BE."""
        return tuple(encode(part, self.coding) for part in self.parts)


def segment(text: str) -> Segments:
    """Cut a text into the parts that it takes; an empty text is one empty part."""
    coding = Coding.UCS2 if forcing_ucs2(text) else Coding.GSM7
    units = sum(_units(symbol, coding) for symbol in text)
    if units <= ALONE[coding]:
        return Segments(coding, (text,), units)
    return Segments(coding, tuple(_cut(text, coding)), units)


def forcing_ucs2(text: str) -> list[str]:
    """Return the characters that no GSM 7-bit table holds, once each, in order.

    One of them makes the whole text UCS-2: 70 characters a part instead of 160.
    """
    return list(dict.fromkeys(symbol for symbol in text if symbol not in SEPTETS))


def plain(text: str) -> str:
    """Return the text with each character that forces UCS-2 in a form that does not.

    Only those change: é, è, à, ù and Ç stay, ç, ê, ô and ’ become c, e, o and '. What has no
    plain form (Cyrillic, an emoji) stays too, so the text may remain UCS-2.
    """
    composed = unicodedata.normalize("NFC", text)
    return "".join(symbol if symbol in SEPTETS else _plain(symbol) for symbol in composed)


def encode(text: str, coding: Coding) -> bytes:
    """Return a text's octets. Raises KeyError on a character that GSM 7-bit does not hold."""
    if coding == Coding.UCS2:
        return text.encode("utf-16-be", "replace")
    return b"".join(SEPTETS[symbol] for symbol in text)


def _plain(symbol: str) -> str:
    if symbol in PLAIN:
        return PLAIN[symbol]
    letters = "".join(
        part for part in unicodedata.normalize("NFKD", symbol) if not unicodedata.combining(part)
    )
    return letters if letters and all(letter in SEPTETS for letter in letters) else symbol


def _units(symbol: str, coding: Coding) -> int:
    if coding == Coding.GSM7:
        return len(SEPTETS[symbol])
    return 2 if ord(symbol) > 0xFFFF else 1


def _cut(text: str, coding: Coding) -> Iterable[str]:
    """Fill each part, and begin the next one before the character that does not fit whole."""
    start, units = 0, 0
    for place, symbol in enumerate(text):
        size = _units(symbol, coding)
        if units + size > JOINED[coding]:
            yield text[start:place]
            start, units = place, 0
        units += size
    yield text[start:]
