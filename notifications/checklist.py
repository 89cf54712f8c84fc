"""The Article 34 checklist: what a notice must hold before it may be submitted.

Sources: GDPR Article 34(2) and 33(3)(b)–(d); EDPB guidelines 9/2022 (dedicated message,
no promotion); décret 2019-341 (no social security number).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from notifications.notices import Facts, NoticeContent, NoticeTexts

ENOUGH = 40  # characters below which a paragraph explains nothing

PROMOTION = re.compile(
    r"\b(promo\w*|offre spéciale|profitez|réduction|parrain\w*|newsletter|bon plan|code promo"
    r"|special offer|discount|refer a friend)\b",
    re.IGNORECASE,
)
# With or without its scheme; the domain of an e-mail address is no link.
LINK = re.compile(
    r"https?://|www\.|(?<![@\w.-])(?:[a-z0-9-]+\.)+"
    r"(?:fr|com|net|org|eu|info|io|ly|gl|me|co|app|site|link|xyz|online|be|ch)\b",
    re.IGNORECASE,
)
NIR_LIKE = re.compile(
    r"(?<!\d)[1-478] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3}(?: ?\d{2})?(?!\d)"
)


@dataclass(frozen=True)
class Unmet:
    """A point of the checklist that is not met: the form field, the rule, and what to do."""

    field: str
    article: str
    message: str | Promise

    @property
    def rule(self) -> str:
        """The rule as a citation."""
        return f"RGPD, art. {self.article}" if self.article[0].isdigit() else self.article


def unmet(content: NoticeContent, facts: Facts) -> list[Unmet]:
    """Return every unmet point, in the order of the form; an empty list allows submission."""
    return [
        *_french(content, facts),
        *_english(content),
        *_data(content, facts),
        *_contact(content),
        *_forbidden(content),
    ]


def _french(content: NoticeContent, facts: Facts) -> Iterator[Unmet]:
    texts = content.fr
    if not texts.subject.strip():
        yield Unmet("fr_subject", "34(1)", _("Donnez un objet au message, en français."))
    if len(texts.nature.strip()) < ENOUGH:
        yield Unmet("fr_nature", "34(2)", _("Décrivez la violation en termes clairs et simples."))
    elif missing := [name for name in content.operators if name not in texts.nature]:
        yield Unmet(
            "fr_nature",
            "34(2)",
            _("Nommez l’opérateur touché : %(names)s.") % {"names": ", ".join(missing)},
        )
    elif not re.search(r"\b(19|20)\d\d\b", texts.nature):
        yield Unmet(
            "fr_nature",
            "34(2)",
            _(
                "Donnez les dates de la violation et de sa découverte, ou dites qu’elles sont"
                " inconnues. L’année doit figurer."
            ),
        )
    yield from _paragraphs(texts, "fr")


def _english(content: NoticeContent) -> Iterator[Unmet]:
    if not any((content.en.nature, content.en.consequences, content.en.measures)):
        return
    if not content.en.subject.strip() or len(content.en.nature.strip()) < ENOUGH:
        yield Unmet("en_nature", "34(1)", _("Terminez la version anglaise, ou videz-la en entier."))
    yield from _paragraphs(content.en, "en")


def _paragraphs(texts: NoticeTexts, language: str) -> Iterator[Unmet]:
    for name, article, message in (
        (
            "consequences",
            "34(2), 33(3)(c)",
            _("Décrivez les conséquences probables pour la personne."),
        ),
        ("measures", "34(2), 33(3)(d)", _("Décrivez les mesures prises ou proposées.")),
        ("advice", "34(2), 33(3)(d)", _("Dites ce que la personne peut faire pour se protéger.")),
    ):
        if len(getattr(texts, name).strip()) < ENOUGH:
            said = _("Version anglaise : %(what)s") if language == "en" else "%(what)s"
            yield Unmet(f"{language}_{name}", article, said % {"what": message})


def _data(content: NoticeContent, facts: Facts) -> Iterator[Unmet]:
    if not content.exposed:
        yield Unmet("exposed", "34(2)", _("Cochez les données exposées."))
    if not content.not_exposed:
        yield Unmet("not_exposed", "34(2)", _("Cochez aussi les données qui ne sont pas exposées."))
    if hidden := [code for code in facts.exposed if code in content.not_exposed]:
        yield Unmet(
            "not_exposed",
            "34(2)",
            _(
                "L’annuaire dit exposées %(count)d des données que vous dites hors de cause :"
                " décochez-les."
            )
            % {"count": len(hidden)},
        )
    if [code for code in facts.exposed if code not in content.exposed]:
        yield Unmet(
            "exposed",
            "34(2)",
            _("Des données que l’annuaire dit exposées manquent : cochez-les."),
        )


def _contact(content: NoticeContent) -> Iterator[Unmet]:
    if not content.controller_name.strip() or not content.controller_address.strip():
        yield Unmet(
            "controller_address",
            "34(2)",
            _("Donnez le nom et l’adresse du responsable de traitement."),
        )
    if not content.dpo_name.strip():
        yield Unmet(
            "dpo_name", "33(3)(b)", _("Donnez le nom du délégué à la protection des données.")
        )
    if not (content.contact_phone.strip() or content.contact_address.strip()):
        yield Unmet(
            "contact_phone",
            "33(3)(b)",
            _("Donnez un moyen de contact hors du web : téléphone ou adresse postale."),
        )
    if len(content.unreachable_plan.strip()) < ENOUGH:
        yield Unmet(
            "unreachable_plan",
            "34(1), 34(3)(c)",
            _(
                "Dites comment seront informées les personnes injoignables (lettre, communication"
                " publique…) et, s’il y a lieu, le motif de l’article 34, § 3."
            ),
        )


def _forbidden(content: NoticeContent) -> Iterator[Unmet]:
    for name, text in _all_texts(content):
        if PROMOTION.search(text):
            yield Unmet(name, "34(1)", _("Retirez la promotion : ce message lui est étranger."))
        if LINK.search(text):
            yield Unmet(
                name,
                "34(1)",
                _(
                    "Retirez le lien : la personne tape elle-même l’adresse du portail, pour n’être"
                    " pas trompée."
                ),
            )
        if NIR_LIKE.search(text):
            yield Unmet(
                name,
                "décret 2019-341",
                _("Retirez ce qui ressemble à un numéro de sécurité sociale."),
            )


def _all_texts(content: NoticeContent) -> Iterator[tuple[str, str]]:
    for language in ("fr", "en"):
        texts: NoticeTexts = getattr(content, language)
        for name in ("subject", "nature", "consequences", "measures", "advice"):
            yield f"{language}_{name}", getattr(texts, name)
    yield "controller_name", content.controller_name
    yield "controller_address", content.controller_address
    yield "dpo_name", content.dpo_name
    yield "contact_phone", content.contact_phone
    yield "contact_address", content.contact_address
    yield "unreachable_plan", content.unreachable_plan
