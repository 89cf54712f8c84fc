"""A list of any length, written piece by piece, and what its reading must count in it.

Families on one address, rows twice, contacts that contradict, bad rows, bad contacts, and
comments with quotes and newlines in them, which fall on every border between pieces and blocks.
"""

from collections import Counter
from collections.abc import Iterator

HEADER = "N° adhérent;Né(e) le;Nom;Prénom;Courriel;Portable;Commentaire\r\n"
COUNTED = (
    "rows",
    "rows_rejected",
    "rows_duplicate",
    "rows_conflicting",
    "members",
    "members_with_email",
    "members_with_phone",
    "members_without_contact",
)
"""The fields of a list that `ManyRows` foresees."""

# Every so many people; primes, so that all meet all.
_WITH_COMMENT, _TWICE, _CONTRADICTED, _BAD_DATE = 3, 97, 101, 89
_BAD_EMAIL, _WITHOUT_CONTACT = 83, 79
_LATER = 5000  # rows between a person and its repetition


class ManyRows:
    """Iterates over the pieces of a file with so many people; then `counts` says what it holds."""

    def __init__(self, people: int) -> None:
        self._people = people
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[bytes]:
        self.counts = Counter(dict.fromkeys(COUNTED, 0))
        yield HEADER.encode()
        for start in range(0, self._people + _LATER, 10_000):
            some = range(start, min(start + 10_000, self._people + _LATER))
            yield "".join(row for number in some for row in self._rows(number)).encode()

    def _rows(self, number: int) -> Iterator[str]:
        if number < self._people:
            yield self._first(number)
        if (earlier := number - _LATER) >= 0:
            yield from self._again(earlier)

    def _first(self, number: int) -> str:
        self.counts["rows"] += 1
        if number % _BAD_DATE == 0:
            self.counts["rows_rejected"] += 1
            return _row(number, born="31/02/1980")
        email, phone = _email(number), _phone(number)
        self.counts["members"] += 1
        self.counts["members_with_email"] += "@" in email
        self.counts["members_with_phone"] += bool(phone)
        self.counts["members_without_contact"] += "@" not in email and not phone
        return _row(number, email=email, phone=phone)

    def _again(self, number: int) -> Iterator[str]:
        """Say a person again: the same, or with another address, which wins."""
        if number % _BAD_DATE == 0 or "@" not in _email(number):
            return
        if number % _TWICE == 0:
            self.counts["rows"] += 1
            self.counts["rows_duplicate"] += 1
            yield _row(number, email=_email(number), phone=_phone(number))
        elif number % _CONTRADICTED == 0:
            self.counts["rows"] += 1
            self.counts["rows_conflicting"] += 1
            yield _row(number, email=f"autre.{number}@example.fr", phone=_phone(number))


def _row(number: int, *, born: str = "31/12/1980", email: str = "", phone: str = "") -> str:
    comment = f'"« ""n° {number}"" »\r\n;suite"' if number % _WITH_COMMENT == 0 else ""
    return f"M{number:08d};{born};Marin;Lise;{email};{phone};{comment}\r\n"


def _email(number: int) -> str:
    if number % _WITHOUT_CONTACT == 0:
        return ""
    if number % _BAD_EMAIL == 0:
        return "sans arobase"
    return f"foyer.{number // 3}@example.fr"


def _phone(number: int) -> str:
    if number % _WITHOUT_CONTACT == 0 or number % 2:
        return ""
    return f"06 39 98 {number // 100 % 100:02d} {number % 100:02d}"
