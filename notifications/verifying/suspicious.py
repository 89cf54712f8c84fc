"""Messages that people take for scams: masked before they are kept, grouped, shown inert.

Nothing about who reports is kept, not even the hour. What is pasted may still be about somebody,
so that what can be recognised goes before anything is stored (`masking.py`).
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Max, Min, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from insurers.models import Insurer
from notifications.models import ReportedChannel, SuspiciousMessage
from notifications.verifying.masking import HOST, TELEPHONE, masked, visible

KEPT_FOR = timedelta(days=365)
TEXTS_READ = 50  # of each group, the last ones
TRACES_SHOWN = 10  # numbers, and links
LONGEST_LINK = 200

LINK = re.compile(rf"https?://([^\s/?#:]+)\S*|({HOST})(?:[:/]\S*)?", re.IGNORECASE)
# Telephone numbers, and the short ones of services (10 14, 36 46, 81234); no price, no part of one.
CALLED = re.compile(
    rf"{TELEPHONE.pattern}|(?<![\w.,/-])(?<!\d )(?:(?:10|3\d) ?\d\d|[3-8]\d{{4}})"
    r"(?![.,/-]?\w)(?! \d)(?! ?(?:€|eur))",
    re.IGNORECASE,
)
DOT_IN_NAME = re.compile(r"(?<=[\w-])\.(?=[^\W\d_])")
DOTTED_NUMBERS = re.compile(r"\b(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\b")


@dataclass(frozen=True)
class Suspicion:
    """Reports of one message, alike but for numbers, links' ends and spaces.

    `text` is that of one; `numbers` and `links` are those of all (of the last, if many).
    """

    text: str
    numbers: tuple[str, ...]
    links: tuple[str, ...]
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
    """Group reports that are alike, those that came last first, as `suspicions` reads them."""
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


def suspicions(
    groups: Iterable[dict[str, Any]], rows: QuerySet[SuspiciousMessage]
) -> list[Suspicion]:
    """Return groups of these rows for people to read."""
    groups = list(groups)
    texts = _last_texts(rows.filter(alike__in=[group["alike"] for group in groups]))
    return [_shown(group, texts[group["alike"]]) for group in groups]


def _last_texts(rows: QuerySet[SuspiciousMessage]) -> dict[UUID, list[str]]:
    """Return the different texts of each group, those reported last first."""
    rank = Window(
        RowNumber(), partition_by=[F("alike")], order_by=[F("last_date").desc(), F("text")]
    )
    different = rows.values("alike", "text").annotate(last_date=Max("reported_date"))
    found = different.annotate(rank=rank).filter(rank__lte=TEXTS_READ).order_by("alike", "rank")
    texts: dict[UUID, list[str]] = defaultdict(list)
    for alike, text in found.values_list("alike", "text"):
        texts[alike].append(text)
    return texts


def _shown(group: dict[str, Any], texts: list[str]) -> Suspicion:
    numbers: dict[str, str] = {}
    for number in (number for text in texts for number in _numbers(text)):
        numbers.setdefault(_dialled(number), number)
    links = dict.fromkeys(link for text in texts for link in _links(text))
    return Suspicion(
        text=inert(group["sample"]),
        numbers=tuple(numbers.values())[:TRACES_SHOWN],
        links=tuple(links)[:TRACES_SHOWN],
        times=group["times"],
        first_date=group["first_date"],
        last_date=group["last_date"],
        channels=tuple(ReportedChannel(channel) for channel in group["channels"] or ()),
        insurers=tuple(group["insurers"] or ()),
    )


def _numbers(text: str) -> Iterator[str]:
    """Yield the numbers to call."""
    for found in CALLED.finditer(text):
        yield re.sub(r"[ .-]+", " ", found[0])


def _dialled(number: str) -> str:
    """Return the same for a French number with its country and without."""
    return re.sub(r"^(?:00)?33(?=\d{9}$)", "0", re.sub(r"\D", "", number))


def _links(text: str) -> Iterator[str]:
    """Yield the links, inert, that lead further than to a site, which is the same in all."""
    for found in LINK.finditer(text):
        link = found[0].rstrip(".,;:!?)»\"'")
        if "/" in link.partition("://")[2] or (found[2] and "/" in link):
            yield inert(link)[:LONGEST_LINK]


def forget_old_reports(*, today: date) -> int:
    """Erase what was reported over a year ago; return how many (worker only)."""
    return SuspiciousMessage.objects.filter(reported_date__lt=today - KEPT_FOR).delete()[0]
