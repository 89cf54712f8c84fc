"""The field by which somebody says which insurer is meant, by its address in the directory."""

from typing import Any

from django import forms

from insurers.models import Insurer
from lookup.versions import directory_tag

_kept: tuple[str, dict[str, Insurer]] = ("", {})


class InsurerField(forms.ModelChoiceField[Insurer]):
    """Knows the insurers of this version of the directory without asking the database."""

    def to_python(self, value: Any) -> Insurer | None:
        found = _insurers().get(value) if isinstance(value, str) else None
        return found or super().to_python(value)


def _insurers() -> dict[str, Insurer]:
    global _kept
    tag = directory_tag()
    if tag is None:
        return {}
    if _kept[0] != tag:
        _kept = (tag, {insurer.slug: insurer for insurer in Insurer.objects.all()})
    return _kept[1]
