"""Who may call the API, and how it says no: always JSON, what is wrong and what to do."""

import logging
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer

from insurers.api.tokens import ScopeMissing, TokenProblem, TokenRefused, open_with
from insurers.lists.part_requests import STATUS, drop_body, say_refusal
from insurers.lists.upload_problems import UploadRefused
from insurers.models import ApiToken
from insurers.throttle import Limit, is_over

logger = logging.getLogger(__name__)

# A good token is never refused for its neighbours' failures: guessing 256 bits is hopeless.
FAILURES = Limit("api-failures", at_most=20, seconds=60)


class ApiRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """A request that cannot be served, with its status and its texts."""

    def __init__(self, status: int, what: str, to_do: str) -> None:
        super().__init__("refused")
        self.status = status
        self.what = what
        self.to_do = to_do


class Token(HttpBearer):
    """`Authorization: Bearer bp1_…`"""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        return open_with(secret=token, now=timezone.now())


def token_of(request: HttpRequest) -> ApiToken:
    """Return the token that `Token` let in."""
    token = request.auth  # type: ignore[attr-defined]
    assert isinstance(token, ApiToken)
    return token


def explain_refusals(api: NinjaAPI) -> None:
    """Have an API answer each exception in JSON."""
    for kind, handler in HANDLERS.items():
        api.add_exception_handler(kind, handler)


def _answer(request: HttpRequest, status: int, what: str, to_do: str) -> HttpResponse:
    drop_body(request)
    return JsonResponse({"what": what, "to_do": to_do}, status=status)


def _refused(request: HttpRequest, refusal: ApiRefused) -> HttpResponse:
    return _answer(request, refusal.status, refusal.what, refusal.to_do)


def _upload(request: HttpRequest, refusal: UploadRefused) -> HttpResponse:
    said = refusal.explain()
    response = _answer(request, STATUS[refusal.problem], said.what, said.to_do)
    return say_refusal(response, refusal)


def _no_token(request: HttpRequest, refusal: AuthenticationError) -> HttpResponse:
    return _bad_token(request, TokenRefused(TokenProblem.MISSING))


def _bad_token(request: HttpRequest, refusal: TokenRefused) -> HttpResponse:
    if is_over(FAILURES, request):
        what = _("Trop de jetons refusés depuis votre réseau.")
        response = _answer(request, 429, what, _("Attendez une minute."))
        response.headers["Retry-After"] = str(FAILURES.seconds)
        return response
    to_do = _(
        "Donnez l’en-tête « Authorization: Bearer » avec un jeton valable ; un approbateur de"
        " votre organisme en crée dans l’espace, page Équipe."
    )
    response = _answer(request, 401, str(refusal.problem.label), to_do)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _scope(request: HttpRequest, refusal: ScopeMissing) -> HttpResponse:
    what = _("Ce jeton n’a pas le droit « %(scope)s ».") % {"scope": refusal.scope.value}
    return _answer(request, 403, what, _("Servez-vous d’un jeton qui a ce droit."))


def _missing(request: HttpRequest, refusal: Http404) -> HttpResponse:
    what = _("Il n’y a rien à cette adresse pour votre organisme.")
    return _answer(request, 404, what, _("Vérifiez le numéro ou le nom donné."))


def _invalid(request: HttpRequest, refusal: ValidationError) -> HttpResponse:
    # Names of parameters, never their values.
    names = ", ".join(dict.fromkeys(str(error["loc"][-1]) for error in refusal.errors))
    what = _("Paramètre manquant ou illisible : %(names)s.") % {"names": names}
    return _answer(request, 422, what, _("Corrigez-le d’après le mode d’emploi."))


def _unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    what = _("Le corps de la requête n’est pas du JSON lisible, ou il est trop gros.")
    return _answer(request, error.status_code, what, _("Corrigez-le d’après le mode d’emploi."))


def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("an API call failed", exc_info=error)
    is_down = isinstance(error, (OperationalError, InterfaceError))
    what = _("Le portail ne peut pas répondre en ce moment.")
    response = _answer(request, 503 if is_down else 500, what, _("Réessayez plus tard."))
    response.headers["Retry-After"] = "30"
    return response


HANDLERS: dict[type[Exception], Any] = {
    ApiRefused: _refused,
    UploadRefused: _upload,
    AuthenticationError: _no_token,
    TokenRefused: _bad_token,
    ScopeMissing: _scope,
    Http404: _missing,
    ValidationError: _invalid,
    HttpError: _unreadable,
    Exception: _failed,
}
