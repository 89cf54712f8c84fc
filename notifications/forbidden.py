"""What no text of a message to insured people may hold, each with the rule that forbids it.

Sources: EDPB guidelines 9/2022 (a dedicated message: no promotion); décret 2019-341 (no social
security number); CNIL's advice on false messages (no link to follow, no shortened address).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from notifications.placeholders import EXPLAINED, unknown_in

PROMOTION = re.compile(
    r"\b(?:(?:code )?promo(?:tion)?s?|promotionnel\w*|offres? spéciales?|nouvelles? offres?"
    r"|profitez|réductions? (?:de \d|sur|tarifaire|exclusive)|\d+ ?% de (?:réduction|remise)"
    r"|parrain\w*|newsletter|bons? plans?|cashback|special offers?|discounts?"
    r"|refer a friend|vouchers?)\b",
    re.IGNORECASE,
)
_ENDS = (
    "fr|com|net|org|eu|info|io|ly|gl|me|co|app|site|link|xyz|online|be|ch|lu|de|es|it|uk|us|ca|biz"
    "|dev|cloud|live|club|vip|shop|store|top|click|page|web|help|support|paris|bzh|re|nc|pf|gp|mq"
    "|ru|cn|tk|ml|ga|cf|gq|gg|cc|ws|to|la|is|gd|tv|ai|test|example|invalid"
)
# With or without its scheme; the domain of an e-mail address is no link.
_ADDRESS = re.compile(
    rf"(?<![@\w.-])(?P<scheme>[a-z][a-z0-9+.-]{{1,10}}://)?(?P<host>(?:[a-z0-9-]+\.)+(?:{_ENDS}))\b"
    r"(?P<rest>/\S*|[?#]\S+|:\d+)?",
    re.IGNORECASE,
)
_LINK = re.compile(r"\bhttps?:|\w://|\bwww\.|\bmailto:", re.IGNORECASE)
_SHORTENER = re.compile(
    r"(?<![\w.-])(?:bit\.ly|tinyurl\.com|t\.co|goo\.gl|ow\.ly|is\.gd|v\.gd|buff\.ly|lnkd\.in|cutt\.ly"
    r"|rebrand\.ly|rb\.gy|t\.ly|s\.id|shorturl\.at|urlz\.fr|urlr\.me|lc\.cx|vu\.fr|tiny\.cc|bl\.ink"
    r"|short\.io|dub\.sh|soo\.gd|cli\.re|frama\.link|u\.to)(?![\w-])",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"</?[a-z!][^>]*>|<img\b|&#?\w+;", re.IGNORECASE)
_TRACKING = re.compile(r"\butm_\w+|\b(?:tracking|web)?pixels?\b.*\b(?:1x1|suivi)\b", re.IGNORECASE)
NIR_LIKE = re.compile(
    r"(?<!\d)[1-478] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3}(?: ?\d{2})?(?!\d)"
)
# A whole date before 2018 is nobody's notice of a breach under the GDPR: it is somebody's birth.
_BEFORE = r"(?:19\d\d|200\d|201[0-7])"
_MONTHS = (
    "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
    "|january|february|march|april|may|june|july|august|september|october|november|december"
)
_BIRTH_DATE = re.compile(
    rf"(?<!\d)\d{{1,2}}\s?[/.-]\s?\d{{1,2}}\s?[/.-]\s?{_BEFORE}(?!\d)"
    rf"|(?<!\d){_BEFORE}-\d{{2}}-\d{{2}}(?!\d)"
    rf"|(?<!\d)\d{{1,2}}(?:er|st|nd|rd|th)?\s+(?:{_MONTHS})\s+{_BEFORE}(?!\d)"
    rf"|\b(?:{_MONTHS})\s+\d{{1,2}},?\s+{_BEFORE}(?!\d)"
    r"|\bnée?s?(?:\(e\))?\s+le\s+\d|\bdate de naissance\s*[:=]?\s*\d|\bborn on\s+\w*\s*\d"
    r"|\bdate of birth\s*[:=]?\s*\d",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Forbidden:
    """What a text may not hold: the rule, and what to do."""

    article: str
    message: str | Promise


def forbidden_in(text: str, *, is_filled_in: bool = True) -> Iterator[Forbidden]:
    """Yield each reason why a text cannot be part of a message.

    `is_filled_in` says that placeholders are replaced in it; elsewhere every one is refused.
    """
    unknown = unknown_in(text)
    if is_filled_in and unknown:
        yield Forbidden("34(1)", _unknown(unknown))
    elif not is_filled_in and re.search(r"[{}]", text):
        yield Forbidden("34(1)", _("Retirez les accolades : rien n’est remplacé dans ce champ."))
    if PROMOTION.search(text):
        yield Forbidden("34(1)", _("Retirez la promotion : ce message lui est étranger."))
    if _SHORTENER.search(text):
        yield Forbidden(
            "34(1)",
            _("Retirez l’adresse raccourcie : elle cache où elle mène, comme dans une arnaque."),
        )
    elif _links(text):
        yield Forbidden(
            "34(1)",
            _(
                "Retirez le lien : la personne tape elle-même l’adresse du portail, pour n’être"
                " pas trompée."
            ),
        )
    if _TRACKING.search(text):
        yield Forbidden("34(1)", _("Retirez le traceur : personne n’est suivi à la lecture."))
    elif _MARKUP.search(text):
        yield Forbidden(
            "34(1)",
            _(
                "Retirez le code HTML : écrivez un texte simple, sans image ni pixel. Le portail le"
                " met en page."
            ),
        )
    if NIR_LIKE.search(text):
        yield Forbidden(
            "décret 2019-341", _("Retirez ce qui ressemble à un numéro de sécurité sociale.")
        )
    if _BIRTH_DATE.search(text):
        yield Forbidden(
            "5(1)(c)",
            _(
                "Retirez ce qui ressemble à une date de naissance. D’un fait ancien, donnez l’année"
                " seule."
            ),
        )


def _unknown(unknown: list[str]) -> str:
    known = ", ".join(written for written, _meaning in EXPLAINED)
    return str(
        _("%(unknown)s n’est pas un champ que le portail remplace. Ceux qui existent : %(known)s.")
        % {"unknown": ", ".join(unknown), "known": known}
    )


def _links(text: str) -> bool:
    """Whether there is an address other than the portal's own, to be typed."""
    own = settings.PORTAL_HOST.lower().split(":")[0]
    for found in _ADDRESS.finditer(text):
        if found["scheme"] or found["rest"] or found["host"].lower() != own:
            return True
    return bool(_LINK.search(text))
