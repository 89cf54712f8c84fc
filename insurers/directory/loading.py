"""Store the directory's files: all of their rows or none, as often as one likes.

Rows are recognised by their natural keys, so that an insurer keeps its id for ever. A row that
left the files stays in the database: it is reported, and removed only when that is asked.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet

from audit.models import Outcome
from audit.trail import PORTAL, record
from insurers.directory.file import DirectoryRefused, Problem, Reference, Row, read_directory
from insurers.directory.tables import BY_BREACH, NAMES_OF_AN_INSURER, SHARED
from insurers.models import (
    Advice,
    Affiliation,
    AmcNumber,
    Breach,
    BreachOperator,
    Caveat,
    Conflict,
    ExposedData,
    ImpactReport,
    Insurer,
    InsurerAlias,
    TimelineEntry,
)

# What others refer to (insurers, operators, sources…) is removed by hand, in the admin.
REMOVABLE = (
    Advice,
    Affiliation,
    AmcNumber,
    BreachOperator,
    Caveat,
    Conflict,
    ExposedData,
    ImpactReport,
    InsurerAlias,
    TimelineEntry,
)
KEYS: dict[type[Model], tuple[str, ...]] = {
    **{table.model: table.key for table in (*SHARED, *BY_BREACH)},
    **{model: ("insurer", attribute) for model, attribute in NAMES_OF_AN_INSURER.values()},
}


@dataclass
class Tally:
    """What became of one table's rows; `absent` ones are in the database, not in the files."""

    added: int = 0
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    absent: list[str] = field(default_factory=list)
    removed: int = 0


def load_directory(*, folder: Path, prune: bool = False) -> Mapping[type[Model], Tally]:
    """Store the files of `folder` and return what changed, table by table.

    With `prune`, absent rows that nothing refers to are removed. Raises DirectoryRefused, having
    stored nothing, when any row is at fault. The portal's trail keeps either outcome.
    """
    try:
        rows = read_directory(folder)
        with transaction.atomic():
            tallies = _store_all(rows, prune=prune)
            record(
                action="directory.loaded",
                scope=PORTAL,
                subject="directory",
                detail=_detail(tallies),
            )
    except DirectoryRefused as refused:
        record(
            action="directory.loaded",
            scope=PORTAL,
            subject="directory",
            outcome=Outcome.REFUSED,
            detail={"problems": len(refused.problems)},
        )
        raise
    return tallies


def _store_all(rows: Iterable[Row], *, prune: bool) -> dict[type[Model], Tally]:
    tallies = {model: Tally() for model in KEYS}
    seen: dict[type[Model], list[Any]] = defaultdict(list)
    named: dict[Reference, Model] = {}
    for row in rows:
        stored = _store(row, named, tallies[row.model])
        seen[row.model].append(stored.pk)
        if row.name:
            named[row.name] = stored
    for model, tally in tallies.items():
        absent = _in_the_files_care(model, seen[Breach]).exclude(pk__in=seen[model])
        tally.absent = [_label(instance) for instance in absent]
        if prune and model in REMOVABLE:
            tally.removed = len(tally.absent)
            absent.delete()
    return tallies


def _store(row: Row, named: Mapping[Reference, Model], tally: Tally) -> Model:
    """Add the row, or bring what is stored up to it."""
    key = _resolved(row.key, named)
    values = _resolved(row.values, named)
    stored = row.model._default_manager.filter(**key).first()
    if stored is None:
        stored = row.model(**key, **values)
        _check(stored, row)
        stored.save()
        _set_sources(stored, row, named)
        tally.added += 1
        return stored
    changed = [name for name, value in values.items() if _differs(stored, name, value)]
    if changed:
        for name in changed:
            setattr(stored, name, values[name])
        _check(stored, row)
        stored.save(update_fields=changed)
    if _set_sources(stored, row, named):
        changed.append("sources")
    if changed:
        tally.changed.append(f"{row.file}:{row.line} ({', '.join(changed)})")
    else:
        tally.unchanged += 1
    return stored


def _resolved(values: Mapping[str, Any], named: Mapping[Reference, Model]) -> dict[str, Any]:
    return {
        name: named[value] if isinstance(value, Reference) else value
        for name, value in values.items()
    }


def _differs(stored: Model, name: str, value: Any) -> bool:
    if isinstance(value, Model):
        name, value = f"{name}_id", value.pk
    return bool(getattr(stored, name) != value)


def _check(instance: Model, row: Row) -> None:
    """Refuse what the database would: a name taken by another row, an end before its start."""
    try:
        instance.full_clean()
    except ValidationError as error:
        raise DirectoryRefused(
            [
                Problem(row.file, row.line, "" if name == NON_FIELD_ERRORS else name, message)
                for name, messages in error.message_dict.items()
                for message in messages
            ]
        ) from None


def _set_sources(stored: Model, row: Row, named: Mapping[Reference, Model]) -> bool:
    """Make the stored row's sources those of the file; say whether that changed anything."""
    if row.sources is None:
        return False
    sources: Any = stored.sources  # type: ignore[attr-defined]
    wanted = {named[reference].pk for reference in row.sources}
    if wanted == set(sources.values_list("pk", flat=True)):
        return False
    sources.set(wanted)
    return True


def _in_the_files_care(model: type[Model], breaches: list[int]) -> QuerySet[Any]:
    """Return the rows that the files should hold: not the fictional ones, not other breaches."""
    rows = model._default_manager.all()
    names = {place.name for place in model._meta.get_fields()}
    if model in {Insurer, Breach}:
        rows = rows.filter(is_demo=False)
    if "insurer" in names:
        rows = rows.filter(insurer__is_demo=False)
    if "breach" in names:
        rows = rows.filter(breach__in=breaches)
    return rows


def _label(instance: Model) -> str:
    return ", ".join(str(getattr(instance, name) or "–") for name in KEYS[type(instance)])


def _detail(tallies: Mapping[type[Model], Tally]) -> dict[str, dict[str, int]]:
    counts = {
        model._meta.model_name or "": {
            "added": tally.added,
            "changed": len(tally.changed),
            "removed": tally.removed,
        }
        for model, tally in tallies.items()
    }
    return {name: found for name, found in counts.items() if any(found.values())}
