"""Birth dates that are mere numbers: what they may mean, and when that is sure.

For a spreadsheet, 29586 is 31 December 1980. But 10280 is a day of 1928, or 01/02/80 whose zero
was eaten; 29200 a day of 1979, or a postcode; 1121980 is 1 December, or 11 February. A number is
taken for a date where nothing else can be meant, or where its column proves what it holds.
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from enum import StrEnum


class Numbers(StrEnum):
    """What the numbers of a column of birth dates are, once it is proven."""

    UNKNOWN = ""
    SERIALS = "serials"
    """Days of the calendar of spreadsheets, that of 1900."""
    PADDED = "padded"
    """`ddmmyyyy`, some without their first zero."""


# 1000 is 26 September 1902. 18xx to 21xx would be years; people born then are over 117.
_SERIAL = re.compile(r"(?!18|19|20|21)[1-9]\d{3}|[1-9]\d{4}", re.ASCII)
_ZERO_LOST = re.compile(r"[1-9]\d{2}(?:1[89]|20)\d\d", re.ASCII)
_NOT_ZERO_LOST = (
    re.compile(r"(?P<day>\d\d)(?P<month>\d)(?P<year>\d{4})", re.ASCII),
    re.compile(r"(?P<year>\d{4})(?P<month>\d)(?P<day>\d\d)", re.ASCII),
    re.compile(r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d)", re.ASCII),
)
_NOT_SERIAL = (
    re.compile(r"(?P<day>\d)(?P<month>\d\d)(?P<year>\d\d)", re.ASCII),
    re.compile(r"(?P<year>\d)(?P<month>\d\d)(?P<day>\d\d)", re.ASCII),
    re.compile(r"(?P<month>\d)(?P<year>(?:19|20)\d\d)", re.ASCII),
)
_PADDED = re.compile(r"(?P<day>\d\d)(?P<month>\d\d)(?P<year>(?:19|20)\d\d)", re.ASCII)


def is_serial(text: str) -> bool:
    """Whether a cell has the form of a day of a spreadsheet's calendar."""
    return bool(_SERIAL.fullmatch(text))


def date_of_serial(text: str) -> date:
    """Return the day that a spreadsheet counts so (its 1900 has a 29 February: no matter here)."""
    return date(1899, 12, 30) + timedelta(days=int(text))


def has_lost_zero(text: str) -> bool:
    """Whether a cell has the form of `ddmmyyyy` without its first zero."""
    return bool(_ZERO_LOST.fullmatch(text))


def may_be_another_date(text: str) -> bool:
    """Whether a cell that lost a zero can be read in another way."""
    return _is_date(text, _NOT_ZERO_LOST)


def numbers_of(cells: Iterable[str], *, today: date) -> Numbers:
    """Return what the numbers among a column's cells are.

    They are serials where every cell has that form and a day that has come, and one at least
    can be nothing else. They are padded where all have seven or eight digits and one at least
    has a zero inside that only padding writes.
    """
    filled = [cell.strip() for cell in cells if cell.strip()]
    if all(is_serial(cell) and date_of_serial(cell) <= today for cell in filled):
        proven = any(len(cell) == 5 and not _is_date(cell, _NOT_SERIAL) for cell in filled)
        return Numbers.SERIALS if proven else Numbers.UNKNOWN
    numbers = [cell for cell in filled if cell.isdigit()]
    if all(len(cell) in (7, 8) for cell in numbers) and any(map(_shows_padding, numbers)):
        return Numbers.PADDED
    return Numbers.UNKNOWN


def _shows_padding(text: str) -> bool:
    return len(text) == 8 and "0" in (text[0], text[2]) and _is_date(text, (_PADDED,))


def _is_date(text: str, forms: Iterable[re.Pattern[str]]) -> bool:
    return any((match := form.fullmatch(text)) and _exists(match) for form in forms)


def _exists(match: re.Match[str]) -> bool:
    parts = match.groupdict()
    year = int(parts["year"])
    try:
        # Of a short year, the century is unknown: 2000 has a 29 February too.
        date(2000 + year if year < 100 else year, int(parts["month"]), int(parts.get("day", "1")))
    except ValueError:
        return False
    return True
