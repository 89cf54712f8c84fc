"""How many people wait for which insurer: it tells the portal operator whom to ask first."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.admin import AuditedAdmin
from insurers.admin.directory import InsurerAdmin
from insurers.models import Insurer
from lookup.models import WaitingCount, WaitingTally


class AwaitedFilter(admin.SimpleListFilter):
    title = _("attente d’une réponse")
    parameter_name = "attendu"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("oui", _("des personnes attendent"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(people_waiting__gt=0) if self.value() == "oui" else queryset


class InsurerWithWaitingAdmin(InsurerAdmin):
    """The directory's list, with how many people asked to be told an insurer's answer."""

    list_display: tuple[Any, ...] = (
        *InsurerAdmin.list_display,
        "people_waiting",
        "waiting_since",
    )
    list_filter: ClassVar[tuple[Any, ...]] = (AwaitedFilter, *InsurerAdmin.list_filter)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        waiting = WaitingCount.objects.filter(insurer_id=OuterRef("pk"))
        everyone: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .annotate(
                people_waiting=Coalesce(Subquery(waiting.values("people")), 0),
                waiting_since=Subquery(waiting.values("first_date")),
            )
        )
        return everyone

    @admin.display(description=_("personnes en attente"), ordering="people_waiting")
    def people_waiting(self, insurer: Any) -> int:
        return int(insurer.people_waiting)

    @admin.display(description=_("depuis le"), ordering="waiting_since", empty_value="")
    def waiting_since(self, insurer: Any) -> Any:
        return insurer.waiting_since


admin.site.unregister(Insurer)
admin.site.register(Insurer, InsurerWithWaitingAdmin)


@admin.register(WaitingTally)
class WaitingTallyAdmin(AuditedAdmin):
    """How waits ended, by insurer and month: read, never changed."""

    list_display = ("month_date", "insurer", "ending", "people")
    list_filter = ("ending", "month_date")
    list_select_related = ("insurer",)
    search_fields = ("insurer__name", "insurer__aliases__name")
    date_hierarchy = "month_date"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
