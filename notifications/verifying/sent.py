"""Tell whoever holds a reference what the portal sent with it, so that they can compare.

The web process learns it from one database function, by the reference's fingerprint: nothing
about the people, how many they are, or the language they chose.
"""

import json
from dataclasses import dataclass
from datetime import date

from django.db import connection
from django.utils import translation
from django.utils.translation import gettext as _

from insurers.models import Breach, Insurer
from notifications.models import Channel
from notifications.notices import rendering
from notifications.notices.content import NoticeContent
from notifications.notices.rendering import EmailText, Language, lay_out
from notifications.references import fingerprint


@dataclass(frozen=True)
class SentText:
    """The text as it left in one language; what differs by person stands in brackets."""

    language: Language
    subject: str
    text: str
    sms: str


@dataclass(frozen=True)
class SentMessage:
    """One message: whose, about what, how, when (two days where a second copy may have left)."""

    insurer: Insurer
    breach: Breach
    channel: Channel
    first_date: date
    last_date: date
    has_second_copy: bool
    texts: tuple[SentText, ...]


def find_message(*, reference: str) -> SentMessage | None:
    """Return the message that left with a well-formed reference, None where none did."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT insurer_id, breach_id, channel, first_date, last_date, has_second_copy,"
            " content, has_plain_sms FROM notifications_find_reference(%s)",
            [fingerprint(reference)],
        )
        found = cursor.fetchone()
    if found is None:
        return None
    content = NoticeContent.from_json(json.loads(found[6]))
    return SentMessage(
        insurer=Insurer.objects.get(pk=found[0]),
        breach=Breach.objects.get(pk=found[1]),
        channel=Channel(found[2]),
        first_date=found[3],
        last_date=found[4],
        has_second_copy=found[5],
        texts=sent_texts(content, reference=reference, has_plain_sms=found[7]),
    )


def sent_texts(
    content: NoticeContent, *, reference: str, has_plain_sms: bool
) -> tuple[SentText, ...]:
    """Return a notice in French, and in English where it has it."""
    languages: tuple[Language, ...] = ("fr", "en") if content.has_english else ("fr",)
    texts = []
    for language in languages:
        layout = lay_out(content, language=language, has_plain_sms=has_plain_sms)
        blanks = _neutral(language) | {rendering.REFERENCE: reference}
        texts.append(
            SentText(
                language=language,
                subject=layout.subject,
                text=EmailText(layout, blanks).text,
                sms=layout.short_message(reference=reference).text,
            )
        )
    return tuple(texts)


def _neutral(language: Language) -> dict[str, str]:
    """Return what stands, in brackets, where a message speaks of its own recipient."""
    with translation.override(language):
        return {
            rendering.SALUTATION: _("[Bonjour et votre nom, ou Madame, Monsieur,]"),
            rendering.COVERED: _("[Combien de personnes assurées ce message concerne.]"),
            rendering.FULL_NAME: _("[votre prénom et votre nom]"),
            rendering.FIRST_NAME: _("[votre prénom]"),
            rendering.LAST_NAME: _("[votre nom]"),
            rendering.PEOPLE: _("[nombre de personnes]"),
        }
