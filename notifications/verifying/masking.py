"""Mask what can be recognised as personal in a pasted text, however it is written.

Addresses, bank and social security numbers, birth dates, references, and what a link carries behind
its path. Telephone numbers stay: they are what a scam wants to be called at.
"""

import re
import unicodedata

from insurers.lists import nir
from notifications.models.suspicious import AT_MOST
from notifications.notices.visible_text import without_unseen
from notifications.notices.written_dates import without_birth_dates
from notifications.references import IN_GROUPS, has_digit, is_reference, places_of_references

_SELECTORS = re.compile("[\ufe00-\ufe0f]")  # Of variants: a telephone's emoji may hold them.

# Read once, from its beginning, so that no text takes long. No group is possessive: before Python
# 3.11.5, which Debian 12 has, such a group loses what it matched.
HOST = r"(?<![\w.-])(?>(?:[\w-]{1,63}\.){1,20}[^\W\d_]{2,63})"
# What follows `?`, `#`, `;` or `&` in a link tells the recipients of one scam apart.
QUERY = re.compile(rf"((?:https?://|{HOST})[^\s?#;&]*+)[?#;&]\S+", re.IGNORECASE)

# What a link puts before its host, to pass for another: `https://ameli.fr@evil.test`. It may name a
# person as well, so only what looks like a site stays.
LINK_USER = re.compile(r"(?<=://)(?!(?:[\w-]{1,63}\.){1,5}(?:fr|com|net|org|eu)@)[^\s/@?#]++@")
EMAIL = re.compile(
    r"(?<!://)(?<![\w.+%'-])[\w.+%'-]++@(?:\[[\d.:a-f]++\]|[\w-]++(?:\.[\w-]++)*)", re.IGNORECASE
)
# `lise (at) example.fr`, `lise arobase example point fr`.
SPOKEN_EMAIL = re.compile(
    r"(?<![\w.+'-])[\w.+'-]++(?:\s?[\[({<]\s?(?:at|arobase|chez|@)\s?[\])}>]\s?|\sarobase\s|%40)"
    r"[\w-]++(?:(?:\.|\s?[\[({<]\s?(?:dot|point)\s?[\])}>]\s?|\s(?:dot|point)\s)[\w-]++)*",
    re.IGNORECASE,
)

_DASHES = "\u2010-\u2015\u2212-"
_APART = rf"[\s./,_{_DASHES}]{{0,4}}"  # Between the digits of a number.
_LEFT, _RIGHT = r"(?<![^\W_])", r"(?![^\W_])"
IBAN = re.compile(
    rf"{_LEFT}[A-Z]{{2}}{_APART}\d{{2}}(?:{_APART}[A-Z0-9]{{4}}){{2,7}}"
    rf"(?:{_APART}[A-Z0-9]{{1,3}})?{_RIGHT}",
    re.IGNORECASE,
)
# Cards, account numbers. A telephone number has 13 digits at most, 00 and its country included.
DIGITS = 14
CLOSE_NUMBER = re.compile(rf"\d(?:[ .-]?\d){{{DIGITS - 1},}}")
WIDE_NUMBER = re.compile(rf"\d(?:{_APART}\d){{{DIGITS - 1},}}")
# One that stands by itself in a row of numbers: `1,99, 06 39 98 00 12`.
TELEPHONE = re.compile(
    r"(?<!\d)(?<!\d[ .-])(?:0[ .-]?[1-9](?:[ .-]?\d){8}|(?:\+|00)[1-9](?:[ .-]?\d){6,11})"
    r"(?![ .-]?\d)"
)


def masked(text: str) -> str:
    """Return a pasted text without what can be recognised as personal, and as it is seen.

    Signs that turn or hide what follows are dropped first: they would hide numbers from the masks.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    seen = visible(unicodedata.normalize("NFKC", visible(lines))).strip()
    seen = LINK_USER.sub("…@", QUERY.sub(r"\1?…", seen))
    seen = SPOKEN_EMAIL.sub("[e-mail]", EMAIL.sub("[e-mail]", seen))
    seen = without_birth_dates(seen, "[date]")
    seen = IBAN.sub(_without_iban, seen)
    seen = nir.masked(seen, "[numéro]")
    seen = WIDE_NUMBER.sub(_without_number, CLOSE_NUMBER.sub("[numéro]", seen))
    seen = _without_true_references(IN_GROUPS.sub(_without_reference, seen))
    return seen[:AT_MOST]


def visible(text: str) -> str:
    """Drop signs that are not seen: controls, marks of direction, of no width, of no meaning."""
    return _SELECTORS.sub("", without_unseen(text))


def _without_true_references(text: str) -> str:
    kept, end = [], 0
    for start, stop in places_of_references(text, may_touch=True):
        kept += [text[end:start], "[référence]"]
        end = stop
    return "".join([*kept, text[end:]])


def _without_reference(found: re.Match[str]) -> str:
    """Mask what is in groups like a reference, mistyped though it be."""
    is_one = has_digit(found[0]) or is_reference(found[0])
    return "[référence]" if is_one else found[0]


def _without_iban(found: re.Match[str]) -> str:
    """Mask what has an IBAN's form; a parcel's number and words after it have few digits."""
    return "[numéro]" if sum(sign.isdigit() for sign in found[0]) > 11 else found[0]


def _without_number(found: re.Match[str]) -> str:
    """Mask a long number, but for telephone numbers that stand in the same row."""
    kept, end = [], 0
    for telephone in TELEPHONE.finditer(found[0]):
        kept += [_long_hidden(found[0][end : telephone.start()]), telephone[0]]
        end = telephone.end()
    return "".join([*kept, _long_hidden(found[0][end:])])


def _long_hidden(digits: str) -> str:
    is_long = sum(map(str.isdigit, digits)) >= DIGITS
    return re.sub(r"\d.*\d", "[numéro]", digits, flags=re.DOTALL) if is_long else digits
