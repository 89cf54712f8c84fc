"""One form for each value: what is fingerprinted and sealed has passed through here.

Each function returns the normalised value, or raises BadValueError with a code of
`insurers.lists.problems.Problem`; no message ever carries the value. Normalising twice changes
nothing.
"""

import re
import unicodedata
from datetime import date, timedelta
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumberType

from insurers.lists.problems import Problem

FIRST_BIRTH_DATE = date(1900, 1, 1)
LONGEST_NAME = 100


class BadValueError(ValueError):
    """A value that cannot be used; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


# Member numbers.

_SEPARATORS = str.maketrans("", "", " \t\r\n\u00a0\u202f.-/_'’")
_MEMBER_NUMBER = re.compile(r"[0-9A-Z]{1,40}")
_SPREADSHEET_NUMBER = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)


def member_number(text: str) -> str:
    """Return the number in upper case without separators; leading zeros stay."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    number = text.translate(_SEPARATORS).upper()
    if _MEMBER_NUMBER.fullmatch(number):
        return number
    if not number:
        raise BadValueError(Problem.MEMBER_NUMBER_MISSING)
    if _SPREADSHEET_NUMBER.fullmatch(text.strip()):
        raise BadValueError(Problem.MEMBER_NUMBER_SPREADSHEET)
    raise BadValueError(Problem.MEMBER_NUMBER_CHARACTERS)


# Birth dates.

_DATE_FORMS = (
    re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})", re.ASCII),
    re.compile(r"(?P<day>\d{1,2})([-/. ])(?P<month>\d{1,2})\2(?P<year>\d{4})", re.ASCII),
    re.compile(r"(?P<day>\d\d)(?P<month>\d\d)(?P<year>(?:1[89]|20)\d\d)", re.ASCII),
    re.compile(r"(?P<year>(?:1[89]|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)", re.ASCII),
    # `ddmmyyyy` in a column of numbers: the zero in front is gone.
    re.compile(r"(?P<day>[1-9])(?P<month>\d\d)(?P<year>(?:1[89]|20)\d\d)", re.ASCII),
)
_TWO_DIGIT_YEAR = re.compile(r"\d{1,2}([-/. ])\d{1,2}\1\d{2}|\d{6}", re.ASCII)
_MIDNIGHT = re.compile(r"[ T]00:00(?::00(?:\.0+)?)?$")
# Days as spreadsheets count them in the 1900 system, which has a 29 February 1900 that never was.
# Below 3000 (18 March 1908, older than anybody alive) a number is rather an age or a year alone.
_SERIAL = re.compile(r"([1-9]\d{3,4})(?:[.,]0+)?", re.ASCII)
_FIRST_SERIAL = 3_000
_DAY_ZERO = date(1899, 12, 30)


@lru_cache(maxsize=65536)
def birth_date(text: str, today: date) -> str:
    """Return a birth date as `yyyy-mm-dd`; it lies between 1 January 1900 and `today`.

    It is read from `yyyy-mm-dd`, `dd/mm/yyyy`, `ddmmyyyy` (also without its first zero),
    `yyyymmdd`, or the day's number that a spreadsheet shows in a cell without a date format. No
    digits fit two of these forms (a month is at most 12), so their order does not matter.
    """
    text = _MIDNIGHT.sub("", text.strip())
    if not text:
        raise BadValueError(Problem.BIRTH_DATE_MISSING)
    found = _date_of_serial(text) or _written_date(text)
    if found is None:
        raise BadValueError(_what_is_wrong_with_date(text))
    if found < FIRST_BIRTH_DATE:
        raise BadValueError(Problem.BIRTH_DATE_BEFORE_1900)
    if found > today:
        raise BadValueError(Problem.BIRTH_DATE_FUTURE)
    return found.isoformat()


def _written_date(text: str) -> date | None:
    for form in _DATE_FORMS:
        if match := form.fullmatch(text):
            try:
                return date(int(match["year"]), int(match["month"]), int(match["day"]))
            except ValueError:
                continue
    return None


def _date_of_serial(text: str) -> date | None:
    match = _SERIAL.fullmatch(text)
    if match is None or int(match[1]) < _FIRST_SERIAL:
        return None
    return _DAY_ZERO + timedelta(days=int(match[1]))


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
    text = text.strip()
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
_PHONE_SEPARATORS = str.maketrans("", "", " \t\r\n\u00a0\u202f.-/()'")
_NATIONAL = re.compile(r"(?:\+33|0033|33)?0?([67]\d{8})", re.ASCII)
_DIALLED = re.compile(r"\+?\d{6,17}", re.ASCII)
_REGIONS = ("FR", "GP", "GF", "MQ", "RE", "YT")
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def mobile_phone(text: str) -> str:
    """Return a mobile number as E.164, or "" when none is given.

    French forms are understood with or without the leading zero; overseas mobiles
    (0690, 0692…) get the prefix of their territory. A landline cannot receive an SMS.
    """
    compact = text.translate(_PHONE_SEPARATORS)
    if not compact:
        return ""
    if match := _FRENCH_MOBILE.fullmatch(compact):
        return "+33" + match[1]
    return _other_phone(compact)


def _other_phone(compact: str) -> str:
    if not _DIALLED.fullmatch(compact):
        raise BadValueError(Problem.PHONE_FORMAT)
    if match := _NATIONAL.fullmatch(compact):
        candidates = [("0" + match[1], region) for region in _REGIONS]
    else:
        international = "+" + compact[2:] if compact.startswith("00") else compact
        candidates = [(international, "FR")]
    problem = Problem.PHONE_FORMAT
    for number, region in candidates:
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        if not phonenumbers.is_valid_number(parsed):
            continue
        if phonenumbers.number_type(parsed) in _MOBILE:
            return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        problem = Problem.PHONE_LANDLINE
    raise BadValueError(problem)


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
    """Return a name in composed letters, without control characters, at most 100 long."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:LONGEST_NAME].rstrip()


def same_name(first_name: str, last_name: str) -> str:
    """Return what the spellings of a person's name share: letters, without accents or case."""
    return _letters(first_name) + " " + _letters(last_name) if first_name or last_name else ""


@lru_cache(maxsize=65536)
def _letters(text: str) -> str:
    return "".join(letter for letter in plain(text) if letter.isalnum())


def plain(text: str) -> str:
    """Return text without accents and case."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
