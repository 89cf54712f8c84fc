"""The tokens of an insurer, as its approvers see them: make, list, revoke."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from insurers.api.token_forms import TokenForm
from insurers.api.tokens import TokenProblem, create_token, problem_of, revoke_token, tokens_of
from insurers.models import ApiToken, Insurer, Role, TokenScope
from insurers.permissions import require_role, staff_of


@dataclass(frozen=True)
class Line:
    """A token, its rights in words, and why it opens nothing any more."""

    token: ApiToken
    scopes: list[str]
    problem: TokenProblem | None


@require_http_methods(["GET", "HEAD", "POST"])
def api_tokens(request: HttpRequest, slug: str) -> HttpResponse:
    """List an insurer's tokens and make one, whose secret the answer shows once."""
    insurer = get_object_or_404(Insurer, slug=slug)
    scope = staff_of(request)
    require_role(scope, insurer.pk, Role.APPROVER)
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = create_token(
            insurer=insurer,
            name=form.cleaned_data["name"],
            scopes=[TokenScope(value) for value in form.cleaned_data["scopes"]],
            lasts=form.lasts(),
            created_by_id=scope.user_id,
            now=timezone.now(),
        )
        context = {"insurer": insurer, "token": made.token, "secret": made.secret}
        return render(request, "insurers/api_token_created.html", context, status=201)
    context = {"insurer": insurer, "form": form, "lines": _lines(insurer)}
    return render(request, "insurers/api_tokens.html", context, status=422 if form.errors else 200)


def _lines(insurer: Insurer) -> list[Line]:
    now = timezone.now()
    return [
        Line(
            token,
            [str(TokenScope(value).label) for value in token.scopes],
            problem_of(token, now=now),
        )
        for token in tokens_of(insurer.pk)
    ]


@require_POST
def api_token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """Make a token useless."""
    scope = staff_of(request)
    token = get_object_or_404(ApiToken, pk=token_id, insurer__in=scope.insurer_ids)
    require_role(scope, token.insurer_id, Role.APPROVER)
    if revoke_token(revoked=token, revoked_by_id=scope.user_id, now=timezone.now()):
        messages.success(request, _("Jeton révoqué : il n’ouvre plus rien."))
    else:
        messages.error(request, _("Ce jeton était déjà révoqué."))
    return redirect("api_tokens", token.insurer.slug)
