"""A notice as letters: A4 pages for window envelopes, as a PDF to print or as pictures to look at.

The same content as the e-mail, in the same order. `templates/…/letter.typ` lays it out; every text
goes there as a value. Equal letters give equal bytes.
"""

import io
import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from insurers.lists.contacts import Contact
from insurers.lists.postal import PostalAddress
from notifications.letters import child
from notifications.letters.envelopes import envelope_lines
from notifications.notices.content import NoticeContent
from notifications.notices.facts import day_in_words
from notifications.notices.rendering import (
    COVERED,
    LANGUAGES,
    REFERENCE,
    SALUTATION,
    Language,
    category_labels,
    covered,
    names_of,
    salutation,
    with_blanks,
)

AT_MOST = 500  # letters in a file: what a machine takes in hand, and some 550 MB while it is made
TEMPLATE = settings.BASE_DIR / "templates/notifications/messages/notice/letter.typ"
_SECONDS = 300  # far beyond what that takes
_PPI = 110
# « … 75001 Paris » at the end of an address: the place from which a letter is dated.
_PLACE = re.compile(r"\b\d{5}\s+([^\W\d_][^\d,;()\n]*)")
_CEDEX = re.compile(r"\s+cedex\b.*", re.IGNORECASE)


class LetterError(Exception):
    """The letters could not be laid out; the message names none of them."""


@dataclass(frozen=True)
class LetterLayout:
    """A notice as letters of one day, in each language: what the template asks for."""

    title: str
    author: str
    languages: dict[Language, dict[str, Any]]


@dataclass(frozen=True)
class Letter:
    """One letter; its contact has a name and a postal address."""

    contact: Contact
    people: int
    reference: str

    def __repr__(self) -> str:
        """Say nothing: traces and test reports print it."""
        return "Letter(…)"

    @property
    def language(self) -> Language:
        """The language to write in."""
        return "en" if self.contact.language == "en" else "fr"


def lay_out_letters(content: NoticeContent, *, dated: date) -> LetterLayout:
    """Lay a notice out as letters (in French where the notice has no English)."""
    return LetterLayout(
        title=_one_line(with_blanks(content, content.fr).subject),
        author=content.controller_name,
        languages={language: _words(content, language, dated) for language in LANGUAGES},
    )


def letter_pdf(layout: LetterLayout, letters: Sequence[Letter]) -> bytes:
    """Return a PDF (PDF/UA-1) of at most AT_MOST letters, each from the front of a sheet on.

    Takes some 10 ms a letter. Raises LetterError.
    """
    if len(letters) > AT_MOST:
        raise ValueError(f"at most {AT_MOST} letters in a file")
    (pdf,) = _typst(layout, letters, ppi=0)
    return pdf


def letter_pages(layout: LetterLayout, letter: Letter) -> list[bytes]:
    """Return each page of a letter as PNG, to look at on a screen. Raises LetterError."""
    return _typst(layout, [letter], ppi=_PPI)


def typeset(template: Path, given: dict[str, Any]) -> bytes:
    """Have typst lay texts out by a template, as a PDF. Raises LetterError.

    The template finds what is given in `sys.inputs.letters`; nothing of it is read as markup.
    """
    (pdf,) = _made({"template": str(template), "ppi": 0, "letters": _printable(given)})
    return pdf


def _asked(layout: LetterLayout, letters: Sequence[Letter], *, ppi: int) -> dict[str, Any]:
    given = {
        "title": layout.title,
        "author": layout.author,
        "lang": layout.languages["fr"]["lang"],
        "letters": [_filled(layout, letter) for letter in letters],
    }
    return {"template": str(TEMPLATE), "ppi": ppi, "letters": _printable(given)}


def _typst(layout: LetterLayout, letters: Sequence[Letter], *, ppi: int) -> list[bytes]:
    return _made(_asked(layout, letters, ppi=ppi))


def _made(asked: dict[str, Any]) -> list[bytes]:
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(child.__file__))],
            input=json.dumps(asked).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # It would name the text that it stumbled over.
            env={},
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError:
        raise LetterError("letters could not be laid out") from None
    made = io.BytesIO(done.stdout)
    return [made.read(_number(made)) for _file in range(_number(made))]


def _number(made: io.BytesIO) -> int:
    number = child.NUMBER
    return int(number.unpack(made.read(number.size))[0])


def _filled(layout: LetterLayout, letter: Letter) -> dict[str, Any]:
    contact, people, language = letter.contact, letter.people, letter.language
    name = " ".join(part for part in (contact.first_name, contact.last_name) if part)
    words = layout.languages[language]
    blanks = {
        SALUTATION: salutation(contact, people=people, language=words["lang"]),
        COVERED: covered(people=people, language=words["lang"]),
        REFERENCE: letter.reference,
        **names_of(contact, people=people, language=words["lang"]),
    }
    filled: dict[str, Any] = _with_each_text(words, lambda text: _filled_in(text, blanks))
    address = envelope_lines(name=name, address=PostalAddress.of(contact.address))
    return filled | {"address": address, "code": letter.reference}


