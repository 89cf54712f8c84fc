"""Pages of the directory that this process made lately, kept while the directory is the same.

On the evening of the news most people read the same few hundred pages. What is kept is the page as
rendered, known by its entity tag (`versions.py`): a change of the directory makes it another one.
What differs by visitor (what was typed, a code) is never kept: it stands as a blank in the page
that is, and is filled in each time. No page names the host that it was asked of, which a client
may write in many ways.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from http import HTTPStatus
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import escape

from lookup.versions import directory_tag, page_etag

View = Callable[..., HttpResponse]
Page = tuple[bytes, dict[str, str]]

AT_MOST = 1500  # pages of 4 to 40 kB
_kept: OrderedDict[tuple[Hashable, ...], Page] = OrderedDict()
_turn = Lock()
_BLANK = re.compile("\ue000([a-z_]+)\ue001".encode())


def kept_page(view: View) -> View:
    """Make a view render each page once for each version; pages of a query are not kept."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        etag = page_etag(request)
        if etag is None or request.META.get("QUERY_STRING"):
            return view(request, *args, **kwargs)
        key = (etag, request.path)
        found = _find(key)
        if found is not None:
            return HttpResponse(found[0], headers=found[1])
        response = view(request, *args, **kwargs)
        if response.status_code == HTTPStatus.OK and not response.streaming:
            _keep(key, (response.content, dict(response.headers)))
        return response

    return wrapped


def render_filled(
    request: HttpRequest,
    template: str,
    context: Callable[[], dict[str, Any]],
    *,
    kept_by: Hashable,
    texts: dict[str, str] | None = None,
) -> HttpResponse:
    """Render a page once for each version and `kept_by`, and fill in what differs by visitor.

    `context` is asked for only where the page is made. `texts` are escaped; each names a variable
    of the template, which must stand there as it is, without a filter or a condition.
    """
    query = request.META.get("QUERY_STRING", "")
    own = {"own_query": f"?{query}" if query else ""}
    values = {name: escape(text) for name, text in (own | (texts or {})).items()}
    blanks = {name: blank(name) for name in values}
    tag = directory_tag()
    key = (tag, template, kept_by, request.path)
    found = _find(key) if tag else None
    if found is None:
        found = (render_to_string(template, context() | blanks, request).encode(), {})
        if tag:
            _keep(key, found)
    filled = {name.encode(): value.encode() for name, value in values.items()}
    # What an insurer wrote may look like a blank, and is none of ours.
    return HttpResponse(_BLANK.sub(lambda blank: filled.get(blank[1], blank[0]), found[0]))


def blank(name: str) -> str:
    """Return what stands in a kept page for what differs by visitor."""
    return f"\ue000{name}\ue001"


def _find(key: tuple[Hashable, ...]) -> Page | None:
    with _turn:
        found = _kept.get(key)
        if found is not None:
            _kept.move_to_end(key)
        return found


def _keep(key: tuple[Hashable, ...], page: Page) -> None:
    with _turn:
        _kept[key] = page
        while len(_kept) > AT_MOST:
            _kept.popitem(last=False)
