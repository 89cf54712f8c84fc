"""Recognise the columns of a file by their headers, in French and English."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

from django.conf import settings

from insurers.lists.header_names import IGNORED, NAMES, OTHER_WORDS, SPELLINGS
from insurers.lists.identifiers import plain
from insurers.lists.number_dates import Numbers
from insurers.lists.problems import Field, Refusal
from insurers.lists.refusal import FileRefusedError

NEEDED = (Field.MEMBER_NUMBER, Field.BIRTH_DATE)
CONTACTS = (Field.EMAIL, Field.PHONE)
# In the order in which an envelope carries them (NF Z 10-011: the most precise first).
ADDRESS_LINES = (Field.ADDRESS_COMPLEMENT, Field.ADDRESS, Field.ADDRESS_2, Field.ADDRESS_3)
POSTAL = (*ADDRESS_LINES, Field.POSTCODE, Field.CITY, Field.COUNTRY)
# Without these columns a file gives no postal address.
NEEDED_FOR_LETTERS = (Field.ADDRESS, Field.POSTCODE, Field.CITY)
# Only counted, or of use for few: two columns that may hold it are no reason to ask people.
NEVER_ASKED = (Field.RELATIONSHIP, *POSTAL)
# Recognised in one row: a title, or a row of data, hardly holds so many headers.
SURE_HEADERS = 2
NOTHING: Mapping[str, Field] = MappingProxyType({})

_WORD = re.compile(r"[a-z]+|\d+")
_CAPITAL_INSIDE = re.compile(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])")
_INITIALS = re.compile(r"\b(?:[^\W\d_]\.){2,}")  # « D.D.N. », « N.I.R. »: one word each.
# « N°adhérent », « Nºadhérent », « №adhérent »: without a space, one word otherwise.
_NUMBER_SIGNS = str.maketrans({"°": " ", "º": " ", "№": "n "})
_CANONICAL = {said: word for word, spellings in SPELLINGS.items() for said in spellings}
# A numbered header (« Tél 2 ») comes after any that is not, and equals the others so numbered.
_NUMBERED_TIER = 10
_REMEMBERED_TIER = -1


def _words(header: str) -> list[str]:
    together = _INITIALS.sub(lambda initials: initials[0].replace(".", ""), header)
    spaced = _CAPITAL_INSIDE.sub(" ", together.translate(_NUMBER_SIGNS))
    return [word for word in _WORD.findall(plain(spaced)) if word not in IGNORED]


def _canonical_words(header: str) -> list[str]:
    return [_CANONICAL.get(word, word) for word in _words(header)]


def header_key(header: str) -> str:
    """Return a header without case, accents, punctuation and small words.

    « Né(e) le » and « NE_LE » have one key; « Tél » and « Téléphone » have two, so that a
    choice between them can be remembered.
    """
    return " ".join(_words(header))


def _run_together(name: str) -> Iterator[str]:
    """Yield the ways to write a name as one word: `numadh`, `noadherent`…"""
    spelt = [(word, *SPELLINGS.get(word, ())) for word in name.split()]
    yield from ("".join(words) for words in product(*spelt)) if len(spelt) > 1 else ()


_MEANINGS: dict[str, tuple[Field, int]] = {}
_ONE_WORD: dict[str, tuple[Field, int]] = {}
for _field, _tiers in NAMES.items():
    for _tier, _names in enumerate(_tiers):
        for _name in _names:
            _MEANINGS.setdefault(" ".join(sorted(_name.split())), (_field, _tier))
            for _word in _run_together(_name):
                _ONE_WORD.setdefault(_word, (_field, _tier))
KNOWN_WORDS = OTHER_WORDS | IGNORED | {word for key in _MEANINGS for word in key.split()}


def _meaning(header: str) -> tuple[Field, int] | None:
    """Return the field that a header names and its tier, or None."""
    words = _canonical_words(header)
    if found := _MEANINGS.get(" ".join(sorted(words))):
        return found
    named = [word for word in words if not word.isdigit()]
    found = _MEANINGS.get(" ".join(sorted(named)))
    if found is None and len(named) == 1:
        found = _ONE_WORD.get(named[0])
    if found is None or len(words) - len(named) > 1:
        return None
    return found if len(words) == len(named) else (found[0], found[1] + _NUMBERED_TIER)


def field_of(header: str) -> Field | None:
    """Return the field that a header names, surely or not."""
    found = _meaning(header)
    return found[0] if found else None


def is_made_of_known_words(header: str) -> bool:
    """Whether a header holds nothing but words that headers are made of."""
    words = [word for word in _canonical_words(header) if not (word.isdigit() and len(word) < 3)]
    return bool(words) and all(word in KNOWN_WORDS for word in words)


@dataclass(frozen=True)
class Layout:
    """Where each recognised column stands (from 0), and how many columns there are.

    `numbers` says what the numbers among its birth dates are.
    """

    columns: dict[Field, int]
    width: int
    numbers: Numbers = Numbers.UNKNOWN

    def column_name(self, place: int) -> str:
        """Return the code of a column for people: its field, else `#` and its number."""
        for field, column in self.columns.items():
            if column == place:
                return field.value
        return f"#{place + 1}"


class ColumnsUnclearError(Exception):
    """People must say which column is which.

    `missing` holds what no column is known for (a field's code, or `email|phone`), `ambiguous`
    the fields that several columns claim, `suggested` what is clear all the same, by place.
    """

    def __init__(
        self,
        *,
        missing: tuple[str, ...] = (),
        ambiguous: tuple[Field, ...] = (),
        suggested: Mapping[int, Field] | None = None,
    ) -> None:
        super().__init__(",".join((*missing, *ambiguous)))
        self.missing = missing
        self.ambiguous = ambiguous
        self.suggested = suggested or {}


def recognised(header: list[str]) -> int:
    """Return how many headers name a column that the portal knows, but for those of addresses.

    Those head tables of anything: agencies, doctors.
    """
    return sum(field_of(name) not in (None, *POSTAL) for name in header)


def missing_columns(fields: Collection[Field]) -> tuple[str, ...]:
    """Return the codes of what a list needs and these fields lack."""
    missing = [field.value for field in NEEDED if field not in fields]
    if not any(contact in fields for contact in CONTACTS):
        missing.append("|".join(contact.value for contact in CONTACTS))
    return tuple(missing)


def check_choice(chosen: Mapping[int, Field]) -> None:
    """Raise ColumnsUnclearError where a choice lacks a needed field or has one twice."""
    fields = list(chosen.values())
    ambiguous = tuple(field for field in Field if fields.count(field) > 1)
    missing = missing_columns(fields)
    if any(field in fields for field in POSTAL):
        missing += tuple(field.value for field in NEEDED_FOR_LETTERS if field not in fields)
    if missing or ambiguous:
        raise ColumnsUnclearError(missing=missing, ambiguous=ambiguous)


def read_layout(
    header: list[str],
    *,
    chosen: Mapping[int, Field] | None = None,
    remembered: Mapping[str, Field] = NOTHING,
) -> Layout:
    """Return where the needed and optional columns stand.

    `chosen` maps places (from 0) to fields and is taken as it is; else `remembered`, by
    `header_key`, goes before what headers usually mean. Raises ColumnsUnclearError, or
    FileRefusedError where a header names the social security number and none is admitted.
    """
    meanings = [_meaning(name) for name in header]
    if not settings.NIR_ALLOWED and any(found and found[0] == Field.NIR for found in meanings):
        raise FileRefusedError(Refusal.NIR_COLUMN, row=1, column=Field.NIR.value)
    if chosen is not None:
        check_choice(chosen)
        return Layout({field: place for place, field in chosen.items()}, len(header))
    for place, name in enumerate(header):
        if (key := header_key(name)) in remembered:
            meanings[place] = (remembered[key], _REMEMBERED_TIER)
    return Layout(_clear_columns(meanings), len(header))


def _clear_columns(meanings: list[tuple[Field, int] | None]) -> dict[Field, int]:
    claims: dict[Field, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, found in enumerate(meanings):
        if found:
            claims[found[0]][found[1]].append(place)
    surest = {field: tiers[min(tiers)] for field, tiers in claims.items()}
    # Admitted, or the file was refused: it serves where there is no member number.
    if places := surest.pop(Field.NIR, None):
        surest.setdefault(Field.MEMBER_NUMBER, places)
    for field in NEVER_ASKED:
        if len(surest.get(field, ())) > 1:
            del surest[field]
    if any(field not in surest for field in NEEDED_FOR_LETTERS):
        for field in POSTAL:
            surest.pop(field, None)
    columns = {field: places[0] for field, places in surest.items() if len(places) == 1}
    missing = missing_columns(surest.keys())
    if missing or len(columns) < len(surest):
        raise ColumnsUnclearError(
            missing=missing,
            ambiguous=tuple(field for field in Field if len(surest.get(field, ())) > 1),
            suggested={place: field for field, place in columns.items()},
        )
    return columns


_TOTAL = re.compile(
    r"(?:(?:sous|grand)[ -]?)?(?:totaux|total|nombre|somme)(?: [a-z'’ -]*)?[:=]?[\d., ]*"
)
_BLANK_OR_NUMBER = re.compile(r"[\d., ]*")


def is_total(cells: Sequence[str], number: int) -> bool:
    """Whether a row without a birth date is a line of totals, and not a person.

    Its words all say so, and nothing stands in the column of member numbers but such words.
    """
    texts = [plain(cell).strip() for cell in cells]
    words = [text for text in texts if not _BLANK_OR_NUMBER.fullmatch(text)]
    is_nobody = not texts[number] or texts[number] in words
    return is_nobody and bool(words) and all(map(_TOTAL.fullmatch, words))
