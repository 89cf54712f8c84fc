"""The CSV files that the portal operator takes out of the admin, edits and brings back.

Rows are recognised by natural keys (slugs, codes, addresses), never by numbers; dates are
YYYY-MM-DD. A file with any fault is refused whole. What a spreadsheet would execute goes out
behind an apostrophe, and comes back without.
"""

from collections.abc import Mapping
from typing import Any

from django.core.cache import cache
from django.core.exceptions import ObjectDoesNotExist
from django.utils.html import format_html
from django.utils.translation import gettext as _
from import_export.fields import Field
from import_export.resources import Diff, ModelResource
from import_export.results import Error, Result
from import_export.tmp_storages import CacheStorage
from import_export.widgets import DateWidget, ForeignKeyWidget

from insurers.directory.tables import NAMES_OF_AN_INSURER
from insurers.lists.spreadsheets import inert_cell, live_cell
from insurers.models import Affiliation, Breach, ImpactReport, Insurer, Operator, Source


class ImportForgotten(Exception):  # noqa: N818 (nothing broke: the file waited too long)
    """The file awaiting confirmation is no longer kept."""


class WaitingFile(CacheStorage):  # type: ignore[misc]
    """Keeps a file in the cache between preview and confirmation: nothing lands on a disk."""

    CACHE_LIFETIME = 3600
    CACHE_PREFIX = "import-"

    def read(self) -> Any:
        data = cache.get(self.CACHE_PREFIX + str(self.name))
        if data is None:
            raise ImportForgotten
        return data


class FileError(Error):  # type: ignore[misc]
    """A fault of the file, shown without the program's inner workings."""

    traceback = ""


class FileResult(Result):  # type: ignore[misc]
    """Counts lines as the file does, its header being line 1."""

    def row_errors(self) -> list[tuple[int, Any]]:
        return [(number + 1, errors) for number, errors in super().row_errors()]

    def append_invalid_row(self, number: int, row: Any, validation_error: Any) -> None:
        super().append_invalid_row(number + 1, row, validation_error)


class RowChange(Diff):  # type: ignore[misc]
    """What a row changes, marked up without the inline styles that the policy forbids."""

    def as_html(self) -> list[str]:
        return [
            format_html("{}", after)
            if before == after
            else format_html("<del>{}</del> <ins>{}</ins>", "" if self.new else before, after)
            for before, after in zip(self.left, self.right, strict=True)
        ]


class NamedWidget(ForeignKeyWidget):  # type: ignore[misc]
    """Another row, by its natural key."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        try:
            return super().clean(value, row, **kwargs)
        except ObjectDoesNotExist:
            message = _("« %(name)s » est inconnu ici : corrigez-le, ou créez-le d’abord.")
            raise ValueError(message % {"name": value}) from None


def _named(attribute: str, model: Any, key: str) -> Field:
    return Field(attribute=attribute, column_name=attribute, widget=NamedWidget(model, key))


def _day(attribute: str) -> Field:
    return Field(attribute=attribute, column_name=attribute, widget=DateWidget("%Y-%m-%d"))


class DirectoryResource(ModelResource):  # type: ignore[misc]
    class Meta:
        abstract = True
        clean_model_instances = True
        use_transactions = True
        skip_unchanged = True

    def get_result_class(self) -> type[Result]:
        return FileResult

    def get_diff_class(self) -> type[Diff]:
        return RowChange

    def get_error_result_class(self) -> type[Error]:
        return FileError

    def export_field(self, field: Field, instance: Any, **kwargs: Any) -> Any:
        cell = super().export_field(field, instance, **kwargs)
        return inert_cell(cell) if isinstance(cell, str) else cell

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        for column, cell in row.items():
            if isinstance(cell, str):
                row[column] = live_cell(cell)

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        known = {field.column_name for field in self.get_import_fields()}
        if unknown := [header for header in dataset.headers or () if header not in known]:
            message = _("colonnes inconnues : %s. Corrigez leur nom ou supprimez-les.")
            raise ValueError(message % ", ".join(map(str, unknown)))

    def after_import(self, dataset: Any, result: Result, **kwargs: Any) -> None:
        """Leave the sequences alone: no number is imported, and this role may not set them."""


class InsurerResource(DirectoryResource):
    successor = _named("successor", Insurer, "slug")
    aliases = Field(column_name="aliases")
    amc_numbers = Field(column_name="amc_numbers")

    class Meta(DirectoryResource.Meta):
        abstract = False
        model = Insurer
        import_id_fields = ("slug",)
        fields = (
            "slug",
            "name",
            "aliases",
            "amc_numbers",
            "successor",
            "website",
            "dpo_name",
            "contact_email",
            "contact_phone",
            "contact_address",
        )

    def dehydrate_aliases(self, insurer: Insurer) -> str:
        return "|".join(_names(insurer, "aliases"))

    def dehydrate_amc_numbers(self, insurer: Insurer) -> str:
        return "|".join(_names(insurer, "amc_numbers"))

    def skip_row(self, instance: Any, original: Any, row: Any, *args: Any) -> bool:
        same_names = all(
            set(_names(original, column)) == wanted for column, wanted in _wanted_names(row).items()
        )
        return same_names and bool(super().skip_row(instance, original, row, *args))

    def after_save_instance(self, instance: Insurer, row: Any, **kwargs: Any) -> None:
        for column, wanted in _wanted_names(row).items():
            model, attribute = NAMES_OF_AN_INSURER[column]
            kept = set(_names(instance, column))
            getattr(instance, column).filter(**{f"{attribute}__in": kept - wanted}).delete()
            for name in sorted(wanted - kept):
                added = model(insurer=instance, **{attribute: name})
                added.full_clean()
                added.save()


class AffiliationResource(DirectoryResource):
    insurer = _named("insurer", Insurer, "slug")
    operator = _named("operator", Operator, "code")
    source = _named("source", Source, "url")
    valid_from_date = _day("valid_from_date")
    valid_until_date = _day("valid_until_date")
    confirmed_date = _day("confirmed_date")

    class Meta(DirectoryResource.Meta):
        abstract = False
        model = Affiliation
        import_id_fields = ("insurer", "operator", "scope_fr", "valid_from_date")
        fields = (
            "insurer",
            "operator",
            "scope_fr",
            "scope_en",
            "valid_from_date",
            "valid_until_date",
            "source",
            "note_fr",
            "note_en",
            "confirmed_by",
            "confirmed_date",
        )


class ImpactReportResource(DirectoryResource):
    breach = _named("breach", Breach, "slug")
    insurer = _named("insurer", Insurer, "slug")
    operator = _named("operator", Operator, "code")
    source = _named("source", Source, "url")
    announced_date = _day("announced_date")

    class Meta(DirectoryResource.Meta):
        abstract = False
        model = ImpactReport
        import_id_fields = ("breach", "insurer", "operator")
        fields = (
            "breach",
            "insurer",
            "operator",
            "status",
            "announced_date",
            "source",
            "note_fr",
            "note_en",
        )


def _names(insurer: Insurer, column: str) -> list[str]:
    attribute = NAMES_OF_AN_INSURER[column][1]
    rows = getattr(insurer, column).order_by(attribute)
    return list(rows.values_list(attribute, flat=True))


def _wanted_names(row: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return the names in the row, for each of the columns that it has."""
    return {
        column: {name.strip() for name in str(row[column] or "").split("|") if name.strip()}
        for column in NAMES_OF_AN_INSURER
        if column in row
    }
