"""Texts that stand in French and English in the directory (`…_fr`, `…_en`)."""

from typing import Any

from django.utils.translation import get_language


def localized(thing: Any, field: str) -> str:
    """Return `field_en` on an English page where it is filled in, else `field_fr`."""
    language = "en" if get_language() == "en" else "fr"
    return getattr(thing, f"{field}_{language}") or str(getattr(thing, f"{field}_fr"))
