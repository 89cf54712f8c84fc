"""Ask to be told when an answer changes, confirm it, and take it back: without session or cookie.

The page after the form is one and the same for every address. Whoever comes by a link holds its
token, which no other page asks for: no check of the origin, since a mail program removes an
address without any page (RFC 8058).
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from insurers.models import Insurer
from insurers.throttle import is_over
from lookup.answers import read_page
from lookup.public import public_form, public_page
from lookup.statements import statements_of
from lookup.waiting import links
from lookup.waiting.answered import is_answered
from lookup.waiting.forms import WaitingForm
from lookup.waiting.limits import REQUESTS
from lookup.waiting.requests import ask_to_be_told

TOO_OFTEN = _(
    "Beaucoup de demandes viennent d’adresses voisines de la vôtre : la vôtre n’est pas"
    " enregistrée. Gardez cette page ouverte et recommencez dans une heure."
)
LinkView = Callable[[HttpRequest, str], HttpResponse]


@public_form
def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """Take an address that is to be told when this insurer's answer changes."""
    insurer = get_object_or_404(Insurer.objects.select_related("successor"), slug=slug)
    if is_answered(read_page(insurer), statements_of(insurer)):
        return redirect(insurer)
    form = WaitingForm(request.POST if request.method == "POST" else None)
    context = {"waiting_form": form, "insurer": insurer}
    if not form.is_valid():
        return render(request, "lookup/waiting/ask.html", context)
    if is_over(REQUESTS, request):
        form.add_error(None, TOO_OFTEN)
        status = HTTPStatus.TOO_MANY_REQUESTS
        response = render(request, "lookup/waiting/ask.html", context, status=status)
        response.headers["Retry-After"] = str(REQUESTS.seconds)
        return response
    ask_to_be_told(
        insurer=insurer,
        email=form.cleaned_data["email"],
        language=get_language() or "fr",
        now=timezone.now(),
    )
    return redirect("waiting_asked")


@public_page
def asked(request: HttpRequest) -> HttpResponse:
    """Say what happens next, whoever asked."""
    return render(request, "lookup/waiting/asked.html")


def linked_page(view: LinkView) -> LinkView:
    """Open a page to whoever holds its link: kept by nobody, told to nobody, found by nobody."""

    @wraps(view)
    def wrapped(request: HttpRequest, token: str) -> HttpResponse:
        del request.session
        response = view(request, token)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Robots-Tag"] = "noindex"
        return response

    methods = require_http_methods(["GET", "HEAD", "POST"])
    return login_not_required(csrf_exempt(methods(wrapped)))


@linked_page
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Show one button; once it is pressed, the address waits."""
    if request.method == "POST":
        links.confirm(token=token)
    return _answer(request, "lookup/waiting/confirm.html", token, missing=HTTPStatus.GONE)


@linked_page
def remove(request: HttpRequest, token: str) -> HttpResponse:
    """Show one button; once it is pressed, or a mail program asks, the address is erased."""
    if request.method == "POST":
        links.remove(token=token)
    return _answer(request, "lookup/waiting/remove.html", token, missing=HTTPStatus.OK)


def _answer(
    request: HttpRequest, template: str, token: str, *, missing: HTTPStatus
) -> HttpResponse:
    wait = links.find_wait(token=token)
    # A printed page names its address: not this one.
    context = {"wait": wait, "token": token, "portal_host": ""}
    return render(request, template, context, status=HTTPStatus.OK if wait else missing)
