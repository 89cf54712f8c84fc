"""The address on an envelope, as La Poste sorts it (NF Z 10-011).

Of the standard, its summary by La Poste's national address service was read (six lines, seven
abroad; 38 characters each; the last lines in capitals, without accents nor punctuation; the country
last), not the standard itself.
"""

import re
import textwrap
import unicodedata
from collections.abc import Sequence

from insurers.lists.postal import PostalAddress

LONGEST_LINE = 38
MOST_LINES = 4  # between the name and the locality

_NEITHER_LETTER_NOR_DIGIT = re.compile(r"[^0-9A-Z]+")
_LIGATURES = str.maketrans({"Œ": "OE", "Æ": "AE", "ẞ": "SS", "Ø": "O", "Ł": "L"})


def envelope_lines(*, name: str, address: PostalAddress) -> list[str]:
    """Return the lines of an address, the name first.

    Lines of more than 38 characters are folded between two words as long as there is a line for
    them; what remains longer is kept whole, and printed smaller.
    """
    if address.country:  # By the rules of its country, which are its own.
        return [name, *_folded(address.lines), address.locality.upper(), address.country.upper()]
    lines = [capitals(line) for line in address.lines]
    return [name, *_folded(lines), capitals(address.locality)]


def capitals(text: str) -> str:
    """Return a line in capitals without accents and punctuation: « 12, rue de l’Été » is
    `12 RUE DE L ETE`.
    """
    spelt = unicodedata.normalize("NFKD", text.upper().translate(_LIGATURES))
    plain = "".join(letter for letter in spelt if not unicodedata.combining(letter))
    if any(letter.isalpha() and not letter.isascii() for letter in plain):
        return text.upper()  # Of another alphabet: nothing of it may be lost.
    return " ".join(_NEITHER_LETTER_NOR_DIGIT.sub(" ", plain).split())


def _folded(lines: Sequence[str]) -> list[str]:
    folded = list(lines)
    for line in sorted(lines, key=len, reverse=True):
        pieces = textwrap.wrap(line, LONGEST_LINE, break_long_words=False, break_on_hyphens=False)
        if len(pieces) > 1 and len(folded) + len(pieces) - 1 <= MOST_LINES:
            place = folded.index(line)
            folded[place : place + 1] = pieces
    return folded
