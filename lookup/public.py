"""Pages for everybody: no sign-in, no session, no cookie; caches keep what is only read."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_http_methods, require_safe

from insurers.throttle import Limit
from lookup.versions import page_etag

View = Callable[..., HttpResponse]

FORM = "application/x-www-form-urlencoded"
FRESH = 60  # seconds during which a cache answers alone
STALE_WHILE_REVALIDATE = 600
STALE_IF_ERROR = 24 * 3600


def public_page(view: View) -> View:
    """Make a view public: readable without an account, and the same for everybody.

    The session is taken off the request, so that no code below can read it, and the session
    middleware neither sets a cookie nor varies the answer by it (RFC 5861 for the stale times).
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        del request.session
        return _kept(request, view(request, *args, **kwargs))

    return login_not_required(require_safe(wrapped))


def directory_page(view: View) -> View:
    """Make a view public that shows the directory and nothing that changes otherwise.

    Whoever holds the page as it is gets 304 without a query.
    """
    return public_page(condition(etag_func=page_etag)(view))


def public_form(view: View) -> View:
    """Make a page with a form public, on the terms of `public_page`; what it answers is not kept.

    No token, which would take a cookie: the browser says whether the form was on our own page.
    What a form of ours does not send (files) is not read.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        del request.session
        if request.method != "POST":
            return _kept(request, view(request, *args, **kwargs))
        if is_from_our_page(request) and request.content_type == FORM:
            response = view(request, *args, **kwargs)
        else:
            status = HTTPStatus.FORBIDDEN
            response = render(request, "lookup/not_our_page.html", status=status)
        response.headers["Cache-Control"] = "no-store"
        return response

    methods = require_http_methods(["GET", "HEAD", "POST"])
    return login_not_required(csrf_exempt(methods(wrapped)))


def is_from_our_page(request: HttpRequest) -> bool:
    """Whether the browser says that a page of this site sent the request.

    By `Sec-Fetch-Site`, else by `Origin` where a browser is too old, or the address too plain, for
    it (Fetch Metadata, 2.3); a request with neither is refused.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    ours = {f"{request.scheme}://{request.get_host()}", *settings.CSRF_TRUSTED_ORIGINS}
    return request.headers.get("Origin") in ours


def too_often(request: HttpRequest, limit: Limit, **forms: Form) -> HttpResponse:
    """Say that this network asked too often, and when to come back; give what was typed back."""
    status = HTTPStatus.TOO_MANY_REQUESTS
    context = {"minutes": -(-limit.seconds // 60), **forms}
    response = render(request, "lookup/too_often.html", context, status=status)
    response.headers["Retry-After"] = str(limit.seconds)
    return response


def _kept(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Say how long the page may be shown again; what somebody typed, by their own browser only."""
    if response.status_code not in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED}:
        return response
    if request.GET.get("q"):
        patch_cache_control(response, private=True, max_age=FRESH)
    else:
        patch_cache_control(
            response,
            public=True,
            max_age=FRESH,
            stale_while_revalidate=STALE_WHILE_REVALIDATE,
            stale_if_error=STALE_IF_ERROR,
        )
    return response
