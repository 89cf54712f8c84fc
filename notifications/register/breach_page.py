"""A breach at a glance: its lines searched, filtered, sorted and added up."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django import forms
from django.db import models
from django.forms.utils import flatatt
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from insurers.models import Breach, Operator
from insurers.numbers import spaced
from notifications.models import State
from notifications.register.clock import Clock, ClockState, clock_of
from notifications.register.glance import NOBODY, Line, added_up
from notifications.states import Standing

FIRST = list(ClockState)


class Shown(models.TextChoices):
    """Which insurers an inspector looks for."""

    SILENT = "silent", _("qui n’ont rien déclaré")
    LATE = "late", _("en retard envers l’autorité")
    NOBODY_TOLD = "nobody_told", _("dont personne n’est informé")
    UNREACHABLE = "unreachable", _("qui ont des injoignables")
    REJECTED = "rejected", _("qui ont des lignes rejetées")
    UNBALANCED = "unbalanced", _("dont les chiffres ne s’additionnent pas")


class PlainSelect(forms.Select):
    """A select written at once: with a template for each option it was much of the page."""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        options = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            (
                (code, mark_safe(" selected") if code == (value or "") else "", label)
                for code, label in self.choices
            ),
        )
        every = self.build_attrs(self.attrs, {"name": name} | (attrs or {}))
        return format_html("<select{}>{}</select>", flatatt(every), options)


class LinesForm(forms.Form):
    """Search and filters; every field is optional, what is not understood is left out."""

    q = forms.CharField(label=_("Nom de l’organisme"), required=False, max_length=100)
    shown = forms.ChoiceField(
        label=_("Seulement ceux"),
        choices=[("", _("tous")), *Shown.choices],
        required=False,
        widget=PlainSelect,
    )
    clock = forms.ChoiceField(
        label=_("Délai de notification"),
        choices=[("", _("tous")), *ClockState.choices],
        required=False,
        widget=PlainSelect,
    )
    operator = forms.ChoiceField(label=_("Opérateur"), required=False, widget=PlainSelect)
    # Of the headers too, which a narrow screen does not show.
    tri = forms.ChoiceField(label=_("Trier par"), required=False, widget=PlainSelect)

    def __init__(self, *args: Any, breach: Breach, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        operators = Operator.objects.filter(breach_parts__breach=breach)
        self._offer("operator", [("", _("tous")), *((str(one.pk), one.name) for one in operators)])
        self._offer("tri", [("", _("silencieux d’abord, puis par nom")), *_sorts()])

    def _offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices


@dataclass
class Row:
    """A line as it stands now. Of four hundred, few are sorted or shown by more than a figure."""

    line: Line
    now: datetime

    @cached_property
    def clock(self) -> Clock:
        """Where the insurer's clock stands."""
        return clock_of(declaration=self.line.declaration, now=self.now)

    @cached_property
    def days_to_tell(self) -> tuple[float | None, ...]:
        """The days from awareness until each share was told."""
        aware = self.awareness_at
        return tuple(
            (told_at - aware).total_seconds() / 86400 if told_at and aware else None
            for told_at in self.line.told_at
        )

    @property
    def awareness_at(self) -> datetime | None:
        """When the insurer knew, as it declared."""
        return self.line.declaration.awareness_at if self.line.declaration else None

    @property
    def aware(self) -> str:
        """When the insurer knew, in writing."""
        return _moment(self.awareness_at) if self.awareness_at else "–"

    @property
    def clock_order(self) -> tuple[int, timedelta]:
        """What the clock sorts by: the latest first."""
        return FIRST.index(self.clock.state), self.clock.margin

    @property
    def days(self) -> list[tuple[str, str]]:
        """The days until each share was told as (label, text)."""
        return [(str(column.label), column.text(self)) for column in DAYS]


@dataclass(frozen=True)
class Column:
    """A column of figures: its sort value (None sorts last) and how it is written."""

    key: str
    label: Any
    value: Callable[[Row], Any]
    write: Callable[[Any], str]

    def text(self, row: Row) -> str:
        """Return the cell's text."""
        value = self.value(row)
        return "–" if value is None else self.write(value)


def _people(standing: Standing) -> Callable[[Row], int]:
    return lambda row: row.line.people[standing]


def _state(state: State) -> Callable[[Row], int]:
    return lambda row: row.line.people_in(state)


def _days(place: int) -> Callable[[Row], float | None]:
    return lambda row: row.days_to_tell[place]


def _moment(at: datetime) -> str:
    return timezone.localtime(at).strftime("%d/%m/%Y %H:%M")


def date_of(at: datetime) -> str:
    """Return the day of a moment, in figures."""
    return timezone.localtime(at).strftime("%d/%m/%Y")


def _one_place(days: float) -> str:
    # Rounded here: number_format only cuts. Adding zero takes the sign off a zero.
    return formats.number_format(round(days, 1) + 0.0, 1)


