"""Recognise the French social security number (NIR), which the portal refuses by default.

Only uses listed by décret n° 2019-341 may process it; `NIR_ALLOWED` admits it.
Its form: sex, year, month, department (2A and 2B in Corsica), commune, order, and a key that
is 97 minus the rest of the first 13 divided by 97 (2A counts as 19, 2B as 18).
"""

import re
from dataclasses import dataclass

_SEPARATORS = str.maketrans("", "", " \u00a0\u202f.-")
_START = frozenset("123478")
_PERMISSIVE = re.compile(
    r"([1-478]\d\d(?:0[1-9]|1[0-2]|[23]\d|4[0-2]|[5-9]\d)(?:\d\d|2[AB])\d{6})(\d\d)?"
)
# Nearly every real one; a 13-digit number drawn at random matches once in 40.
_STRICT = re.compile(r"[12]\d\d(?:0[1-9]|1[0-2])(?!00)(?:\d\d|2[AB])\d{6}")

SHARE = 0.2
"""A column whose cells look like NIRs in this proportion holds NIRs."""


def _compact(text: str) -> str:
    # Most cells leave here: too short, or not starting like one.
    if len(text) < 13 or text.lstrip()[:1] not in _START:
        return ""
    compact = text.translate(_SEPARATORS).upper()
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


@dataclass
class ColumnWatch:
    """Counts, over a file, the cells of each column that look like NIRs."""

    filled: list[int]
    suspect: list[int]

    @classmethod
    def over(cls, width: int) -> "ColumnWatch":
        """Start watching `width` columns."""
        return cls([0] * width, [0] * width)

    def see(self, cells: list[str]) -> None:
        """Count one row, already cut to the file's width."""
        for place, cell in enumerate(cells):
            if cell:
                self.filled[place] += 1
                if len(cell) > 12 and looks_like_one(cell):
                    self.suspect[place] += 1

    def column_of_nirs(self) -> int | None:
        """Return the first column (from 0) that holds NIRs, judged by its share of them.

        One cell alone proves nothing: a member number can look like one by chance.
        """
        for place, (filled, suspect) in enumerate(zip(self.filled, self.suspect, strict=True)):
            if suspect >= 2 and suspect >= SHARE * filled:
                return place
        return None
