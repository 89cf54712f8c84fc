"""Charts as SVG in the page, the same figures beside them as text."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from insurers.numbers import spaced

register = template.Library()


@register.simple_tag
def stacked_bar(segments: Sequence[tuple[str, str, int]], label: str) -> SafeString:
    """Return one bar of (code, label, number) and its legend with the same figures as text.

    The bar itself is hidden from screen readers: the legend says everything.
    """
    total = sum(number for _code, _name, number in segments) or 1
    bars, start = [], 0.0
    for code, _name, number in segments:
        width = 1000 * number / total
        if number:
            bars.append((code, f"{start:.2f}", f"{width:.2f}"))
        start += width
    rects = format_html_join(
        "", '<rect class="bar bar-{}" x="{}" y="0" width="{}" height="24"/>', bars
    )
    legend = format_html_join(
        "",
        '<li><span class="swatch bar-{}"></span>{} <strong>{}</strong></li>',
        ((code, name, spaced(number)) for code, name, number in segments),
    )
    return format_html(
        '<figure><figcaption class="sr-only">{}</figcaption>'
        '<svg class="chart chart-stacked" viewBox="0 0 1000 24" preserveAspectRatio="none"'
        ' aria-hidden="true" focusable="false">{}</svg><ul class="legend">{}</ul></figure>',
        label,
        rects,
        legend,
    )


@register.simple_tag
def stacked_course(points: Sequence[Any], label: str) -> SafeString:
    """Return areas stacked over time: points have `at` and `standings`, (code, number) from below.

    The figure is one image to screen readers, named `label`: a table beside it must say the same.
    """
    if len(points) < 2:
        return mark_safe("")
    first = points[0].at
    seconds = (points[-1].at - first).total_seconds() or 1.0
    most = max(sum(number for _code, number in point.standings) for point in points) or 1
    places = [f"{1000 * (point.at - first).total_seconds() / seconds:.1f}" for point in points]
    floor, areas = [0] * len(points), []
    for index, (code, _number) in enumerate(points[0].standings):
        top = [
            under + point.standings[index][1] for under, point in zip(floor, points, strict=True)
        ]
        if top != floor:
            upper = [f"{x},{200 - 200 * y / most:.1f}" for x, y in zip(places, top, strict=True)]
            lower = [f"{x},{200 - 200 * y / most:.1f}" for x, y in zip(places, floor, strict=True)]
            areas.append((code, " ".join([*upper, *reversed(lower)])))
        floor = top
    return format_html(
        '<svg class="chart chart-course" viewBox="0 0 1000 200" preserveAspectRatio="none"'
        ' role="img" aria-label="{}" focusable="false">{}</svg>',
        label,
        format_html_join("", '<polygon class="bar bar-{}" points="{}"/>', areas),
    )


@register.simple_tag
def stacked_lines(
    rows: Iterable[tuple[str, Sequence[tuple[str, str, int]]]], nothing: str
) -> SafeString:
    """Return one bar of (code, label, number) for each name, named by its figures.

    All are written at once: a row at a time they were a third of the page.
    """
    return format_html_join(
        "",
        "<div><dt>{}</dt><dd>{}</dd></div>",
        ((name, _line(segments, name) if segments else nothing) for name, segments in rows),
    )


def _line(segments: Sequence[tuple[str, str, int]], name: str) -> SafeString:
    total = sum(number for _code, _name, number in segments) or 1
    words = ", ".join(f"{label} {spaced(number)}" for _code, label, number in segments)
    bars, start = "", 0.0
    for code, _label, number in segments:
        width = 1000 * number / total
        bars += (
            f'<rect class="bar bar-{code}" x="{start:.2f}" y="0" width="{width:.2f}" height="24"/>'
        )
        start += width
    return format_html(
        '<svg class="chart chart-stacked chart-line" viewBox="0 0 1000 24"'
        ' preserveAspectRatio="none" role="img" focusable="false"><title>{}</title>{}</svg>',
        f"{name} : {words}",
        mark_safe(bars),  # noqa: S308 (numbers, and codes of the portal's own)
    )


@register.simple_tag
def told_chart(points: Sequence[Any], listed: int, title: str, desc: str) -> SafeString:
    """Return people told over time stacked by channel, below a line of all who are listed.

    Points have `day` and `by_channel`, (code, number) from below. A table beside says the same.
    """
    if not points:
        return mark_safe("")
    first = points[0].day
    days = (points[-1].day - first).days + 1
    most = max(listed, *(point.total for point in points)) or 1
    steps = [
        (point, (point.day - first).days, _next(points, place, first))
        for place, point in enumerate(points)
    ]
    bars = []
    for point, begin, end in steps:
        floor = 0
        for code, number in point.by_channel:
            height = 200 * number / most
            top = 200 - 200 * floor / most - height
            if number:
                x, width = 1000 * begin / days, 1000 * (end - begin) / days
                bars.append((code, f"{x:.1f}", f"{top:.1f}", f"{width:.1f}", f"{height:.1f}"))
            floor += number
    return format_html(
        '<svg class="chart chart-course" viewBox="0 0 1000 200" preserveAspectRatio="none"'
        ' role="img" focusable="false"><title>{}</title><desc>{}</desc>{}'
        '<line class="chart-total" x1="0" x2="1000" y1="{}" y2="{}"/></svg>',
        title,
        desc,
        format_html_join(
            "", '<rect class="bar bar-{}" x="{}" y="{}" width="{}" height="{}"/>', bars
        ),
        *(2 * [f"{max(1.0, 200 - 200 * listed / most):.1f}"]),
    )


@register.simple_tag
def told_rows(points: Sequence[Any]) -> SafeString:
    """Return the same figures as rows of a table: the day, people by channel, and all of them."""
    rows = []
    for point in points:
        people = [*(count for _code, count in point.by_channel), point.total]
        cells = "".join(f'<td class="number">{spaced(count)}</td>' for count in people)
        rows.append(f'<tr><th scope="row">{point.day:%d/%m/%Y}</th>{cells}</tr>')
    return mark_safe("".join(rows))  # noqa: S308 (days and numbers)


def _next(points: Sequence[Any], place: int, first: Any) -> int:
    """Return the day, from the first, at which the next point begins."""
    following = points[place + 1] if place + 1 < len(points) else None
    if following is None:
        return int((points[place].day - first).days) + 1
    return int((following.day - first).days)


@register.simple_tag
def columns_chart(groups: Sequence[Any], title: str, desc: str) -> SafeString:
    """Return groups with `people` as columns, from the left; a table beside names them."""
    most = max((group.people for group in groups), default=0) or 1
    width = 1000 / (len(groups) or 1)
    bars = [
        (
            f"{width * place + 6:.1f}",
            f"{200 - 200 * one.people / most:.1f}",
            f"{width - 12:.1f}",
            f"{200 * one.people / most:.1f}",
        )
        for place, one in enumerate(groups)
    ]
    return format_html(
        '<svg class="chart chart-course" viewBox="0 0 1000 200" preserveAspectRatio="none"'
        ' role="img" focusable="false"><title>{}</title><desc>{}</desc>{}</svg>',
        title,
        desc,
        format_html_join(
            "", '<rect class="bar bar-told" x="{}" y="{}" width="{}" height="{}"/>', bars
        ),
    )
