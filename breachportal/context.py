"""What every template may show of this installation."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def portal(request: HttpRequest) -> dict[str, Any]:
    """Return the portal's own facts; nothing here reads the session or the database."""
    return {
        "portal_demo": settings.DEMO,
        "portal_host": settings.PORTAL_HOST,
        "portal_operator": settings.PORTAL_OPERATOR,
    }
