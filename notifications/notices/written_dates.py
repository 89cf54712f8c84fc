"""Dates as people write them: a birth, which no message may give, and those of a breach."""

import re
from functools import cache, partial

MONTHS = (
    "(?:janv(?:ier)?|jan(?:uary)?|f[ée]vr?(?:ier)?|feb(?:ruary)?|mars?|march|avr(?:il)?|apr(?:il)?"
    "|mai|may|juin|june?|juil(?:l(?:et)?)?|july?|ao[ûu]t|aug(?:ust)?|sept?(?:emb(?:re|er))?"
    "|oct(?:ob(?:re|er))?|nov(?:emb(?:re|er))?|d[ée]c(?:emb(?:re|er))?)"
)
_DASHES = r"\u2010-\u2015\u2212-"
_DAY, _MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_TH = r"(?:er|st|nd|rd|th)?"
_GAP = rf"[\s/.,_{_DASHES}]{{1,3}}"
_SIGN = rf"\s?[/.,|_\u2044{_DASHES}]\s?"

# A whole date before 2018 is nobody's notice of a breach under the GDPR: it is somebody's birth.
# In two digits, years that are not those of a breach either.
_BEFORE = r"(?:19\d\d|200\d|201[0-7])"
_BEFORE_IN_TWO = r"['’]?(?:0\d|1[0-7]|[3-9]\d)"
_ANY = r"(?:\d{4}|\d\d)"
# Or the date of a law: « la loi Informatique et Libertés du 6 janvier 1978 ».
_LAW = (
    r"\b(?:lois?|ordonnances?|d[ée]crets?|arr[êe]t[ée]s?|r[èe]glements?|rgpd|gdpr|directives?"
    r"|conventions?|circulaires?|acts?|laws?|regulations?|decrees?)\b"
    r"(?:(?!\b(?:n[ée]e?|naissance|birth|born)\b)[^.,;:\n]){0,60}?\b(?:du|of)\s{1,2}"
)


def _whole(month: str, year: str) -> str:
    """Return the pattern of a day, a month and a year, in any order that people write."""
    return (
        rf"\d{{1,2}}{_SIGN}\d{{1,2}}(?:{_SIGN}|\s{{1,2}}){year}"
        rf"|(?<!\d\s){_DAY}\s{{1,2}}{_MONTH}(?:\s{{1,2}}|{_SIGN}){year}(?!\s\d)"
        rf"|{year}{_SIGN}\d{{1,2}}{_SIGN}\d{{1,2}}"
        rf"|\d{{1,2}}{_TH}(?:\sof)?{_GAP}{month}{_GAP}{year}"
        rf"|(?<![^\W\d_]){month}{_GAP}\d{{1,2}}{_TH}{_GAP}{year}"
        # « mars 1980, le 12 », and not « en mars 2017, le 12 janvier 2026 ».
        rf"|(?<![^\W\d_]){month}{_GAP}{year}{_GAP}(?:le|on the|the)\s{{1,2}}\d{{1,2}}{_TH}\b"
        rf"(?!\s?%|\s{{1,2}}{MONTHS}\b)"
    )


@cache  # On first use: most processes never need it, and compiling it takes long.
def _births(month: str) -> re.Pattern[str]:
    """Match births whose month is written as `month`; or, in the group `law`, the date of a law."""
    return re.compile(
        rf"(?P<law>{_LAW}(?:{_whole(month, _BEFORE)}))"
        rf"|(?<!\d)(?<!\d[./_-])(?:{_whole(month, _BEFORE)}"
        rf"|{_BEFORE}(?:0\d|1[0-2])(?:[0-2]\d|3[01])|(?:[0-2]\d|3[01])(?:0\d|1[0-2]){_BEFORE}"
        # No part of a telephone number in pairs, nor of a longer number with dots.
        rf"|{_DAY}/{_MONTH}/{_BEFORE_IN_TWO}"
        rf"|(?:0[1-9]|[12]\d|3[01])(?P<sign>[.-])(?:0[1-9]|1[0-2])(?P=sign){_BEFORE_IN_TWO}"
        r")(?![./,_-]?\d)"
        # « 12 mars 80 », and neither « 7 février 33 millions » nor « 7 février 10 h ».
        rf"|(?<!\d)\d{{1,2}}{_TH}(?:\sof)?{_GAP}{MONTHS}{_GAP}{_BEFORE_IN_TWO}"
        r"(?!\s?[\d%€h]|[:.,]\d|\s{1,2}(?:mil|euro|personne|dossier|assur|people))(?!\w)",
        re.IGNORECASE,
    )


# Where nothing of a birth may stay, any word may be a month: one misspelt, or of another language.
_WORD = r"[^\W\d_]{3,9}\.?"
_SAID = (
    r"(?P<said>\bn[ée]e?s?(?:\(e\))?\s{1,3}le|\bdate de naissance(?:\s?[:=])?(?:\s{1,3}le)?"
    r"|\bborn(?:\s{1,3}on)?(?:\s{1,3}the)?|\bdate of birth(?:\s?[:=])?)"
)
_SAID_BIRTH = re.compile(rf"{_SAID}\s{{0,3}}(?:{MONTHS}\s{{1,3}})?\d", re.IGNORECASE)
_SAID_DATE = re.compile(rf"{_SAID}\s+(?:{_whole(_WORD, _ANY)})(?!\d)", re.IGNORECASE)
# A day or a month with its year.
_DATED = re.compile(
    rf"\b{MONTHS}{_GAP}(?:\d{{1,2}}{_TH}{_GAP})?(?:19|20)\d\d(?!\d)"
    rf"|(?<!\d){_MONTH}{_SIGN}(?:{_DAY}{_SIGN})?(?:19|20)\d\d(?!\d)"
    rf"|(?<!\d){_DAY}{_SIGN}{_MONTH}{_SIGN}(?:19|20)\d\d(?!\d)"
    rf"|(?<!\d)(?:19|20)\d\d{_SIGN}{_MONTH}(?!\d)"
)
_UNKNOWN = re.compile(r"inconnue?s?\b|non publiee|pas connue|unknown|not (?:known|published)")


def holds_birth_date(text: str) -> bool:
    """Whether a text (`visible_text.folded`) holds what looks like a whole date of birth."""
    births = (found for found in _births(MONTHS).finditer(text) if not found["law"])
    return any(births) or _SAID_BIRTH.search(text) is not None


def without_birth_dates(text: str, instead: str) -> str:
    """Return a text (NFKC) with `instead` of every date that may be somebody's birth."""
    text = _SAID_DATE.sub(lambda found: f"{found['said']} {instead}", text)
    return _births(_WORD).sub(partial(_without_birth, instead=instead), text)


def _without_birth(found: re.Match[str], instead: str) -> str:
    return found[0] if found["law"] else instead


def says_when(text: str) -> bool:
    """Whether a folded text holds a day or month with its year, or says that it is not known."""
    return bool(_DATED.search(text) or _UNKNOWN.search(text))
