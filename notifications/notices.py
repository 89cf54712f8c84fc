"""The Article 34 message as structured content: pre-fill it, save it as a new version."""

import hashlib
import json
from collections.abc import Iterable, Sequence
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
    Certainty,
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
    uncertain: tuple[str, ...]


# What one source reports, what is limited, disputed or possible, is for the insurer to judge.
SURE = (Certainty.CONFIRMED,)
# Advice that makes no sense in a message by which the insurer itself tells the person.
NOT_IN_A_NOTICE = ("ask_insurer", "look_at_card")


def facts_for(*, breach: Breach, operators: Sequence[Operator], population: Population) -> Facts:
    """Gather the categories of all the operators; one that an operator exposed is exposed."""
    rows = list(
        ExposedData.objects.filter(breach=breach, operator__in=operators, population=population)
        .order_by("category__position", "category__code")
        .values_list("category__code", "is_exposed", "certainty")
    )
    exposed = _codes(code for code, is_exposed, sure in rows if is_exposed and sure in SURE)
    doubtful = _codes(code for code, is_exposed, sure in rows if is_exposed and sure not in SURE)
    clear = _codes(code for code, is_exposed, _ in rows if not is_exposed)
    return Facts(
        breach=breach,
        operators=tuple(operators),
        parts=tuple(
            BreachOperator.objects.filter(breach=breach, operator__in=operators).order_by(
                "operator"
            )
        ),
        exposed=exposed,
        not_exposed=tuple(code for code in clear if code not in {*exposed, *doubtful}),
        uncertain=tuple(code for code in doubtful if code not in exposed),
    )


def _codes(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))


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
    names = _joined([operator.name for operator in facts.operators], language)
    advice = Advice.objects.filter(population=population).exclude(code__in=NOT_IN_A_NOTICE)[:6]
    summary = getattr(facts.breach, f"summary_{language}")
    with translation.override(language):
        dates = " ".join(_when(part, language) for part in facts.parts if part.detected_date)
    if language == "en":
        subject = f"{insurer.name}: breach of your personal data at {names}"
        nature = f"Third-party payment for {insurer.name} is or was handled by {names}. {summary}"
    else:
        subject = f"{insurer.name} : violation de vos données personnelles chez {names}"
        nature = f"Le tiers payant de {insurer.name} est ou a été confié à {names}. {summary}"
    return NoticeTexts(
        subject=subject,
        nature=f"{nature} {dates}".strip(),
        advice="\n".join(getattr(line, f"text_{language}") for line in advice),
    )


def _when(part: BreachOperator, language: str) -> str:
    """Say when an operator's intrusion was detected and made public."""
    assert part.detected_date is not None
    detected = _day(part.detected_date, language)
    announced = _day(part.announced_date, language) if part.announced_date else ""
    if language == "en":
        end = f" and made public on {announced}." if announced else "."
        return f"At {part.operator.name} the intrusion was detected on {detected}{end}"
    end = f" et rendue publique le {announced}." if announced else "."
    return f"Chez {part.operator.name}, l’intrusion a été découverte le {detected}{end}"


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