PEOPLE = [
    Column("listed", _("Sur liste"), lambda row: row.line.listed, spaced),
    Column("told", _("Informées"), _people(Standing.TOLD), spaced),
    Column("in_progress", _("En cours"), _people(Standing.IN_PROGRESS), spaced),
    Column("unreachable", _("Injoignables"), _people(Standing.UNREACHABLE), spaced),
    Column("exempt", _("Dispensées"), _people(Standing.EXEMPT), spaced),
    Column("told_already", _("Déjà informées"), _people(Standing.TOLD_ALREADY), spaced),
    Column("cancelled", _("Annulées"), _people(Standing.CANCELLED), spaced),
]
DETAILS = [
    Column("accepted", _("acceptées"), _state(State.ACCEPTED), spaced),
    Column("delivered", _("remises"), _state(State.DELIVERED), spaced),
    Column("bounced", _("adresse refusée"), _state(State.BOUNCED), spaced),
]
MESSAGES = [
    Column("first", _("premier"), lambda row: row.line.first_message_at, _moment),
    Column("last", _("dernier"), lambda row: row.line.last_message_at, _moment),
]
DAYS = [
    Column("half", _("jours, 50 %"), _days(0), _one_place),
    Column("most", _("jours, 95 %"), _days(1), _one_place),
    Column("all", _("jours, 100 %"), _days(2), _one_place),
]
DATES = [
    Column("name", _("Organisme"), lambda row: row.line.insurer.name.casefold(), str),
    Column("awareness", _("connaissance"), lambda row: row.awareness_at, _moment),
    Column("clock", _("notification"), lambda row: row.clock_order, str),
]
# The headers of an insurer's two rows: those of several figures have a title and a way to sort by
# each.
TITLED: list[list[tuple[Any, list[Column]]]] = [
    [
        ("", DATES[:1]),
        (_("Délai"), DATES[1:]),
        *(("", [column]) for column in PEOPLE),
    ],
    [(_("Détail"), DETAILS), (_("Messages"), [*MESSAGES, *DAYS])],
]
SORTS = {
    column.key: column.value
    for titled in TITLED
    for _title, columns in titled
    for column in columns
}


def _sorts() -> Iterator[tuple[str, str]]:
    """Yield each way to sort, in words."""
    for titled in TITLED:
        for title, columns in titled:
            for column in columns:
                label = f"{title} ({column.label})" if title else column.label
                yield column.key, gettext("%(column)s, croissant") % {"column": label}
                yield f"-{column.key}", gettext("%(column)s, décroissant") % {"column": label}


def sorted_rows(rows: Iterable[Row], sort: str) -> list[Row]:
    """Sort by a key of SORTS, descending after « - »; else silent ones first, then by name."""
    by_name = sorted(rows, key=lambda row: row.line.insurer.name.casefold())
    value = SORTS.get(sort.removeprefix("-"))
    if value is None:
        return sorted(by_name, key=lambda row: not row.line.is_silent)
    known = [row for row in by_name if value(row) is not None]
    known.sort(key=value, reverse=sort.startswith("-"))
    return known + [row for row in by_name if value(row) is None]


def kept(rows: Sequence[Row], wanted: dict[str, Any], with_operator: set[Any]) -> list[Row]:
    """Keep the rows that a valid LinesForm asks for; `with_operator` are insurers' ids."""
    found = list(rows)
    if name := (wanted.get("q") or "").strip().casefold():
        found = [row for row in found if name in row.line.insurer.name.casefold()]
    if clock := wanted.get("clock"):
        found = [row for row in found if row.clock.state == clock]
    if wanted.get("operator"):
        found = [row for row in found if row.line.insurer.pk in with_operator]
    if shown := wanted.get("shown"):
        found = [row for row in found if _is_shown(row, Shown(shown))]
    return found


def _is_shown(row: Row, shown: Shown) -> bool:
    line = row.line
    return {
        Shown.SILENT: line.is_silent,
        Shown.LATE: row.clock.state == ClockState.LATE,
        Shown.NOBODY_TOLD: not line.people[Standing.TOLD],
        Shown.UNREACHABLE: line.people[Standing.UNREACHABLE] > 0,
        Shown.REJECTED: line.rows_rejected > 0,
        Shown.UNBALANCED: not line.adds_up,
    }[shown]


def total_of(lines: Sequence[Line]) -> Line:
    """Return the lines as one: figures added up, the first and last messages of all."""
    return Line(
        NOBODY,
        listed=sum(one.listed for one in lines),
        people={found.value: sum(one.people[found] for one in lines) for found in Standing},
        first_message_at=min(filter(None, (one.first_message_at for one in lines)), default=None),
        last_message_at=max(filter(None, (one.last_message_at for one in lines)), default=None),
        rows_rejected=sum(one.rows_rejected for one in lines),
        sums=added_up(lines),
    )
