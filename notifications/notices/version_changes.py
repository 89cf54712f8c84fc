"""What changed between two versions of a notice, field by field, word by word."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

from notifications.notices.content import NoticeContent, NoticeTexts

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS = re.compile(r"\S+\s*|\s+")
MOST = 200  # lines or words


@dataclass(frozen=True)
class Piece:
    """A run of text that stayed, went or came."""

    kind: Literal["same", "removed", "added"]
    text: str


@dataclass(frozen=True)
class Change:
    """A field that changed, as the form names it, and what became of its text."""

    field: str
    pieces: tuple[Piece, ...]


def changes(
    before: NoticeContent, after: NoticeContent, *, categories: Mapping[str, str]
) -> list[Change]:
    """Return the fields that differ, in the order of the content.

    `categories` names the data categories by their codes.
    """
    old, new = _texts(before, categories), _texts(after, categories)
    return [Change(name, pieces(old[name], new[name])) for name in new if old[name] != new[name]]


def pieces(before: str, after: str) -> tuple[Piece, ...]:
    """Compare two texts line by line, and changed lines word by word.

    What stayed and came, joined, is the second. Where more than MOST differ in a row, all of them
    went and came: comparing takes a time that grows with the cube of what repeats.
    """
    found: list[Piece] = []
    for old, new in _compared(_LINES.findall(before), _LINES.findall(after)):
        if old == new:
            found.append(Piece("same", "".join(old)))
            continue
        for gone, come in _compared(_WORDS.findall("".join(old)), _WORDS.findall("".join(new))):
            found += _pieces_of("".join(gone), "".join(come))
    return tuple(_joined(found))


def _compared(old: list[str], new: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield runs of both in order: equal ones, and those that stand for each other."""
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    yield old[:start], new[:start]
    left, right = old[start : len(old) - end], new[start : len(new) - end]
    if max(len(left), len(right)) > MOST:
        yield left, right
    else:
        matcher = SequenceMatcher(a=left, b=right, autojunk=False)
        for _verb, a, b, c, d in matcher.get_opcodes():
            yield left[a:b], right[c:d]
    yield old[len(old) - end :], new[len(new) - end :]


def _alike(old: list[str], new: list[str]) -> int:
    """Return how many are equal at the start."""
    pairs = zip(old, new, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(old), len(new)))


def _pieces_of(gone: str, come: str) -> list[Piece]:
    if gone == come:
        return [Piece("same", gone)]
    return [Piece("removed", gone), Piece("added", come)]


def _joined(pieces_found: Iterable[Piece]) -> Iterator[Piece]:
    """Leave out what is empty, and make one of neighbours of a kind."""
    for kind, run in groupby((piece for piece in pieces_found if piece.text), lambda p: p.kind):
        yield Piece(kind, "".join(piece.text for piece in run))


def _texts(content: NoticeContent, categories: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in fields(content):
        value = getattr(content, one.name)
        if isinstance(value, NoticeTexts):
            found |= {f"{one.name}_{n.name}": getattr(value, n.name) for n in fields(value)}
        elif isinstance(value, tuple):
            found[one.name] = _listed(value, categories)
        else:
            found[one.name] = value
    return found


def _listed(codes: Iterable[str], categories: Mapping[str, str]) -> str:
    """Name codes one a line, in one order, so that only what differs is seen."""
    return "\n".join(sorted(categories.get(code, code) for code in codes))
