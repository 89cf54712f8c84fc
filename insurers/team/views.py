"""The team of an insurer: who has which role, invitations, and answering one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from insurers.models import Insurer, Invitation, Membership, Role
from insurers.permissions import (
    Refused,
    StaffScope,
    may_keep_team,
    opens_its_own_transactions,
    readable_insurers,
    require_team_keeper,
    staff_of,
)
from insurers.row_security import row_scope
from insurers.team.forms import InviteForm, NewPersonForm
from insurers.team.memberships import (
    Joining,
    MembershipRefused,
    accept_as,
    accept_as_new_person,
    confirm_membership,
    end_membership,
    has_account,
    invite,
    open_invitation,
    withdraw_invitation,
)


@dataclass(frozen=True)
class Line:
    """A membership as one person sees it."""

    membership: Membership
    may_confirm: bool
    may_end: bool


@dataclass(frozen=True)
class Team:
    """An insurer's team as one person sees it."""

    insurer: Insurer
    lines: list[Line]
    invitations: list[Invitation]
    may_invite: bool
    may_keep_tokens: bool


@require_safe
def team(request: HttpRequest) -> HttpResponse:
    """Show the teams of the person; to the operator, the roles that wait for confirmation."""
    scope = staff_of(request)
    if scope.role not in ("staff", "operator"):
        raise Refused
    memberships = Membership.objects.filter(ended_at=None).select_related("user", "invited_by")
    invitations = Invitation.objects.filter(accepted_at=None, expires_at__gt=timezone.now())
    if scope.role == "operator":
        memberships = memberships.filter(confirmed_at=None)
        insurers = Insurer.objects.filter(memberships__in=memberships).distinct()
    else:
        insurers = readable_insurers(scope)
    teams = [
        Team(
            insurer=insurer,
            lines=_lines(scope, memberships.filter(insurer=insurer).order_by("role", "pk")),
            invitations=list(invitations.filter(insurer=insurer).order_by("pk")),
            may_invite=may_keep_team(scope, insurer.pk),
            may_keep_tokens=scope.has_role(insurer.pk, Role.APPROVER),
        )
        for insurer in insurers
    ]
    return render(request, "insurers/team.html", {"teams": teams, "scope": scope})


def _lines(scope: StaffScope, memberships: Iterable[Membership]) -> list[Line]:
    return [
        Line(
            membership=membership,
            may_confirm=membership.confirmed_at is None
            and may_keep_team(scope, membership.insurer_id)
            and scope.user_id not in (membership.invited_by_id, membership.user_id),
            may_end=may_keep_team(scope, membership.insurer_id),
        )
        for membership in memberships
    ]


@require_http_methods(["GET", "HEAD", "POST"])
def team_invite(request: HttpRequest, slug: str) -> HttpResponse:
    """Invite somebody to a role at one insurer."""
    scope = staff_of(request)
    insurer = get_object_or_404(Insurer, slug=slug)
    require_team_keeper(scope, insurer.pk)
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            invite(
                joining=Joining(form.cleaned_data["email"], insurer.pk, form.cleaned_data["role"]),
                invited_by_id=scope.user_id,
                now=timezone.now(),
                on_mail_failure=partial(warn_not_mailed, request),
            )
        except MembershipRefused as refusal:
            form.add_error(None, str(refusal.message))
        else:
            messages.success(request, _("Invitation enregistrée : le lien vaut deux jours."))
            return redirect("team")
    return render(request, "insurers/team_invite.html", {"form": form, "insurer": insurer})


def warn_not_mailed(request: HttpRequest) -> None:
    """Tell the inviter that the link did not leave."""
    messages.error(
        request,
        _("Le serveur de courriel n’a pas pris l’invitation. Invitez à nouveau dans un moment."),
    )


@require_POST
def membership_confirm(request: HttpRequest, membership_id: int) -> HttpResponse:
    """Confirm a role, as a second person."""
    membership = get_object_or_404(Membership, pk=membership_id)
    scope = staff_of(request)
    require_team_keeper(scope, membership.insurer_id)
    with _refusal_said(request):
        confirm_membership(
            membership_id=membership_id, confirmed_by_id=scope.user_id, now=timezone.now()
        )
        messages.success(request, _("Rôle confirmé : il compte dès maintenant."))
    return redirect("team")


@require_POST
def membership_end(request: HttpRequest, membership_id: int) -> HttpResponse:
    """End a role."""
    membership = get_object_or_404(Membership, pk=membership_id)
    scope = staff_of(request)
    require_team_keeper(scope, membership.insurer_id)
    with _refusal_said(request):
        end_membership(membership_id=membership_id, ended_by_id=scope.user_id, now=timezone.now())
        messages.success(request, _("Rôle terminé : il ne compte plus."))
    return redirect("team")


@require_POST
def invitation_withdraw(request: HttpRequest, invitation_id: int) -> HttpResponse:
    """Make an invitation's link useless."""
    invitation = get_object_or_404(Invitation, pk=invitation_id, insurer__isnull=False)
    scope = staff_of(request)
    assert invitation.insurer_id is not None
    require_team_keeper(scope, invitation.insurer_id)
    with _refusal_said(request):
        withdraw_invitation(
            invitation=invitation, withdrawn_by_id=scope.user_id, now=timezone.now()
        )
        messages.success(request, _("Invitation retirée : son lien ne vaut plus rien."))
    return redirect("team")


@login_not_required
@never_cache
@sensitive_post_parameters("password", "password_again")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Let an invited person choose a password; whoever has an account signs in to join."""
    try:
        with row_scope(insurers=(), role="invited", user_id=None):
            found = open_invitation(token=token, now=timezone.now())
            known = has_account(found)
        form = NewPersonForm(request.POST or None, initial={"email": found.email})
        if request.method == "POST" and not known and form.is_valid():
            accept_as_new_person(
                token=token,
                name=form.cleaned_data["name"],
                password=form.cleaned_data["password"],
                now=timezone.now(),
            )
            messages.success(request, _("Votre compte est créé : connectez-vous."))
            return redirect("account_login")
    except MembershipRefused as refusal:
        return _refusal_page(request, refusal)
    context: dict[str, Any] = {
        "invitation": found,
        "known": known,
        "form": form,
        "token": token,
    }
    return render(request, "insurers/invitation.html", context)


@never_cache
@opens_its_own_transactions
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_join(request: HttpRequest, token: str) -> HttpResponse:
    """Let a signed-in person accept an invitation."""
    now = timezone.now()
    try:
        if request.method == "POST":
            accept_as(token=token, person=request.user, now=now)
            messages.success(request, _("Invitation acceptée."))
            return redirect("home_for_staff")
        with row_scope(insurers=(), role="invited", user_id=None):
            found = open_invitation(token=token, now=now)
    except MembershipRefused as refusal:
        return _refusal_page(request, refusal)
    return render(request, "insurers/invitation_join.html", {"invitation": found, "token": token})


@contextmanager
def _refusal_said(request: HttpRequest) -> Iterator[None]:
    try:
        yield
    except MembershipRefused as refusal:
        messages.error(request, str(refusal.message))


def _refusal_page(request: HttpRequest, refusal: MembershipRefused) -> HttpResponse:
    return render(
        request, "insurers/invitation_refused.html", {"message": refusal.message}, status=410
    )
