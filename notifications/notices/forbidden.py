"""What no text of a message to insured people may hold, each with the rule that forbids it.

Sources: EDPB guidelines 9/2022 (a dedicated message: no promotion); décret 2019-341 (no social
security number); CNIL's advice on false messages (no link to follow, no shortened address).
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from insurers.lists import nir
from notifications.notices.placeholders import EXPLAINED, Placeholder, replaced, unknown_in
from notifications.notices.visible_text import folded, seen, unseen_in
from notifications.notices.written_dates import holds_birth_date
from notifications.notices.written_links import SHORTENER, foreign_address_in, link_in

# Every pattern here reads any text of a form in a time that grows with its length alone.
_PROMOTION = re.compile(
    r"\b(?:(?:code )?promo(?:tion)?s?|promotionnel\w*|offres? speciales?|nouvelles? offres?"
    r"|profitez|gagnez|reductions? (?:de \d|sur|tarifaire|exclusive)"
    r"|(?:remise|rabais)s? de \d+(?:[.,]\d+)?\s?(?:%|€|euros?)"
    r"|\d+\s?% (?:de (?:reduction|remise|rabais)|off\b)|\d+\s?(?:%|€|euros?) offerts?"
    r"|parrain\w*|newsletter|bons? plans?|cashback|special offers?|discounts?"
    r"|refer a friend|vouchers?)(?!\w)"
)
_MARKUP = re.compile(r"</?[a-z!][^<>]*+>|<img\b|&#?\w{1,30};", re.IGNORECASE)
_TRACKING = re.compile(
    r"\butm_\w|\b(?:tracking|web)?pixels?\b.{0,100}?\b(?:1x1|suivi)\b", re.IGNORECASE
)
# Of other writings: they look like the braces that are replaced, and are not.
_ODD_BRACES = re.compile(r"[｛｝﹛﹜]")
# `{portail}.evil.com`, `ameli-{portail}`: what follows or comes before makes it another address.
_GLUED = re.compile(r"[\w.@/?#}-]\{[^{}]*\}|\{[^{}]*\}(?:[\w{]|[.@/:?#-]+[\w{])")


@dataclass(frozen=True)
class Forbidden:
    """What a text may not hold: the rule, and what to do."""

    article: str
    message: str | Promise


def forbidden_in(
    text: str,
    *,
    is_filled_in: bool = True,
    values: Mapping[Placeholder, str] | None = None,
    own_domains: Collection[str] = (),
) -> Iterator[Forbidden]:
    """Yield each reason why a text cannot be part of a message.

    `is_filled_in` says that placeholders are replaced in it, by `values` where they are known;
    elsewhere every one is refused. The text is judged as people read it, filled in. Whom to write
    to is at one of `own_domains`, those of the insurer.
    """
    if hidden := unseen_in(text):
        yield _unseen(text[: min(map(text.index, hidden))])
    yield from _placeholders(text, is_filled_in=is_filled_in)
    read = seen(_filled_in(text, values) if is_filled_in and values else text)
    plain = folded(read)
    if _PROMOTION.search(plain):
        yield Forbidden("34(1)", _("Retirez la promotion : ce message lui est étranger."))
    if SHORTENER.search(read):
        yield Forbidden(
            "34(1)",
            _("Retirez l’adresse raccourcie : elle cache où elle mène, comme dans une arnaque."),
        )
    elif link := link_in(read):
        yield Forbidden(
            "34(1)",
            _(
                "« %(link)s » ressemble à un lien : retirez-le, ou mettez une espace après le point"
                " d’une phrase. La personne tape elle-même l’adresse du portail, pour n’être pas"
                " trompée."
            )
            % {"link": _short(link)},
        )
    if address := foreign_address_in(read, own_domains):
        said = _(
            "« %(address)s » n’est pas une adresse de votre organisme : donnez-en une du domaine de"
            " votre contact ou de votre expéditeur déclaré, ou retirez-la."
        )
        yield Forbidden("34(1)", said % {"address": _short(address)})
    if _TRACKING.search(read):
        yield Forbidden("34(1)", _("Retirez le traceur : personne n’est suivi à la lecture."))
    elif _MARKUP.search(read):
        yield Forbidden(
            "34(1)",
            _(
                "Retirez le code HTML : écrivez un texte simple, sans image ni pixel. Le portail le"
                " met en page."
            ),
        )
    if nir.holds_one(read):
        yield Forbidden(
            "décret 2019-341", _("Retirez ce qui ressemble à un numéro de sécurité sociale.")
        )
    if holds_birth_date(plain):
        yield Forbidden(
            "5(1)(c)",
            _(
                "Retirez ce qui ressemble à une date de naissance. D’un fait ancien, donnez l’année"
                " seule."
            ),
        )


def _filled_in(text: str, values: Mapping[Placeholder, str]) -> str:
    """Fill in a text; as it is where a long value comes so often that judging would take long."""
    filled = replaced(text, dict(values))
    return filled if len(filled) <= 3 * len(text) + 1000 else text


def _unseen(before: str) -> Forbidden:
    said = _(
        "Retirez les caractères invisibles : il y en a un après « %(before)s ». Effacez ce passage"
        " et tapez-le de nouveau."
    )
    return Forbidden("34(1)", said % {"before": before.rstrip()[-20:]})


def _placeholders(text: str, *, is_filled_in: bool) -> Iterator[Forbidden]:
    if not is_filled_in:
        if re.search(r"[{}]", text):
            yield Forbidden(
                "34(1)", _("Retirez les accolades : rien n’est remplacé dans ce champ.")
            )
        return
    if unknown := [*unknown_in(text), *dict.fromkeys(_ODD_BRACES.findall(text))]:
        yield Forbidden("34(1)", _unknown(unknown))
    elif glued := _GLUED.search(text):
        said = _(
            "« %(glued)s » : séparez par une espace le champ de ce qui le touche ; collé, il ferait"
            " un autre mot, ou une autre adresse."
        )
        yield Forbidden("34(1)", said % {"glued": _short(glued[0])})


def _unknown(unknown: list[str]) -> str:
    known = ", ".join(written for written, _meaning in EXPLAINED)
    return str(
        _("%(unknown)s n’est pas un champ que le portail remplace. Ceux qui existent : %(known)s.")
        % {"unknown": ", ".join(unknown), "known": known}
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
