"""The record of Article 33(5): what an insurer documents of a breach, in versions, and its gaps.

Dates and the authority's file number are the declaration's; figures and categories that the portal
knows stand beside what the insurer wrote.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any, Self

from django.db import connection, models, transaction
from django.utils import formats, timezone
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from audit.trail import account, insurer_scope, record
from insurers.models import Breach, DataCategory, Insurer, Operator, Population
from insurers.numbers import spaced
from notifications.models import RecordVersion
from notifications.notices.versions import canonical_sha256
from notifications.register.clock import ClockState, clock_of
from notifications.register.part import Part, part_of
from notifications.states import Standing

LOCK = 7433  # the first number of an advisory lock's two; beside those of `notices/versions.py`


class Nature(models.TextChoices):
    """What the breach took from the data, in the words of the authority's form."""

    CONFIDENTIALITY = "confidentiality", _("perte de confidentialité")
    INTEGRITY = "integrity", _("perte d’intégrité")
    AVAILABILITY = "availability", _("perte de disponibilité")


class Severity(models.TextChoices):
    """How grave the consequences may be for people, in the words of the authority's form."""

    NEGLIGIBLE = "negligible", _("négligeable")
    LIMITED = "limited", _("limitée")
    SERIOUS = "serious", _("importante")
    MAXIMAL = "maximal", _("maximale")


LABELS = {
    "nature": _("Nature de la violation"),
    "facts": _("Faits"),
    "cause": _("Cause"),
    "people_categories": _("Catégories de personnes"),
    "people_number": _("Nombre approximatif de personnes"),
    "data_categories": _("Catégories de données"),
    "records_number": _("Nombre approximatif d’enregistrements"),
    "effects": _("Effets pour les personnes"),
    "severity": _("Gravité"),
    "measures": _("Mesures prises pour y remédier"),
    "operator_notice_at": _("Avis de l’opérateur reçu le"),
    "awareness_at": _("Prise de connaissance"),
    "authority_notified_at": _("Notification à l’autorité"),
    "authority_reference": _("Numéro de dossier auprès de l’autorité"),
    "delay_reasons": _("Motifs du retard"),
    "complements": _("Compléments à la notification"),
    "people_told": _("Information des personnes"),
}


@dataclass(frozen=True)
class Complement:
    """What was added to the notification later; `sent_on` is an ISO date."""

    sent_on: str = ""
    reference: str = ""
    text: str = ""


