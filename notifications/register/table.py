"""The rows of a breach's table, written at once: as templates, they were most of the page."""

from collections.abc import Iterable
from functools import cache

from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from insurers.models import Breach
from insurers.numbers import spaced
from notifications.reasons import reason_label
from notifications.register.breach_page import (
    DAYS,
    DETAILS,
    MESSAGES,
    PEOPLE,
    Column,
    Row,
    date_of,
)

Labelled = list[tuple[str, Column]]


class Table:
    """Writes rows in the language of the page, whose words it looks up once."""

    def __init__(self) -> None:
        self.reason = cache(reason_label)
        self.clock_state = cache(lambda state: escape(state.label))
        self.people: Labelled = _labelled(PEOPLE, "")
        self.details: Labelled = _labelled(DETAILS, " ")
        self.messages: Labelled = _labelled(MESSAGES, " ") + _labelled(DAYS, gettext(" : "))
        self.clock = escape(gettext("Délai"))
        self.detail = escape(gettext("Détail"))
        self.sent = escape(gettext("Messages"))
        self.unreachable = gettext("injoignables, %(reason)s : %(shown)s")
        self.exempt = gettext("dispensées, %(reason)s : %(shown)s")

    def row(self, breach: Breach, row: Row) -> SafeString:
        """Return an insurer's two rows: its clock and people, then the details below."""
        line, clock = row.line, row.clock
        address = reverse("register_insurer", args=[breach.slug, line.insurer.slug])
        name = (
            f'<a href="{escape(address)}">{escape(line.insurer.name)}</a>{"".join(self._tags(row))}'
        )
        return mark_safe(  # noqa: S308 (all but numbers and labels is escaped)
            f'<tr><th scope="row" rowspan="2">{name}</th>'
            f'<td rowspan="2" data-label="{self.clock}">{row.aware}<br>'
            f'<span class="tag {clock.tag}">{self.clock_state(clock.state)}</span>'
            f" {escape(clock.words)}</td>"
            f"{self.figures(row)}"
        )

    def figures(self, row: Row) -> SafeString:
        """Return a row's figures, to the end of its second row."""
        people = "".join(
            f'<td class="number" data-label="{label}">{spaced(column.value(row))}</td>'
            for label, column in self.people
        )
        details = [
            f"{label}{spaced(count)}"
            for label, column in self.details
            if (count := column.value(row))
        ]
        details += self._reasons(row)
        sent = [f"{label}{column.text(row)}" for label, column in self.messages]
        return mark_safe(  # noqa: S308 (likewise)
            f'{people}</tr><tr class="row-more">'
            f'<td colspan="4" data-label="{self.detail}">{_pairs(details)}</td>'
            f'<td colspan="3" data-label="{self.sent}">{_pairs(sent)}</td></tr>'
        )

    def _reasons(self, row: Row) -> Iterable[str]:
        figures = row.line.figures
        for said, reasons in (
            (self.unreachable, figures.unreachable_by_reason),
            (self.exempt, figures.exempt_by_ground),
        ):
            for reason, people in reasons.most_common():
                if people:
                    shown = spaced(people)
                    yield escape(said % {"reason": self.reason(reason), "shown": shown})

    def _tags(self, row: Row) -> Iterable[str]:
        """Yield what stands out beside the insurer's name."""
        line = row.line
        if line.is_silent:
            yield _tag("tag-warning", gettext("rien déclaré"))
        if not line.adds_up:
            yield _tag("tag-danger", gettext("ne s’additionne pas"))
        if line.public_statement:
            at = line.public_statement.decided_at
            shown = {"date": date_of(at) if at else ""}
            yield _tag("", gettext("communication publique du %(date)s") % shown)
        if line.rows_rejected:
            said = ngettext(
                "%(shown)s ligne rejetée, personne non informée",
                "%(shown)s lignes rejetées, personnes non informées",
                line.rows_rejected,
            )
            yield _tag("tag-warning", said % {"shown": spaced(line.rows_rejected)})


def _labelled(columns: Iterable[Column], between: str) -> Labelled:
    return [(escape(str(column.label)) + between, column) for column in columns]


def _pairs(lines: Iterable[str]) -> str:
    return " ".join(f"<small>{line}</small>" for line in lines)


def _tag(kind: str, said: str) -> str:
    return f' <span class="tag {kind}">{escape(said)}</span>'
