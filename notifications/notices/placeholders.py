"""Placeholders of a notice: `{prénom}` in a text stands for what each recipient's message says.

Some are the same for a whole campaign and are filled in when it is laid out; the others become
blanks (`rendering.py`). Whoever shares an address with others, or has an unlikely name, is named
by none of them.
"""

import re
import unicodedata
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Placeholder(StrEnum):
    """What a placeholder stands for."""

    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    REFERENCE = "reference"
    INSURER = "insurer"
    PEOPLE = "people"
    PORTAL = "portal"
    PHONE = "phone"


# As they are written, in French and in English; case and accents aside.
WRITTEN = {
    "prénom": Placeholder.FIRST_NAME,
    "prenom": Placeholder.FIRST_NAME,
    "first name": Placeholder.FIRST_NAME,
    "nom": Placeholder.LAST_NAME,
    "last name": Placeholder.LAST_NAME,
    "référence": Placeholder.REFERENCE,
    "reference": Placeholder.REFERENCE,
    "organisme": Placeholder.INSURER,
    "insurer": Placeholder.INSURER,
    "personnes": Placeholder.PEOPLE,
    "people": Placeholder.PEOPLE,
    "portail": Placeholder.PORTAL,
    "portal": Placeholder.PORTAL,
    "téléphone": Placeholder.PHONE,
    "telephone": Placeholder.PHONE,
    "phone": Placeholder.PHONE,
}
# What the form explains, in this order.
EXPLAINED: tuple[tuple[str, Promise], ...] = (
    ("{prénom}", _("le prénom")),
    ("{nom}", _("le nom")),
    ("{référence}", _("le code de référence du message")),
    ("{organisme}", _("le responsable de traitement")),
    ("{personnes}", _("le nombre de personnes que le message concerne")),
    ("{portail}", _("l’adresse du portail")),
    ("{téléphone}", _("le téléphone de contact")),
)
# The same for everybody.
SHARED = frozenset({Placeholder.INSURER, Placeholder.PORTAL, Placeholder.PHONE})
_FOUND = re.compile(r"\{([^{}]*)\}")
_STRAY = re.compile(r"[{}]")


def placeholders_in(text: str) -> list[Placeholder]:
    """Return the known placeholders of a text, in order."""
    found = (_meaning(name) for name in _FOUND.findall(text))
    return [one for one in found if one is not None]


def unknown_in(text: str) -> list[str]:
    """Return what looks like a placeholder and is none, as it is written, once each."""
    unknown = [f"{{{name}}}" for name in _FOUND.findall(text) if _meaning(name) is None]
    return list(dict.fromkeys([*unknown, *_STRAY.findall(_FOUND.sub("", text))]))


def replaced(text: str, values: dict[Placeholder, str]) -> str:
    """Return a text with these placeholders replaced; others stay as they are written."""

    def value_of(match: re.Match[str]) -> str:
        meaning = _meaning(match[1])
        return values.get(meaning, match[0]) if meaning is not None else match[0]

    return _FOUND.sub(value_of, text)


def _meaning(name: str) -> Placeholder | None:
    composed = unicodedata.normalize("NFC", name)  # An accent may come apart from its letter.
    return WRITTEN.get(" ".join(composed.replace("_", " ").split()).lower())
