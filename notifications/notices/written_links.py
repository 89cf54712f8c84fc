"""Addresses of the web in a text, however they are disguised.

All of it reads a `visible_text.seen` text.
"""

import re
from collections.abc import Collection

from django.conf import settings

SHORTENER = re.compile(
    r"(?<![\w.-])(?:bit\.ly|tinyurl\.com|t\.co|goo\.gl|ow\.ly|is\.gd|v\.gd|buff\.ly|lnkd\.in|cutt\.ly"
    r"|rebrand\.ly|rb\.gy|t\.ly|s\.id|shorturl\.at|urlz\.fr|urlr\.me|lc\.cx|vu\.fr|tiny\.cc|bl\.ink"
    r"|short\.io|dub\.sh|soo\.gd|cli\.re|frama\.link|u\.to)(?![\w-])",
    re.IGNORECASE,
)
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_SURE = re.compile(
    r"//\w|\bwww\.|\b(?:h(?:tt|xx)ps?|mailto|javascript):|\b(?:tel|sms):\+?\d|\bdata:\w+/"
    # As Markdown names a link.
    r"|\]\(\s?[\w/#.]"
    # Dots that no program reads and people do.
    r"|\w\s?[\[({]\s?(?:\.|dot|point)\s?[\])}]\s?\w|\w%(?:2e|2f|3a)\w"
    r"|\w (?:point|dot) (?:fr|com|org|net|eu)\b|\w \. ?(?:fr|com|org|net|eu|info|io)\b"
    rf"|(?<![\d.])(?:{_BYTE}\.){{3}}{_BYTE}(?!\.?\d)",
    re.IGNORECASE,
)
# The domain of an e-mail address is no link; what a path follows is.
_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]++@(?:[\w-]++\.)+(?:[^\W\d_]|xn--)[\w-]++(?![/?#:]\w)")
# Words joined by dots: read once, from the first sign to the last.
_DOTTED = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]++)+")
_ABBREVIATIONS = frozenset({"p.ex"})


def link_in(text: str) -> str:
    """Return the first address other than the portal's own, to be typed; "" where there is none.

    Any two words that a dot joins may be one: there are over a thousand top-level domains.
    """
    text = _EMAIL.sub(" ", _own().sub(" ", text))
    if sure := _SURE.search(text):
        return sure[0].strip()
    return next((one for one in _DOTTED.findall(text) if _may_be_host(one)), "")


def foreign_address_in(text: str, domains: Collection[str]) -> str:
    """Return the first e-mail address outside these domains and those below them; "" for none."""
    below = tuple(f".{domain}" for domain in domains)
    for found in _EMAIL.finditer(text):
        domain = found[0].rpartition("@")[2].lower()
        if domain not in domains and not domain.endswith(below):
            return found[0]
    return ""


def _own() -> re.Pattern[str]:
    """Match the portal's own address where nothing touches it that leads elsewhere."""
    host = re.escape(settings.PORTAL_HOST.split(":")[0])
    return re.compile(rf"(?<![\w.@/:-]){host}(?![\w@/-]|[.:?#]+\w)", re.IGNORECASE)


def _may_be_host(dotted: str) -> bool:
    if dotted.casefold() in _ABBREVIATIONS:
        return False
    ends = dotted.split(".")[1:]
    return any((len(end) > 1 and end.isalpha()) or end[:4].lower() == "xn--" for end in ends)
