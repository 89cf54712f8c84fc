"""The API's addresses: no sign-in, no session, no cookie, and nothing kept by caches."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, include, path

from insurers.api import docs
from insurers.api.endpoints import api

View = Callable[..., HttpResponseBase]


def for_programs(view: View) -> View:
    """Take the session off the request: a token is all that counts here."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        del request.session
        response = view(request, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response

    return login_not_required(wrapped)


def _endpoints() -> list[URLPattern]:
    patterns: list[Any] = api.urls[0]
    for pattern in patterns:
        pattern.callback = for_programs(pattern.callback)
    return patterns


urlpatterns = [
    path("api/v1/docs", for_programs(docs.api_docs), name="api_docs"),
    path("api/v1/openapi.json", for_programs(docs.openapi_json), name="openapi"),
    path("api/v1/", include((_endpoints(), "api"))),
]
