"""The two messages to somebody who waits: asking for confirmation, then telling the answer.

They are the only messages of the portal with links: to its own pages, with one button each. What
they say beside is plain, without promotion and without tracking.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from html import unescape
from typing import cast

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.html import strip_tags
from django.utils.translation import gettext as _

from insurers.models import Affiliation, ImpactReport, Insurer, Source
from lookup.answers import Answer, read_page
from lookup.localized import localized
from lookup.statements import statements_of
from lookup.statuses import AnswerStatus
from lookup.templatetags.pages import day, host
from lookup.waiting.addresses import Reachable
from lookup.waiting.links import link_to_confirm, link_to_remove
from notifications.notices.rendering import (
    LINK,
    REMOVAL_LINK,
    EmailText,
    Language,
    MessageLayout,
)


@dataclass(frozen=True)
class AnswerInWords:
    """An answer as a message tells it: what the insurer's page says, and on whose word."""

    breach: str
    verdict: str  # HTML
    sources: tuple[str, ...]

    @property
    def verdict_text(self) -> list[str]:
        """The verdict without its markup, by paragraph."""
        lines = unescape(strip_tags(self.verdict)).splitlines()
        return [line.strip() for line in lines if line.strip()]


def asking_layout(insurer: Insurer, *, language: str) -> MessageLayout:
    """Lay out the message that asks whether an address is really to be told."""
    return _lay_out("waiting_confirmation", insurer, language, {})


def telling_layout(insurer: Insurer, *, language: str) -> MessageLayout:
    """Lay out the message that tells what the portal now answers for an insurer."""
    with translation.override(language):
        page = read_page(insurer)
        answers = [answer for one in (page, *page.successors) for answer in one.answers]
        context = {
            "answers": [
                _in_words(answer) for answer in answers if answer.status != AnswerStatus.UNKNOWN
            ],
            "statements": statements_of(insurer),
        }
    return _lay_out("waiting_answer", insurer, language, context)


def filled(layout: MessageLayout, reachable: Reachable) -> EmailText:
    """Fill in the links of one address."""
    token, language = reachable.token, layout.language
    return EmailText(
        layout,
        {
            LINK: link_to_confirm(token, language=language),
            REMOVAL_LINK: link_to_remove(token, language=language),
        },
    )


def portal_name(language: str) -> str:
    """Return the name that these messages come from."""
    with translation.override(language):
        return _("Portail violations")


def _lay_out(
    folder: str, insurer: Insurer, language: str, context: dict[str, object]
) -> MessageLayout:
    path = f"lookup/messages/{folder}"
    context |= {
        "insurer": insurer,
        "link": LINK,
        "removal_link": REMOVAL_LINK,
        "portal_host": settings.PORTAL_HOST,
        "portal_operator": settings.PORTAL_OPERATOR,
        "language": language,
    }
    with translation.override(language):
        subject = " ".join(render_to_string(f"{path}/subject.txt", context).split())
        context["subject"] = subject
        return MessageLayout(
            language=cast("Language", language),
            subject=subject,
            text=render_to_string(f"{path}/body.txt", context).strip() + "\n",
            html=render_to_string(f"{path}/body.html", context),
            sms="",
        )


def _in_words(answer: Answer) -> AnswerInWords:
    return AnswerInWords(
        breach=localized(answer.breach, "name"),
        verdict=render_to_string("lookup/_verdict.html", {"answer": answer}),
        sources=tuple(_sources(answer)),
    )


def _sources(answer: Answer) -> Iterator[str]:
    """Yield what the answer rests on, with who says so and when."""
    for ground in answer.grounds:
        rows: list[ImpactReport | Affiliation] = (
            [ground.report] if ground.report else list(ground.affiliations)
        )
        for row in rows:
            name = ground.operator.name if ground.operator else _("Tous opérateurs")
            announced = row.announced_date if isinstance(row, ImpactReport) else None
            yield _("%(operator)s : %(status)s. Source : %(source)s") % {
                "operator": name,
                "status": ground.status.label,
                "source": _named(row.source, announced),
            }
        for affiliation in ground.affiliations:
            if scope := localized(affiliation, "scope"):
                yield _("Qui : %(scope)s") % {"scope": scope}


def _named(source: Source, announced: date | None) -> str:
    """Return a source's publisher and date; no address of its own, which would be a link."""
    publisher = source.publisher or (host(source.url) if source.is_link else source.url)
    since = announced or source.published_date
    return f"{publisher}, {day(since)}" if since else publisher
