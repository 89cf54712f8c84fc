"""One form for each value: what is fingerprinted and sealed has passed through here.

Each function returns the normalised value, or raises BadValueError with a code of
`insurers.lists.problems.Problem`; no message ever carries the value. Normalising twice changes
nothing.
"""

import re
import unicodedata
from datetime import date
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumberType

from insurers.lists.number_dates import (
    Numbers,
    date_of_serial,
    has_lost_zero,
    is_serial,
    may_be_another_date,
)
from insurers.lists.problems import Problem

FIRST_BIRTH_DATE = date(1900, 1, 1)
LONGEST_NAME = 100


class BadValueError(ValueError):
    """A value that cannot be used; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


# Member numbers.

# Spaces and dashes of every width, and what is invisible: copied from documents, not typed.
# The last line says which way text runs: Windows puts such marks around numbers and dates.
BLANKS = (
    "\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u200b\u200c\u200d\u2060\ufeff\u00ad"
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"
_UNSEEN = f" \t\r\n{BLANKS}"
SEPARATORS = f"{_UNSEEN}{DASHES}./_'’"
_NO_SEPARATORS = str.maketrans("", "", SEPARATORS)
_MEMBER_NUMBER = re.compile(r"[0-9A-Z]{1,40}")
# `1,23457E+11` is Excel's, `1.23457E11` Java's; `123457.0` an integer made a decimal number,
# whose leading zeros are gone.
_SPREADSHEET_NUMBER = re.compile(
    r"\d(?:[.,]\d+)?E\+\d+|\d[.,]\d+E\d{1,3}|\d+[.,]0", re.IGNORECASE | re.ASCII
)
_NO_VALUE = frozenset(("NULL", "NAN", "NONE", "NA", "VRAI", "FAUX", "TRUE", "FALSE"))


def member_number(text: str) -> str:
    """Return the number in upper case without separators; leading zeros stay.

    What a spreadsheet or a program made of a number or of its absence is refused: taken
    for the number, it would be another person's, or nobody's.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if _SPREADSHEET_NUMBER.fullmatch(text.strip()):
        raise BadValueError(Problem.MEMBER_NUMBER_SPREADSHEET)
    number = text.translate(_NO_SEPARATORS).upper()
    if not number or number in _NO_VALUE:
        raise BadValueError(Problem.MEMBER_NUMBER_MISSING)
    if _MEMBER_NUMBER.fullmatch(number):
        return number
    raise BadValueError(Problem.MEMBER_NUMBER_CHARACTERS)


# Birth dates.

_DATE_FORMS = (
    re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})", re.ASCII),
    re.compile(r"(?P<day>\d{1,2})([-/. ])(?P<month>\d{1,2})\2(?P<year>\d{4})", re.ASCII),
    re.compile(r"(?P<day>\d\d)(?P<month>\d\d)(?P<year>(?:1[89]|20)\d\d)", re.ASCII),
    re.compile(r"(?P<year>(?:1[89]|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)", re.ASCII),
)
_TWO_DIGIT_YEAR = re.compile(r"\d{1,2}([-/. ])\d{1,2}\1\d{2}|\d{6}", re.ASCII)
_MIDNIGHT = re.compile(r"[ T]0?0:00(?::00(?:\.0+)?)?(?:Z|\+00:?00)?$")
# « 1/ 2/1980 »: written by programs that fill places with spaces.
_SPACED = re.compile(r"\s*([-/.])\s*")
_ONE_WORD = re.compile(r"\S*")


@lru_cache(maxsize=65536)
def birth_date(text: str, today: date, numbers: Numbers = Numbers.UNKNOWN) -> str:
    """Return, as `yyyy-mm-dd`, the date of `yyyy-mm-dd`, `dd/mm/yyyy`, `ddmmyyyy` or `yyyymmdd`.

    It lies between 1 January 1900 and `today`. No eight digits fit both of the last two forms
    (a month is at most 12), so the order in which they are tried does not matter. Shorter
    numbers count where `numbers`, the proof of their column, or themselves leave no doubt
    (`number_dates.py`).
    """
    text = _MIDNIGHT.sub("", text.strip().strip(_UNSEEN).lstrip("'’"))
    if not text:
        raise BadValueError(Problem.BIRTH_DATE_MISSING)
    if not _ONE_WORD.fullmatch(text):
        text = _SPACED.sub(r"\1", text)
    text = _number_read(text, numbers)
    found = None
    for form in _DATE_FORMS:
        if match := form.fullmatch(text):
            parts = (int(match["year"]), int(match["month"]), int(match["day"]))
            try:
                found = date(*parts)
            except ValueError:
                continue
            break
    else:
        raise BadValueError(_what_is_wrong_with_date(text))
    if found < FIRST_BIRTH_DATE:
        raise BadValueError(Problem.BIRTH_DATE_BEFORE_1900)
    if found > today:
        raise BadValueError(Problem.BIRTH_DATE_FUTURE)
    return found.isoformat()


def _number_read(text: str, numbers: Numbers) -> str:
    """Return a number as the date that it surely is, anything else as it is."""
    if has_lost_zero(text):
        if numbers != Numbers.PADDED and may_be_another_date(text):
            raise BadValueError(Problem.BIRTH_DATE_ZERO_LOST)
        return "0" + text
    if is_serial(text):
        if numbers != Numbers.SERIALS:
            raise BadValueError(Problem.BIRTH_DATE_NUMBER)
        return date_of_serial(text).isoformat()
    return text


