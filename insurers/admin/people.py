"""Accounts, memberships, mandates and invitations, as the portal operator keeps them.

Roles are given by invitation and confirmed by a second person; nothing here skips that.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.admin import AuditedAdmin, record_admin_action
from insurers.models import Invitation, Mandate, Membership
from insurers.team.memberships import (
    Joining,
    MembershipRefused,
    check_compatible,
    confirm_membership,
    end_membership,
    invite,
)

User = get_user_model()

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
    AccountChoice = forms.ModelChoiceField[Any]
else:
    ModelForm = forms.ModelForm
    AccountChoice = forms.ModelChoiceField

# Secrets and session keys are nobody's to read, and these have no trail.
for model in (Authenticator, EmailAddress, EmailConfirmation, UserSession, Group):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


def _has_a_role(person: Any) -> bool:
    return Membership.objects.filter(user=person, ended_at=None).exists()


class UserForm(ModelForm):
    """An account; an operator has every right of the admin, and no membership."""

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if email != self.initial.get("email") and _has_a_role(self.instance):
            # Whoever holds the address can reset the password, hence act in the role.
            raise ValidationError(
                _(
                    "Cette personne a un rôle chez un organisme : terminez-le, puis invitez la"
                    " nouvelle adresse."
                )
            )
        return email

    def clean_is_staff(self) -> bool:
        is_staff = bool(self.cleaned_data["is_staff"])
        if is_staff and _has_a_role(self.instance):
            raise ValidationError(
                _("Cette personne a un rôle chez un organisme : terminez-le d’abord.")
            )
        if is_staff and Mandate.objects.filter(user=self.instance).exists():
            raise ValidationError(_("Cette personne a un mandat d’auditeur."))
        return is_staff


@admin.register(User)
class UserAdmin(AuditedAdmin):
    form = UserForm
    fields = ("email", "name", "is_staff", "is_active", "last_login", "date_joined")
    readonly_fields = ("last_login", "date_joined")
    list_display = ("email", "name", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_active")
    search_fields = ("email", "name")
    ordering = ("email",)
    actions = ("reset_second_factor",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.is_superuser = obj.is_staff
        super().save_model(request, obj, form, change)

    @admin.action(description=_("Retirer le second facteur (téléphone et codes perdus)"))
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for person in queryset:
            Authenticator.objects.filter(user=person).delete()
            for session in UserSession.objects.filter(user=person):
                session.end()
            record_admin_action(request, person, "second_factor_removed")


@admin.register(Membership)
class MembershipAdmin(AuditedAdmin):
    list_display = ("user_email", "insurer", "role", "invited_by_email", "confirmed_at", "ended_at")
    list_filter = ("role", ("confirmed_at", admin.EmptyFieldListFilter))
    search_fields = ("user__email", "insurer__name")
    list_select_related = ("user", "insurer", "invited_by")
    actions = ("confirm", "end")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The list and its actions need the right; a single row shows nothing to edit.
        return obj is None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("personne"), ordering="user__email")
    def user_email(self, membership: Membership) -> str:
        return membership.user.email

    @admin.display(description=_("invitée par"))
    def invited_by_email(self, membership: Membership) -> str:
        return membership.invited_by.email

    @admin.action(description=_("Confirmer, comme seconde personne"))
    def confirm(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for membership in queryset:
            self._act(request, confirm_membership, membership, confirmed_by_id=request.user.pk)

    @admin.action(description=_("Terminer"))
    def end(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for membership in queryset:
            self._act(request, end_membership, membership, ended_by_id=request.user.pk)

    def _act(
        self, request: HttpRequest, act: Any, membership: Membership, **actor: int | None
    ) -> None:
        try:
            act(membership_id=membership.pk, now=timezone.now(), **actor)
        except MembershipRefused as refusal:
            self.message_user(request, str(refusal.message), messages.ERROR)


class AccountChoiceField(AccountChoice):
    """A choice of accounts by address."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.email)


class MandateForm(ModelForm):
    """Who audits what; a person who acts for an insurer audits nobody."""

    user = AccountChoiceField(
        label=_("auditeur"),
        queryset=User.objects.filter(is_staff=False).order_by("email"),
        required=False,
        help_text=_("Vide tant que l’auditeur n’a pas de compte : invitez-le pour ce mandat."),
    )

    def clean_user(self) -> Any:
        person = self.cleaned_data["user"]
        if person is not None:
            try:
                check_compatible(person, Joining(person.email, mandate_id=self.instance.pk or 0))
            except MembershipRefused as refusal:
                raise ValidationError(str(refusal.message)) from refusal
        return person


@admin.register(Mandate)
class MandateAdmin(AuditedAdmin):
    form = MandateForm
    fields = ("user", "breaches", "insurers", "until_date")
    filter_horizontal = ("breaches", "insurers")
    list_display = ("id", "user_email", "until_date")
    list_select_related = ("user",)

    def save_model(self, request: HttpRequest, obj: Mandate, form: Any, change: bool) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)

    @admin.display(description=_("auditeur"))
    def user_email(self, mandate: Mandate) -> str:
        return mandate.user.email if mandate.user else "–"


class InvitationForm(ModelForm):
    """An insurer and a role, or a mandate that waits for its auditor."""

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        try:
            joining = _joining_of(given)
            person = User.objects.filter(email=joining.email).first()
            if person is not None:
                check_compatible(person, joining)
        except MembershipRefused as refusal:
            raise ValidationError(str(refusal.message)) from refusal
        return given


@admin.register(Invitation)
class InvitationAdmin(AuditedAdmin):
    form = InvitationForm
    fields = ("email", "insurer", "role", "mandate")
    list_display = ("email", "insurer", "role", "mandate", "expires_at", "accepted_at")
    search_fields = ("email",)
    ordering = ("-pk",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        if change:
            raise PermissionDenied
        sent = invite(
            joining=_joining_of(form.cleaned_data),
            invited_by_id=request.user.pk or 0,
            now=timezone.now(),
            on_mail_failure=partial(
                messages.error,
                request,
                _("Le serveur de courriel n’a pas pris l’invitation : invitez à nouveau."),
            ),
        )
        obj.pk = sent.pk


def _joining_of(given: dict[str, Any]) -> Joining:
    insurer, mandate = given.get("insurer"), given.get("mandate")
    return Joining(
        email=str(given.get("email") or "").strip().lower(),
        insurer_id=insurer.pk if insurer else None,
        role=given.get("role") or "",
        mandate_id=mandate.pk if mandate else None,
    )
