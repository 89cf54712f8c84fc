"""The links of the messages: where they lead, and what whoever holds one may do.

A link holds a random token, whose SHA-256 alone is stored. The web role reads no address: three
functions of the database find, confirm or remove the one row of a token.
"""

import hashlib
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from insurers.models import Insurer


@dataclass(frozen=True)
class Wait:
    """That somebody waits for an insurer's answer, or has yet to confirm it."""

    insurer: Insurer
    is_confirmed: bool


def link_to_confirm(token: str, *, language: str) -> str:
    """Return the address of the page with the button that confirms."""
    return _link("confirmer", token, language)


def link_to_remove(token: str, *, language: str) -> str:
    """Return the address of the page with the button that removes; it takes a bare POST too."""
    return _link("retirer", token, language)


def _link(verb: str, token: str, language: str) -> str:
    # As `reverse` does in lookup/waiting/urls.py, which a worker does not load.
    prefix = "" if language == "fr" else f"/{language}"
    return f"{settings.PORTAL_URL}{prefix}/attente/{verb}/{token}/"


def find_wait(*, token: str) -> Wait | None:
    """Return what a token stands for, None where it stands for nothing (any more)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT insurer_id, is_confirmed FROM lookup_find_waiting(%s)", [hashed(token)]
        )
        found = cursor.fetchone()
    return Wait(Insurer.objects.get(pk=found[0]), found[1]) if found else None


def confirm(*, token: str) -> None:
    """Let the address of a token wait; nothing happens where it waits already or is gone."""
    _call("SELECT lookup_confirm_waiting(%s)", token)


def remove(*, token: str) -> None:
    """Erase the address of a token; nothing happens where it is gone."""
    _call("SELECT lookup_remove_waiting(%s)", token)


def hashed(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


def _call(statement: str, token: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [hashed(token)])
