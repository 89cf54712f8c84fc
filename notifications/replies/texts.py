"""What an answer says: concerned, by which breach, what to do; facts from the directory only.

Laid out once for a list, filled in for each person, as notices are (`notices/rendering.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from insurers.lists.contacts import Contact
from insurers.models import Advice, Breach, Insurer, Operator, Population
from notifications.channels.segments import plain
from notifications.notices.facts import day_in_words, facts_for
from notifications.notices.forbidden import forbidden_in
from notifications.notices.rendering import (
    ASKED_DAY,
    CODE,
    REFERENCE,
    SALUTATION,
    EmailText,
    Language,
    Message,
    MessageLayout,
    category_labels,
    salutation,
)

ADVICE = ("no_click", "never_give_codes", "beware_messages", "check_accounts", "report_sms_33700")
"""What helps whoever learns this, by its code in the directory, in this order."""


@dataclass(frozen=True)
class Subject:
    """What an answer is about: whose list, of which operators and people, which breaches."""

    insurer: Insurer
    breach: Breach
    operators: tuple[Operator, ...]
    population: Population
    breaches: tuple[Breach, ...]


def lay_out_reply(subject: Subject, *, language: Language) -> MessageLayout:
    """Lay out what the directory says of it."""
    facts = facts_for(
        breach=subject.breach, operators=subject.operators, population=subject.population
    )
    advice = {row.code: row for row in Advice.objects.filter(code__in=ADVICE)}
    lines = [getattr(advice[code], f"text_{language}") for code in ADVICE if code in advice]
    names = [getattr(breach, f"name_{language}") for breach in subject.breaches]
    context: dict[str, Any] = {
        "insurer": subject.insurer,
        "breaches": names,
        "exposed": category_labels(facts.exposed, language),
        "not_exposed": category_labels(facts.not_exposed, language),
        "advice": [line for line in lines if not any(forbidden_in(line))],
        "portal_host": settings.PORTAL_HOST,
        "salutation": SALUTATION,
        "reference": REFERENCE,
        "code": CODE,
        "asked_day": ASKED_DAY,
        "language": language,
    }
    folder = "notifications/messages/reply"
    with translation.override(language):
        context["subject"] = _("Réponse à votre question sur une violation de données")
        sms = _(
            "%(insurer)s : vous avez demandé si vous êtes concerné. Oui, par : %(breaches)s. Que"
            " faire : tapez %(portal)s dans votre navigateur. Votre code : %(code)s. Référence à"
            " vérifier sur ce site : %(reference)s"
        )
        return MessageLayout(
            language=language,
            subject=str(context["subject"]),
            text=render_to_string(f"{folder}/body.txt", context),
            html=render_to_string(f"{folder}/body.html", context),
            sms=plain(
                sms
                % {
                    "insurer": subject.insurer.name,
                    "breaches": ", ".join(names),
                    "portal": settings.PORTAL_HOST,
                    "code": CODE,
                    "reference": REFERENCE,
                }
            ),
        )


def reply_email(
    layout: MessageLayout, *, contact: Contact, code: str, reference: str, asked_at: datetime
) -> EmailText:
    """Fill in the e-mail that answers one person."""
    asked_day = day_in_words(timezone.localtime(asked_at).date(), layout.language)
    blanks = {
        SALUTATION: salutation(contact, people=1, language=layout.language),
        REFERENCE: reference,
        CODE: code,
        ASKED_DAY: asked_day,
    }
    return EmailText(layout, blanks)


def reply_sms(layout: MessageLayout, *, code: str, reference: str) -> Message:
    """Fill in the SMS that answers one person; it says where to read the rest."""
    return Message(subject="", text=layout.sms.replace(CODE, code).replace(REFERENCE, reference))
