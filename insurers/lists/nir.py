"""Recognise the French social security number (NIR), which the portal refuses by default.

Only uses listed by décret n° 2019-341 may process it; `NIR_ALLOWED` admits it.
Its form: sex, year, month, department (2A and 2B in Corsica), commune, order, and a key that
is 97 minus the rest of the first 13 divided by 97 (2A counts as 19, 2B as 18).
"""

import re
from dataclasses import dataclass

import polars as pl
from django.conf import settings

from insurers.lists.headers import Layout
from insurers.lists.identifiers import BLANKS, DASHES, SEPARATORS
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError

# All that a member number loses, or a sign that nobody sees would let a NIR pass for one.
_BETWEEN = rf"\s{BLANKS}./'’_{DASHES[1:]}-"
_SEPARATORS = str.maketrans("", "", SEPARATORS)
_START = frozenset("123478")
_PERMISSIVE = re.compile(
    r"([1-478]\d\d(?:0[1-9]|1[0-2]|[23]\d|4[0-2]|[5-9]\d)(?:\d\d|2[AB])\d{6})(\d\d)?"
)
# Nearly every real one; a 13-digit number drawn at random matches once in 40.
_STRICT = re.compile(r"[12]\d\d(?:0[1-9]|1[0-2])(?!00)(?:\d\d|2[AB])\d{6}")

# 13 or 15 signs among separators, whatever stands around them: `NIR185…`, `185…@example.fr`.
_SIGNS = rf"[123478](?:[{_BETWEEN}]*[0-9ABab]){{12}}(?:(?:[{_BETWEEN}]*\d){{2}})?"
# Looked for at every sign: a short number before one makes another of 15 signs with it.
_INSIDE = re.compile(rf"(?<!\d)(?=({_SIGNS})(?!\d))")
_CANDIDATE = rf"(?:^|\D){_SIGNS}(?:\D|$)"  # The same to polars, which looks neither back nor on.

SHARE = 0.2
"""A column whose cells look like NIRs in this proportion holds NIRs."""


def _compact(text: str) -> str:
    # Most cells leave here: too short, or not starting like one.
    if len(text) < 13 or text.lstrip(SEPARATORS)[:1] not in _START:
        return ""
    compact = text.removesuffix(".0").translate(_SEPARATORS).upper()
    return compact if len(compact) in (13, 15) else ""


def has_valid_key(text: str) -> bool:
    """Whether the cell is a NIR of 15 characters with the right key."""
    if len(text) < 15:
        return False
    match = _PERMISSIVE.fullmatch(_compact(text))
    if match is None or match[2] is None:
        return False
    digits = (
        match[1].replace("2A", "19").replace("2B", "18") if not match[1].isdigit() else match[1]
    )
    return 97 - int(digits) % 97 == int(match[2])


def looks_like_one(text: str) -> bool:
    """Whether the cell has the form of a NIR, with or without key."""
    compact = _compact(text)
    return bool(compact) and (bool(_STRICT.match(compact)) or has_valid_key(compact))


def holds_one(text: str) -> bool:
    """Whether the text is a NIR, with or without key, or has one somewhere in it."""
    return len(text) > 12 and any(looks_like_one(found[1]) for found in _INSIDE.finditer(text))


def masked(text: str, mask: str) -> str:
    """Return the text with a mask in place of each NIR in it."""
    kept, end = [], 0
    for found in _INSIDE.finditer(text):
        start, stop = found.span(1)
        if start >= end and looks_like_one(found[1]):
            kept += [text[end:start], mask]
            end = stop
    return "".join([*kept, text[end:]])


@dataclass
class ColumnWatch:
    """Counts, over a file, the cells of each column that are NIRs or hold one."""

    filled: list[int]
    suspect: list[int]

    @classmethod
    def over(cls, width: int) -> "ColumnWatch":
        """Start watching `width` columns."""
        return cls([0] * width, [0] * width)

    def see_block(self, columns: list[pl.Series]) -> None:
        """Count the cells of a block."""
        for place, cells in enumerate(columns):
            lengths = cells.str.len_bytes()
            self.filled[place] += int((lengths > 0).sum())
            if not (lengths > 12).any():
                continue
            candidates = cells.filter(cells.str.contains(_CANDIDATE)).to_list()
            self.suspect[place] += sum(map(holds_one, candidates))

    def add(self, other: "ColumnWatch") -> None:
        """Add the counts of another part of the file."""
        for place, (filled, suspect) in enumerate(zip(other.filled, other.suspect, strict=True)):
            self.filled[place] += filled
            self.suspect[place] += suspect

    def column_of_nirs(self, *, at_least: int = 0) -> int | None:
        """Return the first column (from 0) that holds NIRs, judged by its share of them.

        One cell alone proves nothing: a member number can look like one by chance. A column
        with fewer than `at_least` filled cells is not judged.
        """
        for place, (filled, suspect) in enumerate(zip(self.filled, self.suspect, strict=True)):
            if filled >= at_least and suspect >= 2 and suspect >= SHARE * filled:
                return place
        return None


def check_share(watch: ColumnWatch, layout: Layout, *, at_least: int = 0) -> None:
    """Raise FileRefusedError where a column of `at_least` filled cells holds NIRs."""
    if settings.NIR_ALLOWED:
        return
    place = watch.column_of_nirs(at_least=at_least)
    if place is not None:
        raise FileRefusedError(Refusal.NIR_COLUMN, column=layout.column_name(place))