@dataclass(frozen=True)
class RecordContent:
    """What the insurer writes itself."""

    nature: tuple[str, ...] = ()
    facts: str = ""
    cause: str = ""
    people_categories: str = ""
    people_number: int | None = None
    data_categories: str = ""
    records_number: int | None = None
    effects: str = ""
    severity: str = ""
    measures: str = ""
    delay_reasons: str = ""
    complements: tuple[Complement, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what `asdict` wrote."""
        lists = {
            "nature": tuple(content["nature"]),
            "complements": tuple(Complement(**one) for one in content["complements"]),
        }
        return cls(**{**content, **lists})


@dataclass(frozen=True)
class Item:
    """One item of the record in the reader's language; `portal` is what the portal knows of it."""

    name: str
    label: str
    value: str
    portal: str = ""
    is_missing: bool = False


@dataclass(frozen=True)
class Record33:
    """An insurer's record of a breach as it stands; `number` is 0 where nothing was saved.

    `edited_by` is the account as the trail names it, `sha256` that of the version, in hex.
    """

    breach: Breach
    insurer: Insurer
    number: int
    edited_at: datetime | None
    edited_by: str
    sha256: str
    items: tuple[Item, ...]
    complements: tuple[Complement, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The labels of what is missing, in the order of the record."""
        return tuple(item.label for item in self.items if item.is_missing)


def record_of(*, breach: Breach, insurer: Insurer) -> Record33:
    """Return the record with its latest version's words; what is missing is marked, by name."""
    version = versions_of(breach=breach, insurer=insurer).first()
    part = part_of(breach=breach, insurer=insurer)
    content = RecordContent.from_json(version.content) if version else RecordContent()
    return Record33(
        breach=breach,
        insurer=insurer,
        number=version.number if version else 0,
        edited_at=version.edited_at if version else None,
        edited_by=account(version.edited_by_id) if version else "",
        sha256=bytes(version.sha256).hex() if version else "",
        items=tuple(_items(content, part, timezone.now())),
        complements=content.complements,
    )


def versions_of(*, breach: Breach, insurer: Insurer) -> models.QuerySet[RecordVersion]:
    """Return the saved versions of a record, the newest first."""
    return RecordVersion.objects.filter(breach=breach, insurer=insurer)


def latest_content(*, breach: Breach, insurer: Insurer) -> RecordContent:
    """Return what the latest version says; before the first, what the directory and lists say."""
    version = versions_of(breach=breach, insurer=insurer).first()
    if version is not None:
        return RecordContent.from_json(version.content)
    part = part_of(breach=breach, insurer=insurer)
    return RecordContent(
        facts=_in_language(breach, "summary"),
        cause=_in_language(breach, "method"),
        people_categories=known_people(part),
        people_number=part.line.figures.listed or None,
        data_categories=known_data(part),
        records_number=_records(part) or None,
    )


@transaction.atomic
def save_record(
    *, breach: Breach, insurer: Insurer, content: RecordContent, author_id: int, now: datetime
) -> RecordVersion | None:
    """Store the content as the next version, in the trail; None where it changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, f"{breach.pk}/{insurer.pk}"]
        )
    last = versions_of(breach=breach, insurer=insurer).first()
    before = RecordContent.from_json(last.content) if last else RecordContent()
    if content == before:
        return None
    version = RecordVersion.objects.create(
        breach=breach,
        insurer=insurer,
        number=last.number + 1 if last else 1,
        content=asdict(content),
        sha256=canonical_sha256(asdict(content)),
        edited_by_id=author_id,
        edited_at=now,
    )
    changed = [
        field.name
        for field in fields(RecordContent)
        if getattr(content, field.name) != getattr(before, field.name)
    ]
    record(
        action="record.saved",
        scope=insurer_scope(insurer.pk),
        actor=account(author_id),
        subject=f"breach:{breach.pk}",
        detail={"version": version.number, "sha256": version.sha256.hex(), "changed": changed},
    )
    return version


def _items(content: RecordContent, part: Part, now: datetime) -> Iterable[Item]:
    """Say each item of the record; a delay has reasons where there is one."""
    portal = {
        "people_categories": known_people(part),
        "people_number": spaced(part.line.figures.listed),
        "data_categories": known_data(part),
        "records_number": spaced(_records(part)),
    }
    yield _item("nature", ", ".join(str(Nature(one).label) for one in content.nature))
    for name in ("facts", "cause", "people_categories", "people_number", "data_categories"):
        yield _item(name, _words(getattr(content, name)), portal.get(name, ""))
    yield _item("records_number", _words(content.records_number), portal["records_number"])
    yield _item("effects", content.effects)
    yield _item("severity", str(Severity(content.severity).label) if content.severity else "")
    yield _item("measures", content.measures)
    for name in ("operator_notice_at", "awareness_at", "authority_notified_at"):
        yield _item(name, _moment(getattr(part.declaration, name, None)))
    reference = part.declaration.authority_reference if part.declaration else ""
    yield _item("authority_reference", reference)
    is_late = clock_of(declaration=part.declaration, now=now).state == ClockState.LATE
    none = "" if is_late else gettext("sans objet : pas de retard")
    yield _item("delay_reasons", content.delay_reasons or none)
    yield _item(
        "complements",
        "\n".join(map(complement_words, content.complements)) or gettext("aucun à ce jour"),
    )
    yield _item("people_told", _told(part))


def _item(name: str, value: str, portal: str = "") -> Item:
    return Item(name, str(LABELS[name]), value, portal, is_missing=not value)


def _words(value: str | int | None) -> str:
    return spaced(value) if isinstance(value, int) else value or ""


def _moment(at: datetime | None) -> str:
    return formats.date_format(timezone.localtime(at), "j F Y, H:i") if at else ""


def complement_words(complement: Complement) -> str:
    """Return a complement as one line: its date, its file number, what it adds."""
    day = formats.date_format(date.fromisoformat(complement.sent_on), "j F Y")
    return " · ".join(filter(None, (day, complement.reference, complement.text)))


def _told(part: Part) -> str:
    """Say how many people were told and when: the portal's own figures."""
    if part.line.first_message_at is None or part.line.last_message_at is None:
        return ""
    return gettext("%(told)s personnes informées sur %(listed)s, du %(first)s au %(last)s") % {
        "told": spaced(part.line.figures.people[Standing.TOLD]),
        "listed": spaced(part.line.figures.listed),
        "first": _moment(part.line.first_message_at),
        "last": _moment(part.line.last_message_at),
    }


def known_people(part: Part) -> str:
    """Return the populations of the insurer's lists; without lists, those of the directory."""
    found = Population.objects.filter(affected_lists__in=[one.pk for one in part.lists])
    if not part.lists:
        found = Population.objects.filter(
            exposed_data__breach=part.breach, exposed_data__operator__in=_operators(part)
        )
    return _labels(found.distinct().order_by("code"))


def known_data(part: Part) -> str:
    """Return the categories that the directory says were exposed, at the insurer's operators."""
    found = DataCategory.objects.filter(
        exposed_data__breach=part.breach,
        exposed_data__operator__in=_operators(part),
        exposed_data__is_exposed=True,
    )
    return _labels(found.distinct())


def _operators(part: Part) -> models.QuerySet[Operator]:
    listed = Operator.objects.filter(affected_lists__in=[one.pk for one in part.lists])
    tied = Operator.objects.filter(
        affiliations__insurer=part.insurer, breach_parts__breach=part.breach
    )
    return (listed if part.lists else tied).distinct()


def _labels(found: Iterable[Population | DataCategory]) -> str:
    return ", ".join(_in_language(one, "label") for one in found)


def _in_language(thing: object, name: str) -> str:
    language = "en" if (get_language() or "fr").startswith("en") else "fr"
    return str(getattr(thing, f"{name}_{language}") or getattr(thing, f"{name}_fr"))


def _records(part: Part) -> int:
    """Return how many usable rows the accepted lists hold."""
    return sum(one.rows - one.rows_rejected for one in part.lists)
