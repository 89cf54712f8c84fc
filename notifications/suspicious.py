"""Messages that people take for scams: masked before they are kept, grouped, shown inert.

Nothing about who reports is kept, not even the hour. What is pasted may still be about somebody,
so that what can be recognised goes before anything is stored (`masking.py`).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Min, Q, QuerySet

from insurers.models import Insurer
from notifications.masking import HOST, masked, visible
from notifications.models import ReportedChannel, SuspiciousMessage

KEPT_FOR = timedelta(days=365)

LINK = re.compile(rf"https?://([^\s/?#:]+)\S*|({HOST})(?:[:/]\S*)?", re.IGNORECASE)
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


def inert(text: str) -> str:
    """Return a text in which no program finds a link to open, and nothing turns it round."""
    text = re.sub(r"\bhttp(s?)(?=:)", r"hxxp\1", visible(text), flags=re.IGNORECASE)
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
