"""Dates as people write them: a birth, which no message may give, and those of a breach.

All of it reads a `visible_text.folded` text.
"""

import re

MONTHS = (
    "(?:janv(?:ier)?|jan(?:uary)?|fevr?(?:ier)?|feb(?:ruary)?|mars?|march|avr(?:il)?|apr(?:il)?"
    "|mai|may|juin|june?|juil(?:l(?:et)?)?|july?|aout|aug(?:ust)?|sept?(?:emb(?:re|er))?"
    "|oct(?:ob(?:re|er))?|nov(?:emb(?:re|er))?|dec(?:emb(?:re|er))?)"
)
_DAY, _MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_TH = r"(?:er|st|nd|rd|th)?"
_GAP = r"[\s/.,-]{1,3}"
_SIGN = r"\s?[/.-]\s?"

# A whole date before 2018 is nobody's notice of a breach under the GDPR: it is somebody's birth.
# In two digits, years that are not those of a breach either.
_BEFORE = r"(?:19\d\d|200\d|201[0-7])"
_BEFORE_IN_TWO = r"'?(?:0\d|1[0-7]|[3-9]\d)"
_BIRTH = re.compile(
    rf"(?<!\d)\d{{1,2}}{_SIGN}\d{{1,2}}{_SIGN}{_BEFORE}(?!\d)"
    rf"|(?<!\d){_DAY}\s{{1,2}}{_MONTH}\s{{1,2}}{_BEFORE}(?!\d)"
    rf"|(?<!\d){_BEFORE}{_SIGN}\d{{1,2}}{_SIGN}\d{{1,2}}(?!\d)"
    rf"|(?<!\d)(?:{_BEFORE}(?:0\d|1[0-2])(?:[0-2]\d|3[01])|(?:[0-2]\d|3[01])(?:0\d|1[0-2]){_BEFORE})"
    r"(?!\d)"
    # No part of a telephone number in pairs, nor of a longer number with dots.
    rf"|(?<!\d)(?<!\d[/.-]){_DAY}/{_MONTH}/{_BEFORE_IN_TWO}(?![/.-]?\d)"
    rf"|(?<!\d)(?<!\d[/.-])(?:0[1-9]|[12]\d|3[01])([.-])(?:0[1-9]|1[0-2])\1{_BEFORE_IN_TWO}"
    r"(?![/.-]?\d)"
    rf"|(?<!\d)\d{{1,2}}{_TH}{_GAP}(?:of\s)?{MONTHS}{_GAP}{_BEFORE}(?!\d)"
    rf"|\b{MONTHS}{_GAP}\d{{1,2}}{_TH}{_GAP}{_BEFORE}(?!\d)"
    # « 12 mars 80 », and neither « 7 février 33 millions » nor « 7 février 10 h ».
    rf"|(?<!\d)\d{{1,2}}{_TH}{_GAP}(?:of\s)?{MONTHS}{_GAP}{_BEFORE_IN_TWO}"
    r"(?!\s?[\d%€h]|[:.,]\d|\s{1,2}(?:mil|euro|personne|dossier|assure|people))(?!\w)"
    r"|\bnee?s?(?:\(e\))?\s{1,3}le\s{1,3}\d"
    r"|\bdate de naissance\s{0,3}[:=]?\s{0,3}(?:le\s)?\d"
    r"|\bborn on\s{1,3}(?:the\s)?\w{0,12}\s?\d|\bdate of birth\s{0,3}[:=]?\s{0,3}\d"
)
# A day or a month with its year.
_DATED = re.compile(
    rf"\b{MONTHS}{_GAP}(?:\d{{1,2}}{_TH}{_GAP})?(?:19|20)\d\d(?!\d)"
    rf"|(?<!\d){_MONTH}{_SIGN}(?:{_DAY}{_SIGN})?(?:19|20)\d\d(?!\d)"
    rf"|(?<!\d){_DAY}{_SIGN}{_MONTH}{_SIGN}(?:19|20)\d\d(?!\d)"
    rf"|(?<!\d)(?:19|20)\d\d{_SIGN}{_MONTH}(?!\d)"
)
_UNKNOWN = re.compile(r"inconnue?s?\b|non publiee|pas connue|unknown|not (?:known|published)")


def holds_birth_date(text: str) -> bool:
    """Whether a folded text holds what looks like a whole date of birth."""
    return _BIRTH.search(text) is not None


def says_when(text: str) -> bool:
    """Whether a folded text holds a day or month with its year, or says that it is not known."""
    return bool(_DATED.search(text) or _UNKNOWN.search(text))
