"""What the portal operator decides about sending: which hosts and providers insurers use."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.admin import AuditedAdmin
from notifications.identities import (
    IdentityRefused,
    approve_identity,
    end_identity,
    refuse_identity,
)
from notifications.models import SendingIdentity


@admin.register(SendingIdentity)
class SendingIdentityAdmin(AuditedAdmin):
    """Proposals and what is in service: to read, and to decide by the actions of the list."""

    list_display = (
        "insurer",
        "state",
        "from_name",
        "from_address",
        "transport",
        "host",
        "port",
        "encryption",
        "mailbox_host",
        "dkim_domain",
        "proposed_at",
    )
    list_filter = ("state", "transport")
    search_fields = ("insurer__name", "from_address", "host")
    list_select_related = ("insurer",)
    ordering = ("-proposed_at",)
    actions = ("approve", "refuse", "end")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The list and its actions need the right; a single row shows nothing to edit.
        return obj is None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description=_("Mettre en service : j’ai vérifié le serveur et le domaine"))
    def approve(self, request: HttpRequest, queryset: QuerySet[SendingIdentity]) -> None:
        self._act(request, approve_identity, queryset, "approved_by_id")

    @admin.action(description=_("Refuser"))
    def refuse(self, request: HttpRequest, queryset: QuerySet[SendingIdentity]) -> None:
        self._act(request, refuse_identity, queryset, "refused_by_id")

    @admin.action(description=_("Mettre hors service : le portail envoie à sa place"))
    def end(self, request: HttpRequest, queryset: QuerySet[SendingIdentity]) -> None:
        self._act(request, end_identity, queryset, "ended_by_id")

    def _act(
        self, request: HttpRequest, act: Any, queryset: QuerySet[SendingIdentity], by: str
    ) -> None:
        for identity in queryset:
            try:
                act(identity_id=identity.pk, now=timezone.now(), **{by: request.user.pk})
            except IdentityRefused as refusal:
                self.message_user(request, refusal.message, messages.ERROR)
