"""Pages for everybody: no sign-in, no session, no cookie, kept by caches."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

View = Callable[..., HttpResponse]

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
        response = view(request, *args, **kwargs)
        if response.status_code == 200:
            patch_cache_control(
                response,
                public=True,
                max_age=FRESH,
                stale_while_revalidate=STALE_WHILE_REVALIDATE,
                stale_if_error=STALE_IF_ERROR,
            )
        return response

    return login_not_required(require_safe(wrapped))
