"""Tell whoever holds a reference what the portal sent with it, so that they can compare.

The web process learns it from one database function, by the reference's fingerprint: nothing
about the people, how many they are, or the language they chose.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import translation
from django.utils.translation import gettext as _

from insurers.models import Breach, Insurer, Operator, Population
from notifications.models import Channel
from notifications.notices import rendering
from notifications.notices.content import NoticeContent
from notifications.notices.rendering import LANGUAGES, EmailText, Language, MessageLayout, lay_out
from notifications.references import fingerprint
from notifications.replies.texts import Subject, lay_out_reply


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
    is_answer: bool = False


def find_message(
    *,
    reference: str,
    shown_as: str | None = None,
    insurer_of: Callable[[UUID], Insurer] = lambda pk: Insurer.objects.get(pk=pk),
    breach_of: Callable[[int], Breach] = lambda pk: Breach.objects.get(pk=pk),
) -> SentMessage | None:
    """Return the message that left with a well-formed reference, None where none did.

    Its texts hold `shown_as` where the reference stands. `insurer_of` and `breach_of` find rows
    of the directory, for a caller that has them at hand.
    """
    found = _find_notice(reference)
    if found is None:
        return _find_answer(reference, shown_as or reference)
    lay_out_texts = _texts if shown_as is None else _kept_texts
    return SentMessage(
        insurer=insurer_of(found[0]),
        breach=breach_of(found[1]),
        channel=Channel(found[2]),
        first_date=found[3],
        last_date=found[4],
        has_second_copy=found[5],
        texts=lay_out_texts(found[6], has_plain_sms=found[7], reference=shown_as or reference),
    )


def _find_answer(reference: str, shown_as: str) -> SentMessage | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT insurer_id, breach_id, breach_ids, operator_ids, population_id, channel,"
            " sent_date FROM notifications_find_reply(%s)",
            [fingerprint(reference)],
        )
        found = cursor.fetchone()
    if found is None:
        return None
    subject = Subject(
        insurer=Insurer.objects.get(pk=found[0]),
        breach=Breach.objects.get(pk=found[1]),
        operators=tuple(Operator.objects.filter(pk__in=found[3])),
        population=Population.objects.get(pk=found[4]),
        breaches=tuple(Breach.objects.filter(pk__in=found[2])),
    )
    return SentMessage(
        insurer=subject.insurer,
        breach=subject.breach,
        channel=Channel(found[5]),
        first_date=found[6],
        last_date=found[6],
        has_second_copy=False,
        texts=tuple(
            _sent_text(lay_out_reply(subject, language=language), reference=shown_as)
            for language in LANGUAGES
        ),
        is_answer=True,
    )


def _find_notice(reference: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT insurer_id, breach_id, channel, first_date, last_date, has_second_copy,"
            " content, has_plain_sms FROM notifications_find_reference(%s)",
            [fingerprint(reference)],
        )
        return cursor.fetchone()


def sent_texts(
    content: NoticeContent, *, reference: str, has_plain_sms: bool
) -> tuple[SentText, ...]:
    """Return a notice in French, and in English where it has it."""
    return _texts(json.dumps(asdict(content)), has_plain_sms=has_plain_sms, reference=reference)


def _texts(content: str, *, has_plain_sms: bool, reference: str) -> tuple[SentText, ...]:
    notice = NoticeContent.from_json(json.loads(content))
    languages: tuple[Language, ...] = ("fr", "en") if notice.has_english else ("fr",)
    layouts = [
        lay_out(notice, language=language, has_plain_sms=has_plain_sms) for language in languages
    ]
    return tuple(_sent_text(layout, reference=reference) for layout in layouts)


# Once for everybody who checks a message of a campaign; never with the reference itself.
_kept_texts = lru_cache(maxsize=64)(_texts)


def _sent_text(layout: MessageLayout, *, reference: str) -> SentText:
    blanks = _neutral(layout.language) | {rendering.REFERENCE: reference}
    return SentText(
        language=layout.language,
        subject=layout.subject,
        text=EmailText(layout, blanks).text,
        sms=EmailText(replace(layout, text=layout.sms), blanks).text,
    )


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
            rendering.CODE: _("[le code que la page a montré]"),
            rendering.ASKED_DAY: _("[jour de la question]"),
        }