def _filled_in(text: str, blanks: dict[str, str]) -> str:
    for blank, value in blanks.items():
        text = text.replace(blank, value)
    return text


def _words(content: NoticeContent, language: Language, dated: date) -> dict[str, Any]:
    spoken: Language = "en" if content.texts(language) is content.en else "fr"
    texts = with_blanks(content, content.texts(language))
    with translation.override(spoken):
        return {
            "lang": spoken,
            "sender": [content.controller_name, *_lines(content.controller_address)],
            "date": _place_and_day(content.controller_address, dated, spoken),
            "reference": _("Code de référence : %(reference)s") % {"reference": REFERENCE},
            "subject": _one_line(texts.subject),
            "page": _("Page {number} sur {of}"),
            "opening": [{"text": SALUTATION}, {"text": COVERED}],
            "sections": [
                _section(_("Ce qui s’est passé"), f"{texts.nature}\n{texts.dates}"),
                _list(_("Les données concernées"), content.exposed, spoken),
                _list(_("Les données qui ne sont pas concernées"), content.not_exposed, spoken),
                _section(_("Les conséquences probables"), texts.consequences),
                _section(_("Ce qui a été fait"), texts.measures),
                _section(_("Ce que vous pouvez faire"), texts.advice),
                {
                    "title": _("Pour nous contacter"),
                    "parts": [{"lines": list(_contact(content))}],
                },
                _section(_("Ce message est-il vrai ?"), _how_to_check()),
            ],
        }


def _contact(content: NoticeContent) -> Iterator[str]:
    """Yield what the e-mail says there, line by line."""
    yield _("Délégué à la protection des données : %(name)s") % {"name": content.dpo_name}
    if phone := content.contact_phone:
        yield _("Téléphone : %(phone)s") % {"phone": phone}
    if email := content.contact_email:
        yield _("Courriel : %(email)s") % {"email": email}
    if content.contact_address:
        yield _("Courrier : %(address)s") % {"address": _one_line(content.contact_address)}
    yield _("Responsable de traitement : %(name)s, %(address)s") % {
        "name": content.controller_name,
        "address": _one_line(content.controller_address),
    }


def _how_to_check() -> str:
    return _(
        "Cette lettre porte le code de référence %(reference)s. Pour vérifier qu’elle a bien été"
        " envoyée, tapez vous-même l’adresse %(host)s dans votre navigateur, puis ce code. Nous ne"
        " demandons jamais de mot de passe, de coordonnées bancaires ni de paiement."
    ) % {"host": settings.PORTAL_HOST, "reference": REFERENCE}


def _section(title: str, text: str) -> dict[str, Any]:
    return {"title": title, "parts": [{"text": line} for line in _lines(text)]}


def _list(title: str, codes: tuple[str, ...], language: Language) -> dict[str, Any]:
    return {"title": title, "parts": [{"items": category_labels(codes, language)}]}


def _place_and_day(address: str, dated: date, language: Language) -> str:
    day = day_in_words(dated, language)
    places = _PLACE.findall(address)
    if not places:
        return _("Le %(day)s") % {"day": day}
    place = _CEDEX.sub("", places[-1]).strip()
    return _("%(place)s, le %(day)s") % {"place": place, "day": day}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _one_line(text: str) -> str:
    return ", ".join(_lines(text))


# What the fonts that typst carries can show, and PDF/UA-1 therefore admits.
_SHOWN = (range(0x20, 0x500), range(0x1E00, 0x2041), range(0x2042, 0x2043), range(0x2044, 0x20D0))
_UNSHOWN_KINDS = ("Cc", "Cf", "Cn", "Co", "Cs")
_SHOWN_LETTERS = "".join(
    chr(code)
    for codes in _SHOWN
    for code in codes
    if unicodedata.category(chr(code)) not in _UNSHOWN_KINDS
)
_UNPRINTABLE = re.compile(f"[^{re.escape(_SHOWN_LETTERS)}]")


def _printable(given: Any) -> Any:
    """Leave out what no font shows: one such character would keep five hundred letters back."""
    return _with_each_text(given, lambda text: _UNPRINTABLE.sub("", text))


def _with_each_text(thing: Any, change: Callable[[str], str]) -> Any:
    if isinstance(thing, dict):
        return {key: _with_each_text(value, change) for key, value in thing.items()}
    if isinstance(thing, list):
        return [_with_each_text(value, change) for value in thing]
    return change(thing) if isinstance(thing, str) else thing
