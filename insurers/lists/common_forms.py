"""Normalise a column at a time: the common forms by polars, the others by `identifiers`.

`insurers/lists/identifiers.py` is the rule. Each pattern here recognises cells that the rule
leaves as they are, or changes in one plain way; every other cell goes to the rule itself
(`tests/insurers/lists/test_common_forms.py` compares both on anything).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from insurers.lists import identifiers
from insurers.lists.identifiers import BadValueError
from insurers.lists.number_dates import Numbers
from insurers.lists.problems import Problem

REMEMBERED = 100_000
"""How many texts of one kind (dates, words) a worker remembers at the most."""


@dataclass
class Column:
    """Normalised values, "" where there is none; `bad` says what is wrong, by place."""

    values: pl.Series
    bad: dict[int, Problem] = field(default_factory=dict)


def _settle(
    cells: pl.Series, common: pl.Series, values: pl.Series, rule: Callable[[str], str]
) -> Column:
    """Take `values` where the cell is common, and ask the rule for each of the others."""
    places = (~common).arg_true()
    if places.is_empty():
        return Column(values)
    bad: dict[int, Problem] = {}
    settled = []
    for place, cell in zip(places.to_list(), cells.gather(places).to_list(), strict=True):
        try:
            settled.append(rule(cell))
        except BadValueError as error:
            bad[place] = error.problem
            settled.append("")
    return Column(values.scatter(places, settled), bad)


# Short enough to be no social security number: longer ones are looked at by the rule.
_NUMBER = "^[0-9A-Z]{1,12}$"


def member_numbers(cells: pl.Series, rule: Callable[[str], str]) -> Column:
    """Normalise member numbers; `rule` is `identifiers.member_number` behind the NIR check."""
    common = cells.str.contains(_NUMBER) & cells.str.contains("[0-9]")
    return _settle(cells, common, cells, rule)


class _Memo(dict[str, str]):
    """What a rule says of a text, remembered: dates and words come again and again."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self._rule = rule
        self.bad: dict[str, Problem] = {}

    def __missing__(self, text: str) -> str:
        try:
            found = self._rule(text)
        except BadValueError as error:
            found = ""
            self.bad[text] = error.problem
        if len(self) < REMEMBERED:
            self[text] = found
        return found


class Words:
    """Normalises columns whose texts are few, by remembering each."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        self._rule = rule
        self._memo = _Memo(rule)

    def column(self, cells: pl.Series) -> Column:
        """Normalise a column."""
        if len(self._memo.bad) > REMEMBERED:
            self._memo = _Memo(self._rule)
        if (cells == "").all() and self._memo[""] == "" and "" not in self._memo.bad:
            return Column(cells)
        texts = cells.to_list()
        values = pl.Series(list(map(self._memo.__getitem__, texts)), dtype=pl.String)
        bad: dict[int, Problem] = {}
        if self._memo.bad:
            problem_of = self._memo.bad.get
            for place in (values == "").arg_true():
                if problem := problem_of(texts[place]):
                    bad[place] = problem
        return Column(values, bad)


_DAY_FIRST = "^[0-9]{2}/[0-9]{2}/[0-9]{4}$"


class BirthDates:
    """Normalises birth dates into `yyyy-mm-dd`."""

    def __init__(self, today: date, numbers: Numbers) -> None:
        self._today = today
        self._others = Words(lambda text: identifiers.birth_date(text, today, numbers))

    def column(self, cells: pl.Series) -> Column:
        """Normalise a column."""
        day_first = cells.str.contains(_DAY_FIRST)
        if not day_first.any():
            return self._others.column(cells)
        dates = cells.str.to_date("%d/%m/%Y", strict=False)
        known = (dates >= identifiers.FIRST_BIRTH_DATE) & (dates <= self._today)
        places = (~(day_first & known.fill_null(False))).arg_true()
        values = pl.select(_year_first(pl.lit(cells))).to_series()
        if places.is_empty():
            return Column(values)
        others = self._others.column(cells.gather(places))
        bad = {places[place]: problem for place, problem in others.bad.items()}
        return Column(values.scatter(places, others.values), bad)


def _year_first(cells: pl.Expr) -> pl.Expr:
    year, month, day = (cells.str.slice(start, size) for start, size in ((6, 4), (3, 2), (0, 2)))
    return pl.concat_str(year, month, day, separator="-")


# What email-validator returns as it is, a little narrower than identifiers._COMMON_EMAIL.
_EMAIL = (
    r"^[a-zA-Z0-9_+-]+(?:\.[a-zA-Z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    "(?:fr|com|net|org|eu|be|ch|de|uk)$"
)


def emails(cells: pl.Series) -> Column:
    """Normalise e-mail addresses."""
    common = (cells == "") | (
        cells.str.contains(_EMAIL)
        & (cells.str.len_bytes() <= 64)
        & ~cells.str.contains("--", literal=True)
    )
    return _settle(cells, common, cells, identifiers.email)


_PHONE_SEPARATORS = r"[ \t\r\n\u00a0\u202f./()'-]"
_FRENCH_MOBILE = (
    r"^(?:\+33|0033|33)?0?"
    "(?:(?:6(?:[0-24-8][0-9]|3[0-8]|9[589])|7[3-9][0-9])[0-9]{6}|63998[0-9]{4})$"
)
_NATIONAL_DIGITS = 9


def mobile_phones(cells: pl.Series) -> Column:
    """Normalise mobile numbers into E.164."""
    compact = cells.str.replace_all(" ", "", literal=True)
    french = compact.str.contains(_FRENCH_MOBILE)
    if not (french | (compact == "")).all():
        compact = compact.str.replace_all(_PHONE_SEPARATORS, "")
        french = compact.str.contains(_FRENCH_MOBILE)
    values = ("+33" + compact.str.tail(_NATIONAL_DIGITS)).set(~french, "")
    return _settle(cells, french | (compact == ""), values, identifiers.mobile_phone)


# Letters that are one code point each and have no other form (ß folds into two).
_LETTER = "A-Za-zÀ-ÖØ-Þà-öø-ÿŒœ"
_NAME = f"^(?:[{_LETTER}][{_LETTER}'’-]*(?: [{_LETTER}'’-]+)*)?$"


def names(cells: pl.Series, rule: Callable[[str], str]) -> Column:
    """Normalise names; `rule` is `identifiers.name` behind the NIR check."""
    common = cells.str.contains(_NAME) & (cells.str.len_bytes() <= identifiers.LONGEST_NAME)
    return _settle(cells, common, cells, rule)
