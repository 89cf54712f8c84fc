"""Messages that people take for scams: masked before they are kept, grouped, shown inert.

Nothing about who reports is kept, not even the hour. What is pasted may still be about somebody,
so that what can be recognised goes before anything is stored: addresses, bank and social security
numbers, references, and what a link carries behind its path. Telephone numbers stay: they are what
a scam wants to be called at.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Min, Q, QuerySet

from insurers.lists import nir
from insurers.models import Insurer
from notifications.models import ReportedChannel, SuspiciousMessage
from notifications.models.suspicious import AT_MOST
from notifications.references import IN_GROUPS, SYMBOLS, Form, parse

KEPT_FOR = timedelta(days=365)

# Read once, from its beginning, so that no text takes long.
HOST = r"(?<![\w.-])(?>(?:[\w-]{1,63}\.){1,20}[^\W\d_]{2,63})"
EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]++@(?:[\w-]++\.)+[^\W\d_]{2,}")
# What follows `?` or `#` in a link tells the recipients of one scam apart.
QUERY = re.compile(rf"((?:https?://|{HOST})[^\s?#]*+)[?#]\S+", re.IGNORECASE)
LINK = re.compile(rf"https?://([^\s/?#:]+)\S*|({HOST})(?:[:/]\S*)?", re.IGNORECASE)
IBAN = re.compile(
    r"\b[A-Z]{2}\d{2}(?:[ .-]?[A-Z0-9]{4}){2,7}(?:[ .-]?[A-Z0-9]{1,3})?\b", re.IGNORECASE
)
# Cards, account numbers. A telephone number has 13 digits at most, 00 and its country included.
LONG_NUMBER = re.compile(r"\d(?:[ .-]?\d){13,}")
REFERENCE = re.compile(rf"{IN_GROUPS.pattern}|\b[0-9A-Z]{{13}}\b", re.IGNORECASE)
DOT_IN_NAME = re.compile(r"(?<=[\w-])\.(?=[^\W\d_])")
DOTTED_NUMBERS = re.compile(r"\b(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\b")


@dataclass(frozen=True)
class Suspicion:
    """Reports of one message, alike but for numbers, links' ends and spaces."""

    text: str
    times: int
    first_date: date
    last_date: date
    channels: tuple[ReportedChannel, ...]
    insurers: tuple[str, ...]


def report_message(*, text: str, channel: str, insurer: Insurer | None, today: date) -> None:
    """Keep a message that somebody reports, without what may be personal."""
    kept = masked(text)
    SuspiciousMessage.objects.bulk_create(
        [
            SuspiciousMessage(
                insurer=insurer,
                channel=channel,
                text=kept,
                alike=likeness(kept),
                reported_date=today,
            )
        ]
    )


def masked(text: str) -> str:
    """Return a pasted text without what can be recognised as personal, and as it is seen.

    Signs that turn or hide what follows are dropped first: they would hide numbers from the masks.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    seen = unicodedata.normalize("NFKC", _visible(lines)).strip()
    seen = QUERY.sub(r"\1?…", seen)
    seen = EMAIL.sub("[e-mail]", seen)
    seen = REFERENCE.sub(_without_reference, seen)
    seen = IBAN.sub(_without_iban, seen)
    seen = nir.masked(seen, "[numéro]")
    return LONG_NUMBER.sub("[numéro]", seen)[:AT_MOST]


def inert(text: str) -> str:
    """Return a text in which no program finds a link to open, and nothing turns it round."""
    text = re.sub(r"\bhttp(s?)(?=:)", r"hxxp\1", _visible(text), flags=re.IGNORECASE)
    text = DOTTED_NUMBERS.sub(r"\1[.]\2[.]\3[.]\4", text)
    return DOT_IN_NAME.sub("[.]", text)


def likeness(text: str) -> UUID:
    """Return the same for texts that differ by case, spaces, numbers and the ends of links."""
    bare = LINK.sub(lambda link: f" {link[1] or link[2]} ", text.casefold())
    words = " ".join(re.findall(r"[^\W\d_]+", bare)) or "".join(bare.split())
    return UUID(bytes=hashlib.sha256(words.encode()).digest()[:16])


def grouped(rows: QuerySet[SuspiciousMessage]) -> QuerySet[Any, Any]:
    """Group reports that are alike, those that came last first, as `shown` reads them."""
    return (
        rows.values("alike")
        .annotate(
            times=Count("pk"),
            first_date=Min("reported_date"),
            last_date=Max("reported_date"),
            sample=Max("text"),
            channels=ArrayAgg("channel", filter=~Q(channel=""), distinct=True),
            insurers=ArrayAgg("insurer__name", filter=~Q(insurer=None), distinct=True),
        )
        .order_by("-last_date", "-times", "alike")
    )


def shown(group: dict[str, Any]) -> Suspicion:
    """Return a group for people to read."""
    return Suspicion(
        text=inert(group["sample"]),
        times=group["times"],
        first_date=group["first_date"],
        last_date=group["last_date"],
        channels=tuple(ReportedChannel(channel) for channel in group["channels"] or ()),
        insurers=tuple(group["insurers"] or ()),
    )


def forget_old_reports(*, today: date) -> int:
    """Erase what was reported over a year ago; return how many (worker only)."""
    return SuspiciousMessage.objects.filter(reported_date__lt=today - KEPT_FOR).delete()[0]


def _visible(text: str) -> str:
    """Drop signs that are not seen: controls, marks of direction, of no width, of no meaning."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c)[0] != "C")


def _without_reference(found: re.Match[str]) -> str:
    """Mask what has a reference's form; ordinary words have no digit."""
    has_digit = any(sign.isdigit() for sign in found[0])
    is_one = len(found[0]) > SYMBOLS + 1 or parse(found[0]).form == Form.WELL_FORMED
    return "[référence]" if has_digit and is_one else found[0]


def _without_iban(found: re.Match[str]) -> str:
    """Mask what has an IBAN's form; a parcel's number and words after it have few digits."""
    return "[numéro]" if sum(sign.isdigit() for sign in found[0]) > 11 else found[0]
