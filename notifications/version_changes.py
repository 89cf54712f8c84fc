"""What changed between two versions of a notice, field by field, word by word."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from typing import Literal

from notifications.notices import NoticeContent, NoticeTexts

_WORDS = re.compile(r"\s+|[^\s]+")


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
    """Compare two texts word by word; what stayed and came, joined, is the second."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    found = []
    for verb, start, end, to_start, to_end in SequenceMatcher(
        a=old, b=new, autojunk=False
    ).get_opcodes():
        if verb == "equal":
            found.append(Piece("same", "".join(old[start:end])))
            continue
        if start < end:
            found.append(Piece("removed", "".join(old[start:end])))
        if to_start < to_end:
            found.append(Piece("added", "".join(new[to_start:to_end])))
    return tuple(found)


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
