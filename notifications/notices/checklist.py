"""The Article 34 checklist: what a notice must hold before it may be submitted.

Sources: GDPR Article 34(2) and 33(3)(b)–(d). What no text may hold is in `forbidden.py`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from insurers.lists import identifiers
from notifications.channels.mime import email_bytes
from notifications.models import Channel
from notifications.notices.content import NoticeContent, NoticeTexts
from notifications.notices.facts import Facts
from notifications.notices.forbidden import forbidden_in
from notifications.notices.placeholders import SHARED, Placeholder, placeholders_in, replaced
from notifications.notices.rendering import Language, shared_values
from notifications.notices.visible_text import explains, folded, says_something, seen
from notifications.notices.written_dates import says_when

PLAIN = (
    "controller_name",
    "controller_address",
    "dpo_name",
    "contact_phone",
    "contact_address",
    "unreachable_plan",
)
# Characters. More could not be sent, and would take long to judge while it is typed.
LONGEST = {"controller_name": 300, "dpo_name": 300, "contact_phone": 100, "sms": 1000}
LONGEST_NOTICE = 40_000
LONGEST_HEADER = 300  # characters of a subject, filled in, or of a name; longer ones are cut
_SAYS_CHECKED = re.compile(r"\b(?:re)?(?:verifi|check)")
HEAVIEST = 60_000  # bytes of an e-mail, its two forms included


@dataclass(frozen=True)
class Point:
    """A point that the approver vouches for: what no program can judge."""

    code: str
    article: str
    label: str | Promise


POINTS = (
    Point(
        "nature",
        "34(2)",
        _("Ce qui s’est passé est dit en termes clairs, avec les dates et l’opérateur."),
    ),
    Point(
        "data",
        "34(2)",
        _("Les données exposées, et celles qui ne le sont pas, sont celles de ces personnes."),
    ),
    Point(
        "consequences",
        "34(2), 33(3)(c)",
        _("Les conséquences probables sont dites, sans minimiser ni alarmer."),
    ),
    Point(
        "measures",
        "34(2), 33(3)(d)",
        _("Les mesures prises, et ce que la personne peut faire, sont exactes."),
    ),
    Point(
        "contact",
        "33(3)(b)",
        _("Le délégué à la protection des données est le bon ; un moyen hors du web répond."),
    ),
    Point("controller", "34(2)", _("Le responsable de traitement est bien nommé.")),
    Point(
        "dedicated",
        "34(1)",
        _(
            "Le message ne dit rien d’autre : ni promotion, ni lien, ni numéro de sécurité sociale,"
            " ni date de naissance, ni garanties."
        ),
    ),
    Point(
        "languages",
        "34(1)",
        _("Le français est correct ; l’anglais, s’il y en a, dit la même chose."),
    ),
    Point(
        "unreachable",
        "34(1), 34(3)(c)",
        _("Le plan pour les personnes injoignables sera tenu."),
    ),
)
SMS_POINT = Point(
    "sms",
    "34(2)",
    _("Le SMS ne porte pas tout l’avis : la personne peut lire le reste où il le dit."),
)


def points_of(channels: Iterable[str]) -> tuple[Point, ...]:
    """Return the points that the approver of a plan with these channels vouches for."""
    return (*POINTS, SMS_POINT) if Channel.SMS in channels else POINTS


@dataclass(frozen=True)
class Unmet:
    """A point of the checklist that is not met: the form field, the rule, and what to do."""

    field: str
    article: str
    message: str | Promise

    @property
    def rule(self) -> str:
        """The rule as a citation."""
        return citation(self.article)


class Contactable(Protocol):
    """What says whom to ask, and how."""

    @property
    def contact_email(self) -> str: ...
    @property
    def contact_phone(self) -> str: ...
    @property
    def contact_address(self) -> str: ...


BAD_ADDRESS = _("Donnez une adresse électronique valable, comme dpo@mutuelle.example.")


def citation(article: str) -> str:
    """Cite an article of the GDPR, or another rule by its own name."""
    return f"RGPD, art. {article}" if article[0].isdigit() else article


def unmet(content: NoticeContent, facts: Facts) -> list[Unmet]:
    """Return every unmet point, in the order of the form; an empty list allows submission.

    Of what is longer than any message, only that.
    """
    if too_long := list(_too_long(content)):
        return too_long
    return [
        *_texts(content, "fr"),
        *_english(content),
        *_data(content, facts),
        *_contact(content),
        *_short_messages(content),
        *_forbidden(content, facts.own_domains | domain_of_contact(content)),
        *_heavy(content),
    ]


def _too_long(content: NoticeContent) -> Iterator[Unmet]:
    texts = list(_all_texts(content))
    for name, text, _is_filled_in in texts:
        most = LONGEST.get(name.removeprefix("fr_").removeprefix("en_"))
        if most is not None and len(text) > most:
            yield _shorten(name, most)
    if sum(len(text) for _name, text, _is_filled_in in texts) > LONGEST_NOTICE:
        longest, *_others = max(texts, key=lambda one: len(one[1]))
        yield Unmet(
            longest,
            "34(2)",
            _("Raccourcissez : tout l’avis tient en %(most)d caractères.")
            % {"most": LONGEST_NOTICE},
        )


def _shorten(field: str, most: int) -> Unmet:
    said = _("Raccourcissez : %(most)d caractères au plus.") % {"most": most}
    return Unmet(field, "34(1)", said)


def _english(content: NoticeContent) -> Iterator[Unmet]:
    """A person who asked for English reads all of the notice in it, or all of it in French."""
    missing = list(_texts(content, "en")) if content.has_english else []
    if missing:
        said = _("Terminez la version anglaise, ou videz-la en entier.")
        yield Unmet(missing[0].field, "34(1)", said)
    yield from missing


def _texts(content: NoticeContent, language: Language) -> Iterator[Unmet]:
    texts: NoticeTexts = getattr(content, language)
    if not says_something(texts.subject):
        yield Unmet(
            f"{language}_subject", "34(1)", _said(language, _("Donnez un objet au message."))
        )
    if not explains(texts.nature):
        message = _("Décrivez la violation en termes clairs et simples.")
        yield Unmet(f"{language}_nature", "34(2)", _said(language, message))
    elif missing := [name for name in content.operators if name not in texts.nature]:
        named = _("Nommez l’opérateur touché : %(names)s.") % {"names": ", ".join(missing)}
        yield Unmet(f"{language}_nature", "34(2)", _said(language, named))
    yield from _paragraphs(texts, language)


def _paragraphs(texts: NoticeTexts, language: str) -> Iterator[Unmet]:
    if not says_when(folded(seen(texts.dates))):
        yield Unmet(
            f"{language}_dates",
            "34(2), 33(3)(a)",
            _said(
                language,
                _(
                    "Donnez les dates de la violation et de sa découverte, au moins le mois et"
                    " l’année, ou dites qu’elles sont inconnues."
                ),
            ),
        )
    for name, article, message in (
        (
            "consequences",
            "34(2), 33(3)(c)",
            _("Décrivez les conséquences probables pour la personne."),
        ),
        ("measures", "34(2), 33(3)(d)", _("Décrivez les mesures prises ou proposées.")),
        ("advice", "34(2), 33(3)(d)", _("Dites ce que la personne peut faire pour se protéger.")),
    ):
        if not explains(getattr(texts, name)):
            yield Unmet(f"{language}_{name}", article, _said(language, message))


def _said(language: str, message: str | Promise) -> str | Promise:
    return _("Version anglaise : %(what)s") % {"what": message} if language == "en" else message


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
    if not (says_something(content.controller_name) and says_something(content.controller_address)):
        yield Unmet(
            "controller_address",
            "34(2)",
            _("Donnez le nom et l’adresse du responsable de traitement."),
        )
    if not says_something(content.dpo_name):
        yield Unmet(
            "dpo_name", "33(3)(b)", _("Donnez le nom du délégué à la protection des données.")
        )
    yield from means_of_contact(content)
    if not explains(content.unreachable_plan):
        yield Unmet(
            "unreachable_plan",
            "34(1), 34(3)(c)",
            _(
                "Dites comment seront informées les personnes injoignables (lettre, communication"
                " publique…) et, s’il y a lieu, le motif de l’article 34, § 3."
            ),
        )


def means_of_contact(content: Contactable) -> Iterator[Unmet]:
    """Yield what is wrong with the ways to answer, of a notice or a public statement."""
    if not (says_something(content.contact_phone) or says_something(content.contact_address)):
        yield Unmet(
            "contact_phone",
            "33(3)(b)",
            _("Donnez un moyen de contact hors du web : téléphone ou adresse postale."),
        )
    if content.contact_email and not is_plain_address(content.contact_email):
        yield Unmet("contact_email", "33(3)(b)", BAD_ADDRESS)


def is_plain_address(address: str) -> bool:
    """Whether an e-mail address may stand as it is in a header: a dot-atom, its domain in ASCII."""
    try:
        return identifiers.email(address).lower() == address.lower()
    except identifiers.BadValueError:
        return False


def _short_messages(content: NoticeContent) -> Iterator[Unmet]:
    """An SMS cannot hold the notice: it names who writes, and where the person reads the rest."""
    for language in _languages(content):
        text, field = content.texts(language).sms, f"{language}_sms"
        used = set(placeholders_in(text))
        if not text.strip():
            yield Unmet(field, "34(1)", _said(language, _("Écrivez le SMS.")))
            continue
        if Placeholder.INSURER not in used and content.controller_name not in text:
            yield Unmet(field, "34(1)", _("Le SMS doit nommer l’organisme : {organisme}."))
        if Placeholder.PORTAL not in used:
            yield Unmet(
                field,
                "34(2)",
                _("Le SMS doit dire où lire l’avis entier : l’adresse à taper, {portail}."),
            )
        elif not _SAYS_CHECKED.search(folded(text)):
            yield Unmet(
                field,
                "34(1)",
                _(
                    "Le SMS doit dire en toutes lettres qu’on peut le vérifier en tapant {portail}"
                    " : écrivez « vérifier », ou en anglais « check »."
                ),
            )
        if Placeholder.REFERENCE not in used:
            yield Unmet(field, "34(1)", _("Le SMS doit porter son code : {référence}."))
        if used & {Placeholder.FIRST_NAME, Placeholder.LAST_NAME, Placeholder.PEOPLE}:
            yield Unmet(field, "5(1)(f)", _("Un SMS ne nomme ni ne compte personne."))


def domain_of_contact(content: Contactable) -> frozenset[str]:
    """Return the domain of the address that a notice or statement gives to write to."""
    domain = content.contact_email.rpartition("@")[2].lower()
    return frozenset({domain} if domain else ())


def _forbidden(content: NoticeContent, domains: frozenset[str]) -> Iterator[Unmet]:
    values = shared_values(content)
    for name, text, filled_in in _all_texts(content):
        for found in forbidden_in(text, is_filled_in=filled_in, values=values, own_domains=domains):
            yield Unmet(name, found.article, found.message)
        if Placeholder.PHONE in placeholders_in(text) and not content.contact_phone.strip():
            yield Unmet(name, "33(3)(b)", _("Donnez le téléphone, ou retirez {téléphone}."))
        if name.endswith("_subject") and set(placeholders_in(text)) - SHARED:
            yield Unmet(name, "5(1)(f)", _("L’objet est le même pour tous : il ne nomme personne."))


def _long_headers(content: NoticeContent) -> Iterator[Unmet]:
    values = shared_values(content)
    for name, text in (
        ("controller_name", content.controller_name),
        ("fr_subject", replaced(content.fr.subject, values)),
        ("en_subject", replaced(content.en.subject, values)),
    ):
        if len(text) > LONGEST_HEADER:
            yield _shorten(name, LONGEST_HEADER)


def _heavy(content: NoticeContent) -> Iterator[Unmet]:
    """An e-mail is laid out to be weighed; folding headers that are too long would take minutes."""
    if too_long := list(_long_headers(content)):
        yield from too_long
        return
    for language in _languages(content):
        if email_bytes(content, language=language) > HEAVIEST:
            yield Unmet(
                f"{language}_nature",
                "34(2)",
                _("Raccourcissez : le courriel pèserait plus de 60 ko et serait coupé."),
            )


def _languages(content: NoticeContent) -> tuple[Language, ...]:
    return ("fr", "en") if content.has_english else ("fr",)


def _all_texts(content: NoticeContent) -> Iterator[tuple[str, str, bool]]:
    """Yield each field with its text, and whether placeholders are replaced in it."""
    for language in ("fr", "en"):
        texts: NoticeTexts = getattr(content, language)
        for written in fields(texts):
            yield f"{language}_{written.name}", getattr(texts, written.name), True
    for name in PLAIN:
        yield name, getattr(content, name), False
