"""Language from the path; second factor, scope and freshness for signed-in people."""

from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation
from django_htmx.http import HttpResponseClientRefresh

from audit.models import Outcome
from audit.trail import PORTAL, account, insurer_scope, record
from insurers.permissions import StaffScope, scope_of, within

Handler = Callable[[HttpRequest], HttpResponse]
View = Callable[..., HttpResponseBase]

SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
# What a person without a second factor needs to set one up, or to leave.
OPEN_WITHOUT_SECOND_FACTOR = {
    "account_logout",
    "account_reauthenticate",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_index",
}


class LanguageFromPathMiddleware:
    """French at the plain address, English under /en/; no cookie, no header decides."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = "en" if request.path_info.startswith("/en/") else "fr"
        with translation.override(language):
            request.LANGUAGE_CODE = language
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response


class SignInMiddleware(LoginRequiredMiddleware):
    """Sign-in everywhere but on the views that opt out, whose session is never loaded."""

    def process_view(
        self, request: HttpRequest, view_func: View, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def get_login_url(self, view_func: View) -> str:
        # The admin names a sign-in page of its own, which asks for no second factor.
        return str(settings.LOGIN_URL)

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: View
    ) -> HttpResponseBase:
        # The fragment of a page left open would otherwise be filled with the sign-in page.
        if request.headers.get("HX-Request"):
            return HttpResponseClientRefresh()
        if request.method not in {"GET", "HEAD"}:
            # An address that only takes POST is no place to come back to: the page before is.
            return redirect_to_login(_page_before(request), self.get_login_url(view_func))
        return super().handle_no_permission(request, view_func)


def _page_before(request: HttpRequest) -> str:
    """Return the path of the page a form was sent from, or the staff's home."""
    referer = urlsplit(request.headers.get("Referer", ""))
    return referer.path if referer.netloc == request.get_host() else reverse("home_for_staff")


class StaffMiddleware:
    """Runs each staff view in one transaction that sees the person's own rows only.

    Views that opt out of sign-in are left alone. The response of the others is rendered
    inside the transaction (a streamed body is not), is never stored by a cache, and keeps
    the session alive. An exception rolls the transaction back; a refusal is then written to
    the trail in a transaction of its own.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with ExitStack() as stack:
            request.staff_transaction = stack  # type: ignore[attr-defined]
            response = self.get_response(request)
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                _roll_back(request, ServerFailed())
        if hasattr(request, "staff"):
            response.headers.setdefault("Cache-Control", "no-store")
            _slide(request)
        return response

    def process_view(
        self, request: HttpRequest, view: View, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        if not getattr(view, "login_required", True):
            return None
        if _lacks_second_factor(request):
            return redirect("mfa_index")
        stack: ExitStack = request.staff_transaction  # type: ignore[attr-defined]
        with ExitStack() as opening:
            opening.enter_context(transaction.atomic())
            request.staff = scope_of(request.user, timezone.now())  # type: ignore[attr-defined]
            if not getattr(view, "opens_its_own_transactions", False):
                stack.push(opening.pop_all())
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        _roll_back(request, exception)
        if isinstance(exception, PermissionDenied) and hasattr(request, "staff"):
            _record_refusal(request, request.staff, exception)


class ServerFailed(Exception):  # noqa: N818 (only ever undoes a transaction)
    pass


def _roll_back(request: HttpRequest, exception: Exception) -> None:
    """Undo the staff transaction, if it is still open."""
    stack: ExitStack = request.staff_transaction  # type: ignore[attr-defined]
    stack.__exit__(type(exception), exception, exception.__traceback__)


def _lacks_second_factor(request: HttpRequest) -> bool:
    match = request.resolver_match
    if match is not None and match.url_name in OPEN_WITHOUT_SECOND_FACTOR:
        return False
    return not get_mfa_adapter().is_mfa_enabled(request.user, SECOND_FACTORS)


def _slide(request: HttpRequest) -> None:
    """Start the 30 idle minutes again; a page that refreshes itself is not somebody's act.

    Once a minute is enough: each time, PostgreSQL writes the session to disk before people see
    their page.
    """
    polled = request.method == "GET" and request.headers.get("HX-Request")
    minute = int(timezone.now().timestamp()) // 60
    if request.user.is_authenticated and not polled and request.session.get("minute") != minute:
        request.session["minute"] = minute


def _record_refusal(request: HttpRequest, scope: StaffScope, refusal: PermissionDenied) -> None:
    insurer_id = getattr(refusal, "insurer_id", None)
    match = request.resolver_match
    with within(scope):
        record(
            action="access.refused",
            scope=insurer_scope(insurer_id) if insurer_id in scope.insurer_ids else PORTAL,
            actor=account(scope.user_id),
            subject=f"page:{match.view_name if match else ''}",
            outcome=Outcome.REFUSED,
            detail={"method": request.method},
        )
