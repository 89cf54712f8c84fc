"""The cells of the register's rows, written at once: as a template, they were most of the page."""

from collections.abc import Iterable

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from notifications.register.breach_page import DAYS, DETAILS, MESSAGES, PEOPLE, Row

BREAK = mark_safe("<br>")


def cells_of(rows: Iterable[Row]) -> list[SafeString]:
    """Return each row's cells: people by standing, details, messages."""
    people = [(str(column.label), column) for column in PEOPLE]
    details = [(str(column.label), column) for column in DETAILS]
    messages = [(str(column.label), " ", column) for column in MESSAGES]
    messages += [(str(column.label), gettext(" : "), column) for column in DAYS]
    titles = (gettext("Détail"), gettext("Messages"))
    found = []
    for row in rows:
        numbers = format_html_join(
            "",
            '<td class="number" data-label="{}">{}</td>',
            ((label, column.text(row)) for label, column in people),
        )
        detail = [f"{label} {column.text(row)}" for label, column in details if column.value(row)]
        sent = [f"{label}{between}{column.text(row)}" for label, between, column in messages]
        found.append(
            format_html(
                '{}<td data-label="{}">{}</td><td data-label="{}">{}</td>',
                numbers,
                titles[0],
                _small([*detail, *_reasons(row)]),
                titles[1],
                _small(sent),
            )
        )
    return found


def _reasons(row: Row) -> Iterable[str]:
    for reason, people in row.line.figures.unreachable_reasons:
        shown = {"reason": reason, "shown": intcomma(people)}
        yield gettext("injoignables, %(reason)s : %(shown)s") % shown
    for reason, people in row.line.figures.exempt_grounds:
        shown = {"reason": reason, "shown": intcomma(people)}
        yield gettext("dispensées, %(reason)s : %(shown)s") % shown


def _small(lines: Iterable[str]) -> SafeString:
    return format_html_join(BREAK, "<small>{}</small>", ((line,) for line in lines))
