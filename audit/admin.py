"""The Django admin, with every change of it in the trail."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from audit.models import AuditEntry
from audit.trail import PORTAL, account, record

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class AuditedAdmin(ModelAdmin):
    """The base of every admin page of the portal: what changed, by field name, never by value."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_admin_action(request, obj, "added", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_admin_action(request, obj, "changed", message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Any]) -> Any:
        for obj in queryset:
            record_admin_action(request, obj, "deleted")
        return super().log_deletions(request, queryset)  # type: ignore[arg-type]


def record_admin_action(request: HttpRequest, obj: Model, verb: str, message: Any = ()) -> None:
    """Write one action of the operator to the portal's trail, in the page's transaction."""
    record(
        action=f"{obj._meta.model_name}.{verb}",
        scope=PORTAL,
        actor=account(request.user.pk),
        subject=f"{obj._meta.model_name}:{obj.pk}",
        detail={"changes": _without_values(message)} if message else {},
    )


def _without_values(message: Any) -> list[dict[str, Any]]:
    """Keep of Django's change message what was done and to which fields."""
    if isinstance(message, str):
        return []
    return [
        {verb: {key: told[key] for key in ("name", "fields") if key in told}}
        for part in message
        for verb, told in part.items()
    ]


@admin.register(AuditEntry)
class AuditEntryAdmin(ModelAdmin):
    """The portal's chain, to read."""

    list_display = ("sequence", "at", "actor", "action", "subject", "outcome")
    list_filter = ("outcome",)
    search_fields = ("action", "actor", "subject")
    ordering = ("-scope", "-sequence")
    fields = ("scope", "sequence", "at", "actor", "action", "subject", "outcome", "detail")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.filter(scope=PORTAL)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
