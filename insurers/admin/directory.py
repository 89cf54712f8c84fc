"""Breaches, operators, insurers and what ties them, as the portal operator keeps them."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import CSV

from audit.admin import AuditedAdmin
from audit.trail import PORTAL, account, record
from insurers.admin.directory_csv import (
    AffiliationResource,
    ImpactReportResource,
    ImportForgotten,
    InsurerResource,
    WaitingFile,
)
from insurers.models import (
    Advice,
    Affiliation,
    AmcNumber,
    Breach,
    BreachOperator,
    Caveat,
    Conflict,
    DataCategory,
    ExposedData,
    ImpactReport,
    Insurer,
    InsurerAlias,
    Operator,
    Population,
    Source,
    TimelineEntry,
)

if TYPE_CHECKING:
    Tabular = admin.TabularInline[Any, Any]
    Stacked = admin.StackedInline[Any, Any]
else:
    Tabular, Stacked = admin.TabularInline, admin.StackedInline


# An address typed without its scheme; Django 6 does this by itself.
TYPED_ADDRESSES: dict[type[models.Field[Any, Any]], dict[str, Any]] = {
    models.URLField: {"assume_scheme": "https"}
}


class KeptAdmin(AuditedAdmin):
    """Rows that others hang on, some of them unseen by this role: changed, never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CsvAdmin(ImportExportMixin, AuditedAdmin):  # type: ignore[misc]
    """Adds CSV export, and import in two steps: preview, then all of the file or nothing."""

    import_formats = export_formats = (CSV,)
    tmp_storage_class = WaitingFile
    skip_export_form = True

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_import_data_kwargs(**kwargs)
        return {**found, "rollback_on_validation_errors": True}

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().process_import(request, **kwargs)
        except ImportForgotten:
            messages.error(request, _("Le fichier n’est plus gardé : envoyez-le de nouveau."))
            return self._back_to_import()
        return response

    def process_result(self, result: Any, request: HttpRequest) -> HttpResponse:
        if result.has_errors() or result.has_validation_errors():
            # The directory changed since the preview; the import was rolled back.
            messages.error(request, _("Rien n’a été importé : envoyez le fichier de nouveau."))
            return self._back_to_import()
        record(
            action=f"{self.opts.model_name}.imported",
            scope=PORTAL,
            actor=account(request.user.pk),
            subject="directory",
            detail={verb: count for verb, count in result.totals.items() if count},
        )
        response: HttpResponse = super().process_result(result, request)
        return response

    def export_action(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = super().export_action(request)
        record(
            action=f"{self.opts.model_name}.exported",
            scope=PORTAL,
            actor=account(request.user.pk),
            subject="directory",
        )
        return response

    def _back_to_import(self) -> HttpResponse:
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_import")


class Rows(Tabular):
    extra = 0


class SourcedRows(Rows):
    autocomplete_fields = ("sources",)


class SourcedForms(Stacked):
    extra = 0
    autocomplete_fields = ("source",)


class AliasInline(Rows):
    model = InsurerAlias


class AmcNumberInline(Rows):
    model = AmcNumber


class AffiliationInline(SourcedForms):
    model = Affiliation


class ImpactReportInline(SourcedForms):
    model = ImpactReport


class BreachOperatorInline(SourcedRows):
    model = BreachOperator


class TimelineInline(SourcedRows):
    model = TimelineEntry


class CaveatInline(SourcedRows):
    model = Caveat


class ConflictInline(SourcedRows):
    model = Conflict


@admin.register(Insurer)
class InsurerAdmin(CsvAdmin, KeptAdmin):
    resource_classes = (InsurerResource,)
    inlines = (AliasInline, AmcNumberInline, AffiliationInline, ImpactReportInline)
    list_display = ("name", "slug", "successor", "is_demo")
    list_filter = (
        "affiliations__operator",
        "impact_reports__status",
        ("successor", admin.EmptyFieldListFilter),
        "is_demo",
    )
    list_select_related = ("successor",)
    search_fields = ("name", "slug", "aliases__name", "amc_numbers__number")
    autocomplete_fields = ("successor",)
    formfield_overrides = TYPED_ADDRESSES
    prepopulated_fields = {"slug": ("name",)}  # noqa: RUF012 (Django's name and type)


@admin.register(Affiliation)
class AffiliationAdmin(CsvAdmin):
    resource_classes = (AffiliationResource,)
    list_display = (
        "insurer",
        "operator",
        "scope_fr",
        "valid_from_date",
        "valid_until_date",
        "source",
    )
    list_display_links = ("insurer", "operator")
    list_filter = ("operator", "source__kind", ("valid_until_date", admin.EmptyFieldListFilter))
    list_select_related = ("insurer", "operator", "source")
    search_fields = ("insurer__name", "insurer__aliases__name", "scope_fr", "scope_en")
    autocomplete_fields = ("insurer", "operator", "source")


@admin.register(ImpactReport)
class ImpactReportAdmin(CsvAdmin):
    resource_classes = (ImpactReportResource,)
    list_display = ("insurer", "operator", "status", "announced_date", "source", "breach")
    list_display_links = ("insurer", "operator")
    list_filter = ("breach", "operator", "status", "source__kind")
    list_select_related = ("breach", "insurer", "operator", "source")
    search_fields = ("insurer__name", "insurer__aliases__name")
    autocomplete_fields = ("breach", "insurer", "operator", "source")


@admin.register(Breach)
class BreachAdmin(KeptAdmin):
    inlines = (BreachOperatorInline, TimelineInline, CaveatInline, ConflictInline)
    list_display = ("name_fr", "slug", "announced_date", "people_min", "closing_date", "is_demo")
    list_filter = ("is_demo",)
    search_fields = ("name_fr", "name_en", "slug")
    autocomplete_fields = ("sources",)


# Apart from the breach's page: a few dozen rows would pass Django's limit of 1,000 fields.
@admin.register(ExposedData)
class ExposedDataAdmin(AuditedAdmin):
    list_display = ("category", "operator", "population", "is_exposed", "certainty", "breach")
    list_filter = ("breach", "operator", "population", "is_exposed", "certainty")
    list_select_related = ("breach", "operator", "population", "category")
    search_fields = ("category__label_fr", "category__label_en", "note_fr", "note_en")
    autocomplete_fields = ("breach", "operator", "population", "category", "sources")


@admin.register(Operator)
class OperatorAdmin(KeptAdmin):
    list_display = ("name", "code")
    search_fields = ("name", "code")


@admin.register(Population)
class PopulationAdmin(KeptAdmin):
    list_display = ("label_fr", "label_en", "code")
    search_fields = ("label_fr", "label_en", "code")


@admin.register(DataCategory)
class DataCategoryAdmin(AuditedAdmin):
    list_display = ("label_fr", "label_en", "code", "position")
    search_fields = ("label_fr", "label_en", "code")


@admin.register(Advice)
class AdviceAdmin(AuditedAdmin):
    list_display = ("code", "text_fr", "population", "position")
    list_filter = ("population",)
    list_select_related = ("population",)
    search_fields = ("code", "text_fr", "text_en")
    formfield_overrides = TYPED_ADDRESSES
    autocomplete_fields = ("population", "sources")


@admin.register(Source)
class SourceAdmin(KeptAdmin):
    list_display = ("publisher", "kind", "published_date", "url")
    list_filter = ("kind",)
    date_hierarchy = "published_date"
    search_fields = ("publisher", "url")
    ordering = ("publisher", "url")
