"""What a public statement must hold before it may be submitted, and must not hold at all.

GDPR Article 34(3)(c) asks for a public communication by which people « are informed in an equally
effective manner »: what the notice would have said of facts, measures and contact.
"""

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from insurers.models import Insurer
from notifications.models import StatementGround
from notifications.notices.checklist import Unmet, domain_of_contact, means_of_contact
from notifications.notices.forbidden import forbidden_in
from notifications.notices.visible_text import explains, says_something
from notifications.senders.domains import own_domains
from notifications.statements.content import StatementContent, StatementTexts


def unmet_by(content: StatementContent, insurer: Insurer) -> list[Unmet]:
    """Return every unmet point, in the order of the form; an empty list allows submission."""
    domains = own_domains(insurer) | domain_of_contact(content)
    return [
        *_texts("fr", content.fr, content.ground),
        *_english(content),
        *_contact(content),
        *_forbidden(content, domains),
    ]


def _texts(language: str, texts: StatementTexts, ground: str) -> Iterator[Unmet]:
    points = [
        ("happened", "34(2)", _("Dites ce qui s’est passé, en termes clairs et simples.")),
        ("measures", "34(2), 33(3)(d)", _("Décrivez les mesures prises ou proposées.")),
    ]
    if ground == StatementGround.ART_34_3_C:
        points.append(
            (
                "reason",
                "34(3)(c)",
                _("Dites pourquoi écrire à chacun demanderait des efforts disproportionnés."),
            )
        )
    for name, article, message in points:
        if not explains(getattr(texts, name)):
            said = _("Version anglaise : %(what)s") if language == "en" else "%(what)s"
            yield Unmet(f"{language}_{name}", article, said % {"what": message})


def _english(content: StatementContent) -> Iterator[Unmet]:
    if any((content.en.happened, content.en.measures, content.en.reason)):
        yield from _texts("en", content.en, content.ground)


def _contact(content: StatementContent) -> Iterator[Unmet]:
    if not says_something(content.contact_name):
        yield Unmet("contact_name", "33(3)(b)", _("Dites à qui s’adresser."))
    yield from means_of_contact(content)


def _forbidden(content: StatementContent, domains: frozenset[str]) -> Iterator[Unmet]:
    for name, text in _all_texts(content):
        for found in forbidden_in(text, is_filled_in=False, own_domains=domains):
            yield Unmet(name, found.article, found.message)


def _all_texts(content: StatementContent) -> Iterator[tuple[str, str]]:
    for language in ("fr", "en"):
        for name in ("happened", "measures", "reason"):
            yield f"{language}_{name}", getattr(getattr(content, language), name)
    for name in ("contact_name", "contact_phone", "contact_address"):
        yield name, getattr(content, name)