def _what_is_wrong_with_date(text: str) -> Problem:
    if any(form.fullmatch(text) for form in _DATE_FORMS):
        return Problem.BIRTH_DATE_IMPOSSIBLE
    if _TWO_DIGIT_YEAR.fullmatch(text):
        return Problem.BIRTH_DATE_TWO_DIGIT_YEAR
    return Problem.BIRTH_DATE_FORMAT


_BIRTH_RANK = re.compile(r"0?([1-9])")


def birth_rank(text: str) -> str:
    """Return a digit from 1 to 9, or "" when none is given."""
    text = text.strip()
    if not text:
        return ""
    if match := _BIRTH_RANK.fullmatch(text):
        return match[1]
    raise BadValueError(Problem.BIRTH_RANK)


# Contacts.

# A strict part of what email-validator accepts as it stands (a test holds this).
_COMMON_EMAIL = re.compile(
    r"(?=[^@]{1,64}@)[a-zA-Z0-9_+-]+(?:\.[a-zA-Z0-9_+-]+)*"
    r"@(?:(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:fr|com|net|org|eu|be|ch|de|uk)"
)
_SHORT_EMAIL = 200


def email(text: str) -> str:
    """Return the address with its domain in lower case, or "" when none is given.

    The rules are email-validator's, without asking DNS; a local part that is not ASCII is
    refused, because not every mail server takes it.
    """
    # An apostrophe in front is a spreadsheet's mark for text, not a part of the address.
    text = text.strip(_UNSEEN).lstrip("'’")
    if not text:
        return ""
    if len(text) <= _SHORT_EMAIL and _COMMON_EMAIL.fullmatch(text):
        return text
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError:
        raise BadValueError(Problem.EMAIL_FORMAT) from None
    return found.ascii_email or found.normalized


# The French mobile ranges of phonenumbers' metadata, national number without its zero; and
# 06 39 98, which ARCEP reserves for fiction: the demonstration's people have such numbers.
_FRENCH_MOBILE = re.compile(
    r"(?:\+33|0033|33)?0?((?:6(?:[0-24-8]\d|3[0-8]|9[589])|7[3-9]\d)\d{6}|63998\d{4})", re.ASCII
)
_PHONE_SEPARATORS = str.maketrans("", "", f"{_UNSEEN}{DASHES}./()'’")
_NATIONAL = re.compile(r"(?:\+33|0033|33)?0?([67]\d{8})", re.ASCII)
_DIALLED = re.compile(r"\+?\d{6,17}", re.ASCII)
# A number that a spreadsheet or a program made a decimal one.
_DECIMAL = re.compile(r"(\+?\d{8,15})[.,]0", re.ASCII)
# The prefixes of overseas France, before the 6 to 9 digits that their numbers have.
_OVERSEAS = re.compile(r"(?:262|590|594|596|508|681|687|689)\d{6,9}", re.ASCII)
_REGIONS = ("FR", "GP", "GF", "MQ", "RE", "YT")
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def mobile_phone(text: str) -> str:
    """Return a mobile number as E.164, or "" when none is given.

    French forms are understood with or without the leading zero; overseas mobiles
    (0690, 0692…) get the prefix of their territory. A landline cannot receive an SMS.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if match := _DECIMAL.fullmatch(text.strip()):
        text = match[1]
    compact = text.translate(_PHONE_SEPARATORS)
    if not compact:
        return ""
    if match := _FRENCH_MOBILE.fullmatch(compact):
        return "+33" + match[1]
    return _other_phone(compact)


def _other_phone(compact: str) -> str:
    if not _DIALLED.fullmatch(compact):
        raise BadValueError(Problem.PHONE_FORMAT)
    for number, region in _ways_to_dial(compact):
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            if phonenumbers.number_type(parsed) not in _MOBILE:
                raise BadValueError(Problem.PHONE_LANDLINE)
            return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    raise BadValueError(Problem.PHONE_FORMAT)


def _ways_to_dial(compact: str) -> list[tuple[str, str]]:
    """Return what a number may mean, with the region it is dialled from; the first valid counts."""
    if match := _NATIONAL.fullmatch(compact):
        return [("0" + match[1], region) for region in _REGIONS]
    if compact.startswith("00"):
        return [("+" + compact[2:], "FR")]
    if compact.startswith("0"):
        return [(compact, region) for region in _REGIONS]
    if _OVERSEAS.fullmatch(compact):
        return [(compact, "FR"), ("+" + compact, "FR")]
    return [(compact, "FR")]


_LANGUAGES = {
    **dict.fromkeys(("fr", "fra", "fre", "francais", "french"), "fr"),
    **dict.fromkeys(("en", "eng", "anglais", "english"), "en"),
}


def language(text: str) -> str:
    """Return `fr` or `en`, or "" when none is given."""
    if not text.strip():
        return ""
    word = re.split(r"[-_]", plain(text), maxsplit=1)[0].strip()
    if word in _LANGUAGES:
        return _LANGUAGES[word]
    raise BadValueError(Problem.LANGUAGE)


def name(text: str) -> str:
    """Return a name in composed letters, without control characters, at most 100 long.

    What has no letter or digit, such as « - », stands for no name: it would make a twin.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())[:LONGEST_NAME].rstrip()
    return text if any(map(str.isalnum, text)) else ""


def letters(text: str) -> str:
    """Return the letters and digits of a text, without accents or case."""
    return "".join(letter for letter in plain(text) if letter.isalnum())


def plain(text: str) -> str:
    """Return text without accents and case."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
