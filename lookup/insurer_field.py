"""The field by which somebody says which insurer is meant, by its address in the directory."""

from typing import Any

from django import forms

from insurers.models import Insurer
from lookup.kept_rows import insurers_by_slug


class InsurerField(forms.ModelChoiceField[Insurer]):
    """Knows the insurers of this version of the directory without asking the database."""

    def to_python(self, value: Any) -> Insurer | None:
        found = insurers_by_slug().get(value) if isinstance(value, str) else None
        return found or super().to_python(value)
