"""What the page frame needs: menu entries, addresses in both languages, fields, dates, numbers."""

import datetime
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from django import template
from django.conf import settings
from django.template.context import Context
from django.urls import NoReverseMatch, reverse, translate_url
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from insurers.numbers import spaced
from lookup.localized import localized as pick

register = template.Library()


@dataclass(frozen=True)
class OtherLanguage:
    """The way to the same page in another language."""

    code: str
    name: str
    address: str


@register.simple_tag(takes_context=True)
def menu_item(context: Context, url_name: str, label: str) -> SafeString:
    """Return a menu entry, marked when it is the current page; nothing if no such page exists."""
    try:
        address = reverse(url_name)
    except NoReverseMatch:
        return mark_safe("")
    current = mark_safe(' aria-current="page"') if _current(context) == url_name else ""
    return format_html('<li><a href="{}"{}>{}</a></li>', address, current, label)


@register.simple_tag(takes_context=True)
def other_language(context: Context) -> OtherLanguage | None:
    """Return the same page in the other language; the home page where there is none."""
    request = context.get("request")
    code, name = ("fr", "Français") if get_language() == "en" else ("en", "English")
    try:
        with override(code):
            address = reverse("home")
    except NoReverseMatch:
        return None
    if request is not None and getattr(request, "resolver_match", None):
        address = translate_url(request.path, code)
        # In a page that is kept the visitor's own query is a blank (`kept_pages.py`).
        query = context.get("own_query")
        if query is None and request.META.get("QUERY_STRING"):
            query = f"?{request.META['QUERY_STRING']}"
        address += query or ""
    return OtherLanguage(code, name, address)


@register.simple_tag(takes_context=True)
def page_addresses(context: Context) -> SafeString:
    """Return the canonical address and its alternates, without a query string."""
    request = context.get("request")
    if request is None or not getattr(request, "resolver_match", None):
        return mark_safe('<meta name="robots" content="noindex">')
    base = settings.PORTAL_URL
    canonical = format_html('<link rel="canonical" href="{}{}">', base, request.path)
    alternates = format_html_join(
        "",
        '<link rel="alternate" hreflang="{}" href="{}{}">',
        ((code, base, translate_url(request.path, code)) for code, _name in settings.LANGUAGES),
    )
    return canonical + alternates


@register.simple_tag
def staff_role(staff: Any) -> str:
    """Return the name of a person's role, from `request.staff`."""
    names = {
        "staff": _("organisme"),
        "auditor": _("auditeur"),
        "operator": _("exploitant du portail"),
    }
    return names.get(staff.role, _("sans rôle"))


@register.simple_tag
def message_kind(level: str) -> str:
    """Return in words what a message's colour says."""
    names = {
        "success": _("C’est fait"),
        "warning": _("Attention"),
        "error": _("Impossible"),
        "danger": _("Impossible"),
    }
    return names.get(level, _("À savoir"))


@register.filter
def localized(thing: Any, field: str) -> str:
    """Return `field_fr` or `field_en` of a row, as the page's language asks."""
    return pick(thing, field)


@register.filter
def day(date: datetime.date) -> str:
    """Write a day in full, as the page's language does: 1er février 2024, 1 February 2024."""
    written = date_format(date, "j F Y")
    return f"1er{written[1:]}" if get_language() == "fr" and date.day == 1 else written


@register.filter
def host(address: str) -> str:
    """Return the site of a web address, as people say it: signal-spam.fr."""
    return (urlsplit(address).hostname or address).removeprefix("www.")


@register.filter("spaced")
def spaced_or_nothing(number: int | Literal[""] | None) -> str:
    """Write a whole number as the page's language does, and nothing where there is none."""
    return "" if number is None or number == "" else spaced(number)


def _current(context: Context) -> str | None:
    match = getattr(context.get("request"), "resolver_match", None)
    return match.url_name if match else None
