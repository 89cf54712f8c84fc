"""What an answer says: concerned, by which breach, what to do; facts from the directory only."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from insurers.lists.contacts import Contact
from insurers.models import Advice, AffectedList, Breach, Insurer
from notifications.channels.segments import plain
from notifications.notices.facts import day_in_words, facts_for
from notifications.notices.forbidden import forbidden_in
from notifications.notices.rendering import Language, Message, category_labels, salutation

ADVICE = ("no_click", "never_give_codes", "beware_messages", "check_accounts", "report_sms_33700")
"""What helps whoever learns this, by its code in the directory, in this order."""


@dataclass(frozen=True)
class ReplyFacts:
    """What the answers about a list share, in one language."""

    language: Language
    insurer: Insurer
    breaches: tuple[str, ...]
    exposed: tuple[str, ...]
    not_exposed: tuple[str, ...]
    advice: tuple[str, ...]


def reply_facts(
    *, affected_list: AffectedList, breach_ids: list[int], language: Language
) -> ReplyFacts:
    """Gather what the directory says, for the list's operators and population."""
    facts = facts_for(
        breach=affected_list.breach,
        operators=list(affected_list.operators.all()),
        population=affected_list.population,
    )
    breaches = Breach.objects.filter(pk__in=breach_ids)
    advice = {row.code: row for row in Advice.objects.filter(code__in=ADVICE)}
    lines = [getattr(advice[code], f"text_{language}") for code in ADVICE if code in advice]
    return ReplyFacts(
        language=language,
        insurer=affected_list.insurer,
        breaches=tuple(getattr(breach, f"name_{language}") for breach in breaches),
        exposed=tuple(category_labels(facts.exposed, language)),
        not_exposed=tuple(category_labels(facts.not_exposed, language)),
        advice=tuple(line for line in lines if not any(forbidden_in(line))),
    )


def reply_email(
    facts: ReplyFacts, *, contact: Contact, code: str, reference: str, asked_at: datetime
) -> Message:
    """Return the e-mail that answers one person."""
    local = timezone.localtime(asked_at)
    context = {
        "facts": facts,
        "salutation": salutation(contact, people=1, language=facts.language),
        "code": code,
        "reference": reference,
        "portal_host": settings.PORTAL_HOST,
    }
    with translation.override(facts.language):
        context["asked_day"] = day_in_words(local.date(), facts.language)
        context["subject"] = _("Votre question sur la violation de données : code %(code)s") % {
            "code": code
        }
        folder = "notifications/messages/reply"
        return Message(
            subject=str(context["subject"]),
            text=render_to_string(f"{folder}/body.txt", context),
            html=render_to_string(f"{folder}/body.html", context),
        )


def reply_sms(facts: ReplyFacts, *, code: str, reference: str) -> Message:
    """Return the SMS that answers one person; it says where to read the rest."""
    with translation.override(facts.language):
        text = _(
            "%(insurer)s : vous avez demandé si vous êtes concerné. Oui, par : %(breaches)s. Que"
            " faire : tapez %(portal)s dans votre navigateur. Code %(code)s. Référence à vérifier"
            " sur ce site : %(reference)s"
        ) % {
            "insurer": facts.insurer.name,
            "breaches": ", ".join(facts.breaches),
            "portal": settings.PORTAL_HOST,
            "code": code,
            "reference": reference,
        }
    return Message(subject="", text=plain(text))
