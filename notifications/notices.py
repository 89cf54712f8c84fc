"""The Article 34 message as structured content: pre-fill it, save it as a new version."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Self

from django.db import transaction
from django.utils import formats, translation

from audit.trail import account, insurer_scope, record
from insurers.models import (
    Advice,
    Breach,
    BreachOperator,
    ExposedData,
    Insurer,
    Operator,
    Population,
)
from notifications.models import Notice, NoticeVersion


@dataclass(frozen=True)
class NoticeTexts:
    """What is written in one language; empty strings are what remains to be written."""

    subject: str = ""
    nature: str = ""
    consequences: str = ""
    measures: str = ""
    advice: str = ""


@dataclass(frozen=True)
class NoticeContent:
    """One field per element of Article 34(2); `exposed` and `not_exposed` hold category codes."""

    operators: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    not_exposed: tuple[str, ...] = ()
    controller_name: str = ""
    controller_address: str = ""
    dpo_name: str = ""
    contact_email: str = ""
    contact_phone: str = ""
    contact_address: str = ""
    unreachable_plan: str = ""
    fr: NoticeTexts = field(default_factory=NoticeTexts)
    en: NoticeTexts = field(default_factory=NoticeTexts)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `asdict` wrote."""
        lists = {name: tuple(content[name]) for name in ("operators", "exposed", "not_exposed")}
        texts = {name: NoticeTexts(**content[name]) for name in ("fr", "en")}
        return cls(**{**content, **lists, **texts})

    def sha256(self) -> bytes:
        """Return the hash of the canonical JSON: what an approval binds."""
        canonical = json.dumps(
            asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).digest()

    def texts(self, language: str) -> NoticeTexts:
        """Return the texts in a language, or in French where it has none."""
        return self.en if language == "en" and self.en.subject else self.fr


@dataclass(frozen=True)
class Facts:
    """What the directory says of a breach for these operators and this population."""

    breach: Breach
    operators: tuple[Operator, ...]
    parts: tuple[BreachOperator, ...]
    exposed: tuple[str, ...]
    not_exposed: tuple[str, ...]


def facts_for(*, breach: Breach, operators: Sequence[Operator], population: Population) -> Facts:
    """Gather the exposed categories of all the operators; a category exposed by one is exposed."""
    rows = list(
        ExposedData.objects.filter(breach=breach, operator__in=operators, population=population)
        .order_by("category__position", "category__code")
        .values_list("category__code", "is_exposed")
    )
    exposed = tuple(dict.fromkeys(code for code, is_exposed in rows if is_exposed))
    clear = tuple(dict.fromkeys(code for code, is_exposed in rows if not is_exposed))
    return Facts(
        breach=breach,
        operators=tuple(operators),
        parts=tuple(
            BreachOperator.objects.filter(breach=breach, operator__in=operators).order_by(
                "operator"
            )
        ),
        exposed=exposed,
        not_exposed=tuple(code for code in clear if code not in exposed),
    )


def prefill(*, facts: Facts, insurer: Insurer, population: Population) -> NoticeContent:
    """Write what the directory's facts allow; consequences and measures are for the insurer."""
    return NoticeContent(
        operators=tuple(operator.name for operator in facts.operators),
        exposed=facts.exposed,
        not_exposed=facts.not_exposed,
        controller_name=insurer.name,
        controller_address=insurer.contact_address,
        dpo_name=insurer.dpo_name,
        contact_email=insurer.contact_email,
        contact_phone=insurer.contact_phone,
        contact_address=insurer.contact_address,
        fr=_texts(facts, insurer, population, "fr"),
        en=_texts(facts, insurer, population, "en"),
    )


def _texts(facts: Facts, insurer: Insurer, population: Population, language: str) -> NoticeTexts:
    with translation.override(language):
        names = _joined([operator.name for operator in facts.operators], language)
        detected = _dates([part.detected_date for part in facts.parts], language)
        announced = _dates([part.announced_date for part in facts.parts], language)
    advice = "\n".join(
        getattr(line, f"text_{language}")
        for line in Advice.objects.filter(population=population)[:6]
    )
    summary = getattr(facts.breach, f"summary_{language}")
    if language == "en":
        return NoticeTexts(
            subject=f"{insurer.name}: breach of your personal data at {names}",
            nature=f"{insurer.name} entrusts third-party payment to {names}. {summary}"
            + (f" The incident was detected on {detected}" if detected else "")
            + (
                f" and made public on {announced}."
                if detected and announced
                else "."
                if detected
                else ""
            ),
            advice=advice,
        )
    return NoticeTexts(
        subject=f"{insurer.name} : violation de vos données personnelles chez {names}",
        nature=f"{insurer.name} confie le tiers payant à {names}. {summary}"
        + (f" L’incident a été découvert le {detected}" if detected else "")
        + (
            f" et rendu public le {announced}."
            if detected and announced
            else "."
            if detected
            else ""
        ),
        advice=advice,
    )


def _dates(days: list[date | None], language: str) -> str:
    known = sorted({day for day in days if day})
    return _joined([_day(day, language) for day in known], language)


def _day(day: date, language: str) -> str:
    """Return a date in words; in French the first of a month is « 1er »."""
    words = formats.date_format(day, "j F Y")
    return words.replace("1 ", "1er ", 1) if language == "fr" and day.day == 1 else words


def _joined(words: list[str], language: str) -> str:
    glue = " and " if language == "en" else " et "
    return glue.join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


@transaction.atomic
def create_notice(
    *,
    breach: Breach,
    insurer: Insurer,
    operators: Sequence[Operator],
    population: Population,
    author_id: int,
    now: datetime,
) -> NoticeVersion:
    """Store a notice pre-filled from the facts, as its first version, in the trail."""
    notice = Notice.objects.create(
        breach=breach,
        insurer=insurer,
        population=population,
        created_by_id=author_id,
        created_at=now,
    )
    notice.operators.set(operators)
    facts = facts_for(breach=breach, operators=operators, population=population)
    content = prefill(facts=facts, insurer=insurer, population=population)
    return save_version(notice=notice, content=content, author_id=author_id, now=now)


@transaction.atomic
def save_version(
    *, notice: Notice, content: NoticeContent, author_id: int, now: datetime
) -> NoticeVersion:
    """Store the content as the notice's next version; versions never change afterwards."""
    last = notice.versions.order_by("-number").values_list("number", flat=True).first()
    version = NoticeVersion.objects.create(
        notice=notice,
        number=(last or 0) + 1,
        content=asdict(content),
        sha256=content.sha256(),
        edited_by_id=author_id,
        edited_at=now,
    )
    record(
        action="notice.saved",
        scope=insurer_scope(notice.insurer_id),
        actor=account(author_id),
        subject=f"notice:{notice.pk}",
        detail={"version": version.number, "sha256": version.sha256.hex()},
    )
    return version
