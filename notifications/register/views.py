"""The register: who was told, when, how, with which text, and who was not."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from insurers.models import Affiliation, Breach
from insurers.permissions import Refused, StaffScope, readable_insurers, require_reader, staff_of
from notifications.alerts.reach import running_alerts
from notifications.notices.content import NoticeContent
from notifications.notices.previews import preview
from notifications.register.breach_page import (
    DETAILS,
    PEOPLE,
    TITLED,
    Column,
    LinesForm,
    Row,
    kept,
    sorted_rows,
    total_of,
)
from notifications.register.charts import days_to_be_told, together, told_course
from notifications.register.clock import ClockState, clock_of
from notifications.register.glance import Line, figures_of, lines_by_breach, lines_of
from notifications.register.insurer_page import (
    shown_campaigns,
    shown_lists,
    suspicious_counts,
    timeline,
)
from notifications.register.part import part_of
from notifications.register.reach import readable_breaches
from notifications.register.recount import latest_recount
from notifications.register.statements import statements_ever_public
from notifications.register.table import Table

PAGE = 25
LONGEST_RANK = 18  # digits


@require_safe
def register(request: HttpRequest) -> HttpResponse:
    """List the breaches within the person's reach, with what stands out in each."""
    scope = _scope_of_a_reader(request)
    now = timezone.now()
    readable, breaches = readable_breaches(scope), []
    found = lines_by_breach(breaches=readable, insurers=scope.insurer_ids, in_detail=False)
    for breach in readable:
        lines = [one for one in found[breach.pk] if scope.may_read(one.insurer.pk, breach.pk)]
        breaches.append(
            {
                "breach": breach,
                "figures": figures_of(lines),
                "insurers": len(lines),
                "silent": sum(line.is_silent for line in lines),
                "late": sum(
                    clock_of(declaration=line.declaration, now=now).state == ClockState.LATE
                    for line in lines
                ),
            }
        )
    return render(
        request,
        "notifications/register.html",
        {
            "breaches": breaches,
            "recounted": latest_recount(),
            "running_alerts": running_alerts(scope),
        },
    )


@require_safe
def register_breach(request: HttpRequest, breach_slug: str) -> HttpResponse:
    """Show a line per insurer within the person's reach, sorted and filtered as asked."""
    scope = _scope_of_a_reader(request)
    breach = get_object_or_404(readable_breaches(scope), slug=breach_slug)
    now = timezone.now()
    form = LinesForm(request.GET, breach=breach)
    form.is_valid()
    wanted = form.cleaned_data
    rows = kept(
        [Row(line, now) for line in _lines(scope, breach)],
        wanted,
        _with_operator(wanted.get("operator")),
    )
    sort = request.GET.get("tri", "")
    # Of places, not of rows: what templates are given is freed by a collection of garbage only.
    page = Paginator(range(len(rows)), PAGE).get_page(request.GET.get("page"))
    ordered = sorted_rows(rows, sort)
    shown = [ordered[place] for place in page]
    lines = [row.line for row in rows]
    total, told, table = total_of(lines), together(lines), Table()
    return render(
        request,
        "notifications/register_breach.html",
        {
            "breach": breach,
            "form": form,
            "page": page,
            "rows": [table.row(breach, row) for row in shown],
            "headers": _headers(request, sort),
            "total": total,
            "total_figures": table.figures(Row(total, now)),
            "count": len(rows),
            "bars": [(row.line.insurer.name, row.line.figures.bar) for row in shown],
            "course": told_course(told),
            "days": days_to_be_told(told),
            "query": _query(request, page=None),
            "recounted": latest_recount(),
            "hours": settings.AUTHORITY_HOURS,
        },
    )


def _scope_of_a_reader(request: HttpRequest) -> StaffScope:
    scope = staff_of(request)
    if not scope.insurer_ids:
        raise Refused
    return scope


def _lines(scope: StaffScope, breach: Breach) -> list[Line]:
    return lines_of(breach=breach, insurers=scope.readable_in(breach.pk))


def _with_operator(operator: str | None) -> set[UUID]:
    """Return the insurers affiliated with an operator."""
    if not operator:
        return set()
    found = Affiliation.objects.filter(operator=int(operator))
    return set(found.values_list("insurer", flat=True))


@dataclass(frozen=True)
class Header:
    """A column's title ("" where its one way to sort is the title), ways to sort, ARIA's word."""

    title: str
    ways: list[tuple[str, str]]
    aria_sort: str
    is_number: bool


def _headers(request: HttpRequest, sort: str) -> list[list[Header]]:
    """Return the two rows of headers: people sort from the most first, all else the other way."""
    found = []
    for titled in TITLED:
        found.append([_header(request, str(title), columns, sort) for title, columns in titled])
    return found


def _header(request: HttpRequest, title: str, columns: list[Column], sort: str) -> Header:
    ways, aria = [], "none"
    for key, label in ((column.key, str(column.label)) for column in columns):
        descends = columns[0] in (*PEOPLE, *DETAILS)
        first, second = (f"-{key}", key) if descends else (key, f"-{key}")
        ways.append((label, _query(request, tri=second if sort == first else first, page=None)))
        aria = {key: "ascending", f"-{key}": "descending"}.get(sort, aria)
    return Header(title, ways, aria, columns[0] in PEOPLE)


def _query(request: HttpRequest, **changes: str | None) -> str:
    """Return the page's query with changes; None takes a parameter out."""
    query = request.GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = value
    return query.urlencode()


@require_safe
def register_insurer(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Show one insurer's lists, campaigns and notices as sent, with the figures by reason."""
    scope = staff_of(request)
    breach = get_object_or_404(readable_breaches(scope), slug=breach_slug)
    insurer = get_object_or_404(readable_insurers(scope), slug=insurer_slug)
    require_reader(scope, insurer.pk, breach.pk)
    part = part_of(breach=breach, insurer=insurer)
    if not part.exists:
        raise Http404
    line, before = part.line, request.GET.get("avant", "")
    is_rank = before.isdecimal() and len(before) <= LONGEST_RANK
    entries, older = timeline(insurer, int(before) if is_rank else None)
    return render(
        request,
        "notifications/register_insurer.html",
        {
            "part": part,
            "line": line,
            "row": Row(line, timezone.now()),
            "total": line,
            "course": told_course([line]),
            "days": days_to_be_told([line]),
            "statements": statements_ever_public(breach=breach, insurer=insurer),
            "lists": shown_lists(part.lists),
            "campaigns": shown_campaigns(insurer, part.campaigns),
            "notices": [
                (
                    campaign,
                    preview(NoticeContent.from_json(campaign.notice_version.content)).email,
                    bytes(campaign.notice_version.sha256).hex(),
                )
                for campaign in part.campaigns
                if campaign.approved_at
            ],
            "suspicious": suspicious_counts(insurer),
            "rows": entries,
            "older": older,
            "recounted": latest_recount(),
        },
    )
