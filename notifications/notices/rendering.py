"""Turn a notice into messages: laid out once per language, filled in per recipient."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from insurers.lists.contacts import Contact
from insurers.models import DataCategory
from notifications.channels.segments import plain
from notifications.notices.content import NoticeContent, NoticeTexts
from notifications.notices.placeholders import Placeholder, replaced

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = ("fr", "en")

# Letters, space, apostrophe, hyphen and dot: anything else gives a neutral salutation.
NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[ '’.\-]){0,60}")
SALUTATION, COVERED, REFERENCE, FULL_NAME, FIRST_NAME, LAST_NAME, PEOPLE, CODE, ASKED_DAY = (
    f"\ue000{name}\ue001"
    for name in (
        "salutation",
        "covered",
        "reference",
        "full-name",
        "first-name",
        "last-name",
        "people",
        "code",
        "asked-day",
    )
)
# Links are of messages that people asked for themselves (lookup/waiting); a notice holds none.
LINK, REMOVAL_LINK = "\ue000link\ue001", "\ue000removal-link\ue001"
BLANKS = (
    *(SALUTATION, COVERED, REFERENCE, FULL_NAME, FIRST_NAME, LAST_NAME, PEOPLE),
    *(CODE, ASKED_DAY),  # of answers (notifications/replies)
    *(LINK, REMOVAL_LINK),
)
NAMING = {
    Placeholder.FIRST_NAME: FIRST_NAME,
    Placeholder.LAST_NAME: LAST_NAME,
    Placeholder.PEOPLE: PEOPLE,
    Placeholder.REFERENCE: REFERENCE,
}


@dataclass(frozen=True)
class Message:
    """One rendered message; `html` is empty for channels of plain text."""

    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True)
class EmailText:
    """A layout and what its blanks hold: filled in as text here, as bytes by the channel."""

    layout: "MessageLayout"
    blanks: dict[str, str]

    @property
    def subject(self) -> str:
        """The subject, the same for everybody."""
        return self.layout.subject

    @property
    def text(self) -> str:
        """The plain text, filled in."""
        return self._filled(self.layout.text, self.blanks)

    @property
    def html(self) -> str:
        """The HTML, filled in."""
        escaped = {blank: escape(value) for blank, value in self.blanks.items()}
        return self._filled(self.layout.html, escaped)

    @staticmethod
    def _filled(content: str, values: Mapping[str, str]) -> str:
        for blank, value in values.items():
            content = content.replace(blank, value)
        return content


@dataclass(frozen=True)
class MessageLayout:
    """A notice in one language with its blanks; `names` says whether a text names people."""

    language: Language
    subject: str
    text: str
    html: str
    sms: str
    names: bool = False

    def email(self, *, contact: Contact, people: int, reference: str) -> EmailText:
        """Fill in an e-mail. A message that covers several people names nobody."""
        blanks = {
            SALUTATION: salutation(contact, people=people, language=self.language),
            COVERED: covered(people=people, language=self.language),
            REFERENCE: reference,
        }
        if self.names:
            blanks |= names_of(contact, people=people, language=self.language)
        return EmailText(self, blanks)

    def short_message(self, *, reference: str) -> Message:
        """Fill in an SMS; it names nobody."""
        return Message(subject="", text=self.sms.replace(REFERENCE, reference))


def lay_out(
    content: NoticeContent, *, language: Language, has_plain_sms: bool = False
) -> MessageLayout:
    """Lay a notice out in a language (French where the notice has no English).

    `has_plain_sms` writes the SMS without the characters that make it cost more.
    """
    spoken: Language = "en" if content.texts(language) is content.en else "fr"
    texts = with_blanks(content, content.texts(language))
    context = {
        "content": content,
        "texts": texts,
        "exposed": category_labels(content.exposed, spoken),
        "not_exposed": category_labels(content.not_exposed, spoken),
        "portal_host": settings.PORTAL_HOST,
        "salutation": SALUTATION,
        "covered": COVERED,
        "reference": REFERENCE,
        "language": spoken,
    }
    folder = "notifications/messages/notice"
    with translation.override(spoken):
        text = render_to_string(f"{folder}/body.txt", context)
        return MessageLayout(
            language=spoken,
            subject=" ".join(texts.subject.split()),
            text=text,
            html=render_to_string(f"{folder}/body.html", context),
            sms=sms_with_blanks(content, language=language, has_plain_sms=has_plain_sms),
            names=any(blank in text for blank in (FULL_NAME, FIRST_NAME, LAST_NAME, PEOPLE)),
        )


def sms_with_blanks(
    content: NoticeContent, *, language: Language, has_plain_sms: bool = False
) -> str:
    """Return the SMS in a language, with a blank for the reference."""
    written = content.texts(language).sms
    sms = " ".join(replaced(written, shared_values(content) | NAMING).split())
    return plain(sms) if has_plain_sms else sms


def shared_values(content: NoticeContent) -> dict[Placeholder, str]:
    """Return what placeholders stand for that are the same for everybody."""
    return {
        Placeholder.INSURER: content.controller_name,
        Placeholder.PORTAL: settings.PORTAL_HOST,
        Placeholder.PHONE: content.contact_phone,
    }


def with_blanks(content: NoticeContent, texts: NoticeTexts) -> NoticeTexts:
    """Replace the placeholders of a notice's texts: those of each recipient by blanks."""
    values = shared_values(content) | NAMING
    return NoticeTexts(
        **{
            name: replaced(text, values).replace(f"{FIRST_NAME} {LAST_NAME}", FULL_NAME)
            for name, text in asdict(texts).items()
        }
    )


def names_of(contact: Contact, *, people: int, language: Language) -> dict[str, str]:
    """Return what the blanks that name people hold: nobody's name, where it may not be theirs."""
    first, last = contact.first_name, contact.last_name
    neutral = _greetings(language)[1].rstrip(",")
    names = {FULL_NAME: f"{first} {last}".strip(), FIRST_NAME: first, LAST_NAME: last}
    is_sure = people == 1
    return {
        blank: name if is_sure and NAME.fullmatch(name) else neutral
        for blank, name in names.items()
    } | {PEOPLE: str(people)}


def salutation(contact: Contact, *, people: int, language: Language) -> str:
    """Return a greeting by name, or a neutral one for a family or an unlikely name."""
    name = " ".join(part for part in (contact.first_name, contact.last_name) if part)
    by_name, neutral = _greetings(language)
    return by_name % {"name": name} if people == 1 and NAME.fullmatch(name) else neutral


@lru_cache(maxsize=2)
def _greetings(language: Language) -> tuple[str, str]:
    with translation.override(language):
        return _("Bonjour %(name)s,"), _("Madame, Monsieur,")


@lru_cache(maxsize=256)
def covered(*, people: int, language: Language) -> str:
    """Return the sentence that says how many people the message covers."""
    with translation.override(language):
        return ngettext(
            "Ce message concerne une personne assurée, vous-même ou la personne pour qui vous avez"
            " donné cette adresse.",
            "Ce message concerne %(people)d personnes assurées qui partagent cette adresse.",
            people,
        ) % {"people": people}


def category_labels(codes: tuple[str, ...], language: Language) -> list[str]:
    known = {
        category.code: getattr(category, f"label_{language}")
        for category in DataCategory.objects.filter(code__in=codes)
    }
    return [known[code] for code in codes if code in known]
