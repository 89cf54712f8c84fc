"""What was typed into a form, cleaned without making the form."""

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import QueryDict


def read_typed(form: type[Form], data: QueryDict) -> dict[str, Any] | None:
    """Return the cleaned values; None where a field has something to say: the form then says it.

    Making a form copies all its fields: as long as the rest of a page that many ask for at once.
    For forms whose rules are all in their fields.
    """
    try:
        return {name: field.clean(data.get(name)) for name, field in form.base_fields.items()}
    except ValidationError:
        return None
