"""Pages of the directory that this process made lately, kept while the directory is the same.

On the evening of the news most people read the same few hundred pages. What is kept is the page as
rendered, known by its entity tag (`versions.py`): a change of the directory makes it another one.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse

from lookup.versions import page_etag

View = Callable[..., HttpResponse]

AT_MOST = 500  # pages of 10 to 40 kB
_kept: OrderedDict[tuple[str, str], tuple[bytes, dict[str, str]]] = OrderedDict()
_turn = Lock()


def kept_page(view: View) -> View:
    """Make a view render each page once for each version; pages of a query are not kept."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        etag = page_etag(request)
        if etag is None or request.META.get("QUERY_STRING"):
            return view(request, *args, **kwargs)
        key = (etag, request.build_absolute_uri())
        with _turn:
            found = _kept.get(key)
            if found is not None:
                _kept.move_to_end(key)
        if found is not None:
            return HttpResponse(found[0], headers=found[1])
        response = view(request, *args, **kwargs)
        if response.status_code == HTTPStatus.OK and not response.streaming:
            with _turn:
                _kept[key] = (response.content, dict(response.headers))
                while len(_kept) > AT_MOST:
                    _kept.popitem(last=False)
        return response

    return wrapped
