"""Insurers' ids, as text and as objects: the same hundreds on each page, made once a process."""

from functools import lru_cache
from uuid import UUID

INSURERS = 10_000  # more than there are


@lru_cache(INSURERS)
def known_id(text: str) -> UUID:
    """Return the id that a text names."""
    return UUID(text)


@lru_cache(INSURERS)
def id_text(insurer_id: UUID) -> str:
    """Return an id as text."""
    return str(insurer_id)
