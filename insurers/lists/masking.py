"""What of a file may be shown to people: headers that are not data, and shapes of values.

A file without a header has a person in its first row: a header that may be a value is masked,
in doubt too.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from insurers.lists.headers import field_of, is_made_of_known_words

LONGEST_HEADER = 80
LONGEST_SHAPE = 24
SHAPES_SHOWN = 3

_DATE = r"\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}"
_SURELY_DATA = re.compile(rf"{_DATE}|.*\S@\S.*|(?:.*\D)?(?:\d[ .-]?){{6,}}(?:\D.*)?", re.DOTALL)
_MAY_BE_DATA = re.compile(r"[\d.,+-]+|.*\d.*\d.*\d.*", re.DOTALL)

# Letters say how long a name is, so three stand for any number of them.
_LONG_LETTERS = re.compile(r"([Aa])[Aa]{3,}")
_LONG_DIGITS = re.compile(r"9{11,}")
_LONG_REST = re.compile(r"([^Aa9])\1{2,}")
_SHOWN_MARKS = frozenset(" @._-/+'’,:;()#&*%=\"…")


def value_shape(text: str) -> str:
    """Return what a value looks like, and nothing of it: `A99999`, `99/99/9999`, `aaa@aaa.aa`."""
    shape = "".join(_mark(letter) for letter in " ".join(text.split()))
    shape = _LONG_LETTERS.sub(lambda run: run[0][:3], shape)
    shape = _LONG_DIGITS.sub("9" * 10 + "…", shape)
    shape = _LONG_REST.sub(r"\1", shape)
    return shape if len(shape) <= LONGEST_SHAPE else shape[: LONGEST_SHAPE - 1] + "…"


def _mark(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind[0] == "L":
        return "A" if kind in ("Lu", "Lt") else "a"
    if kind[0] == "N":
        return "9"
    return letter if letter in _SHOWN_MARKS else "?"


def common_shapes(values: Iterable[str]) -> list[str]:
    """Return the commonest shapes of a column's values, at most three."""
    shapes = Counter(value_shape(value) for value in values if value.strip())
    return [shape for shape, _count in shapes.most_common(SHAPES_SHOWN)]


def is_surely_data(cell: str) -> bool:
    """Whether a cell is a date, an e-mail address or a long number, as no header is."""
    return bool(_SURELY_DATA.fullmatch(cell.strip()))


def shown_headers(header: Sequence[str], columns: Sequence[Sequence[str]]) -> list[str | None]:
    """Return each header as it may be shown and remembered; None where it may be a value.

    `columns` are the first values of each column. A header of known words is shown. Any other
    is masked where it looks like a value, where it is one of its column's values or looks as
    they do, and everywhere once a cell of the row looks like a value.
    """
    others = [name for name in header if name.strip() and not _is_known(name)]
    doubtful = any(_looks_like_a_value(name) for name in others)
    return [
        clean_header(name) if _may_be_shown(name, values, doubtful=doubtful) else None
        for name, values in zip(header, columns, strict=True)
    ]


def clean_header(name: str) -> str:
    """Return a header on one line, without what is not printable."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())


def _is_known(name: str) -> bool:
    return field_of(name) is not None or is_made_of_known_words(name)


def _looks_like_a_value(name: str) -> bool:
    return is_surely_data(name) or bool(_MAY_BE_DATA.fullmatch(name.strip()))


def _may_be_shown(name: str, values: Sequence[str], *, doubtful: bool) -> bool:
    if not name.strip():
        return True
    if len(clean_header(name)) > LONGEST_HEADER or _looks_like_a_value(name):
        return False
    if _is_known(name):
        return True
    return not doubtful and value_shape(name) not in {value_shape(value) for value in values}
