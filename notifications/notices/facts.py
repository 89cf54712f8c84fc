"""What the directory says of a breach, and a notice pre-filled with it.

What no source says (the likely consequences for a person, the insurer's own measures) is left for
the insurer to write.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.utils import formats, translation

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
from notifications.notices.content import NoticeContent, NoticeTexts, save_version
from notifications.notices.forbidden import forbidden_in
from notifications.notices.visible_text import folded


@dataclass(frozen=True)
class Facts:
    """What the directory says of a breach for these operators and this population."""

    breach: Breach
    operators: tuple[Operator, ...]
    parts: tuple[BreachOperator, ...]
    exposed: tuple[str, ...]
    not_exposed: tuple[str, ...]
    uncertain: tuple[str, ...]
    own_domains: frozenset[str] = frozenset()
    """The domains that are the insurer's, where it is known."""


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
    advice = Advice.objects.filter(population=population).exclude(code__in=NOT_IN_A_NOTICE)
    # Some of the directory's name a site (« votre compte Viamedis.net »): no message may.
    lines = [getattr(line, f"text_{language}") for line in advice]
    allowed = [line for line in lines if not any(forbidden_in(line))]
    summary = getattr(facts.breach, f"summary_{language}")
    with translation.override(language):
        dates = " ".join(_when(part, language) for part in facts.parts)
    if language == "en":
        subject = f"{insurer.name}: breach of your personal data at {names}"
        nature = f"Third-party payment for {insurer.name} is or was handled by {names}. {summary}"
    else:
        subject = f"{insurer.name} : violation de vos données personnelles chez {names}"
        nature = f"Le tiers payant {_of(insurer.name)} est ou a été confié à {names}. {summary}"
    return NoticeTexts(
        subject=subject,
        nature=nature.strip(),
        dates=dates,
        advice="\n".join(allowed[:6]),
        sms=_sms(insurer, language),
    )


def _of(name: str) -> str:
    """Return « de » and a name; it elides before a vowel (an initial h may be aspirated)."""
    return f"d’{name}" if folded(name)[:1] in {*"aeiou", "œ", "æ"} else f"de {name}"


def _when(part: BreachOperator, language: str) -> str:
    """Say when an operator's intrusion was detected and made public, or that it is not known."""
    detected = day_in_words(part.detected_date, language) if part.detected_date else ""
    announced = day_in_words(part.announced_date, language) if part.announced_date else ""
    name = part.operator.name
    if language == "en":
        first = f"was detected on {detected or 'a date that was not published'}"
        end = f" and made public on {announced}" if announced else ""
        return f"At {name} the intrusion {first}{end}."
    first = f"a été découverte {f'le {detected}' if detected else 'à une date non publiée'}"
    end = f" et rendue publique le {announced}" if announced else ""
    return f"Chez {name}, l’intrusion {first}{end}."


def _sms(insurer: Insurer, language: str) -> str:
    """Write the SMS: it cannot hold the notice, so it says where to read and check it."""
    if language == "en":
        call = " or call {phone}" if insurer.contact_phone else ""
        return (
            "{insurer}: a data breach concerns you. To know which data, what to do, and to check"
            f" this message, type {{portal}} in your browser{call}. Code {{reference}}"
        )
    call = " ou appelez le {téléphone}" if insurer.contact_phone else ""
    return (
        "{organisme} : une violation de données vous concerne. Pour savoir lesquelles, que faire,"
        f" et vérifier ce SMS, tapez {{portail}} dans votre navigateur{call}. Code {{référence}}"
    )


def day_in_words(day: date, language: str) -> str:
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
