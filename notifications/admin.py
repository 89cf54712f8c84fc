"""What the portal operator decides about sending: which hosts and providers insurers use."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.admin import AuditedAdmin
from audit.trail import PORTAL, account, record
from insurers.queueing import enqueue
from notifications.models import RetentionPeriod, SenderCheck, SendingIdentity
from notifications.sender_domains.findings import Findings
from notifications.senders.identities import (
    IdentityRefused,
    approve_identity,
    end_identity,
    refuse_identity,
)
from notifications.tasks import check_sender_domain


@admin.register(RetentionPeriod)
class RetentionPeriodAdmin(AuditedAdmin):
    """Days that differ from the portal's own, for a breach or one of its insurers."""

    list_display = ("breach", "insurer", "contacts_days", "problems_days")
    list_filter = ("breach",)
    list_select_related = ("breach", "insurer")
    autocomplete_fields = ("breach", "insurer")


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
        "domain",
        "proposed_at",
    )
    list_filter = ("state", "transport")
    search_fields = ("insurer__name", "from_address", "host")
    list_select_related = ("insurer", "check_of_domain")
    ordering = ("-proposed_at",)
    actions = ("look_up", "approve", "refuse", "end")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The list and its actions need the right; a single row shows nothing to edit.
        return obj is None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("SPF, DKIM et DMARC"))
    def domain(self, identity: SendingIdentity) -> str:
        check: SenderCheck | None = getattr(identity, "check_of_domain", None)
        return check.get_outcome_display() if check else "–"

    @admin.action(description=_("Interroger le DNS maintenant (SPF, DKIM, DMARC)"))
    def look_up(self, request: HttpRequest, queryset: QuerySet[SendingIdentity]) -> None:
        for identity in queryset:
            ask_dns(request, str(identity.pk))

    @admin.action(description=_("Mettre en service : j’ai vérifié le serveur et le domaine"))
    def approve(self, request: HttpRequest, queryset: QuerySet[SendingIdentity]) -> None:
        self._act(request, approve_identity, queryset, "approved_by_id")
        for identity in queryset:
            ask_dns(request, str(identity.pk))

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


@admin.register(SenderCheck)
class SenderCheckAdmin(AuditedAdmin):
    """What the DNS last said of each sender, the portal's own among them; asked again on demand."""

    list_display = (
        "sender",
        "from_domain",
        "outcome",
        "checked_at",
        "spf",
        "dkim",
        "dmarc",
        "tried_at",
    )
    list_display_links = None
    list_filter = ("outcome",)
    list_select_related = ("identity__insurer",)
    actions = ("look_up",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("Expéditeur"))
    def sender(self, check: SenderCheck) -> str:
        return check.identity.insurer.name if check.identity else str(_("le portail"))

    @admin.display(description="SPF")
    def spf(self, check: SenderCheck) -> str:
        return Findings.from_json(check.findings).spf.words

    @admin.display(description="DKIM")
    def dkim(self, check: SenderCheck) -> str:
        return Findings.from_json(check.findings).dkim.words

    @admin.display(description="DMARC")
    def dmarc(self, check: SenderCheck) -> str:
        return Findings.from_json(check.findings).dmarc.words

    @admin.action(description=_("Interroger le DNS maintenant (SPF, DKIM, DMARC)"))
    def look_up(self, request: HttpRequest, queryset: QuerySet[SenderCheck]) -> None:
        for check in queryset:
            ask_dns(request, str(check.identity_id or ""))


def ask_dns(request: HttpRequest, identity_id: str) -> None:
    """Have the worker look a sender up (""; the portal's own), once the page is committed."""
    record(
        action="sender.check_asked",
        scope=PORTAL,
        actor=account(request.user.pk),
        subject=f"identity:{identity_id}" if identity_id else "",
    )
    enqueue(check_sender_domain, identity_id=identity_id)
