"""Whole numbers as people read them."""

from django.utils.translation import get_language


def spaced(number: int) -> str:
    """Write a number as the language in force does: 33 000 000 or 33,000,000."""
    return f"{number:,}" if get_language() == "en" else in_french(number)


def in_french(number: int) -> str:
    """Write a number as French does, for what is in French alone."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
