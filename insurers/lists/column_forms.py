"""The form that says which column of a file is which."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from insurers.lists.headers import ColumnsUnclearError, check_choice
from insurers.lists.problems import Field, column_name
from insurers.models import ListColumn


def column_label(column: ListColumn) -> str:
    """Return what to call a column: its number, and its header where it may be shown."""
    header = column.header or (_("intitulé masqué") if column.is_masked else _("sans intitulé"))
    return _("Colonne %(number)s : %(header)s") % {"number": column.place + 1, "header": header}


class ColumnsForm(forms.Form):
    """One choice per column; the shapes of its first values help to tell."""

    def __init__(self, *args: Any, columns: Iterable[ListColumn], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: list[tuple[str, str]] = [("", _("ne pas lire cette colonne"))]
        choices += [
            (field.value, capfirst(str(field.label))) for field in Field if field != Field.NIR
        ]
        for column in columns:
            field = forms.ChoiceField(
                label=column_label(column),
                choices=choices,
                required=False,
                initial=column.chosen or column.field,
                help_text=_("Premières valeurs, par leur forme : %(shapes)s")
                % {"shapes": _(" ou ").join(column.shapes)}
                if column.shapes
                else "",
            )
            field.checked_later = True  # type: ignore[attr-defined]
            self.fields[f"column_{column.place}"] = field

    def chosen(self) -> dict[int, Field]:
        """Return the field of each column that is to be read, by place (from 0)."""
        return {
            int(name.removeprefix("column_")): Field(code)
            for name, code in self.cleaned_data.items()
            if code
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        try:
            check_choice(self.chosen())
        except ColumnsUnclearError as unclear:
            for field in unclear.ambiguous:
                twice = [name for name, code in cleaned.items() if code == field]
                said = _(
                    "Une autre colonne est déjà indiquée pour : %(field)s. N’en gardez qu’une."
                )
                self.add_error(twice[-1], said % {"field": field.label})
            for code in unclear.missing:
                said = _("Aucune colonne n’est indiquée pour : %(field)s. Choisissez-la.")
                self.add_error(self._unread_column(), said % {"field": column_name(code)})
        return cleaned

    def _unread_column(self) -> str:
        """Return the first column that nothing is chosen for: the place to correct."""
        unread = (name for name in self.fields if not self.data.get(self.add_prefix(name)))
        return next(unread, next(iter(self.fields)))
