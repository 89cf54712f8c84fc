"""What somebody has to do something about, within the reader's reach."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from insurers.permissions import Refused, staff_of
from notifications.alerts.reach import alerts_of
from notifications.alerts.words import by_kind, shown

ENDED_FOR = timedelta(days=30)


@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    """Show what is wrong now, by kind, and what was settled for thirty days."""
    scope = staff_of(request)
    if scope.role not in {"staff", "auditor", "operator"}:
        raise Refused
    mine = alerts_of(scope).select_related("insurer", "breach")
    ended = mine.filter(ended_at__gte=timezone.now() - ENDED_FOR).order_by("-ended_at")
    context = {
        "running": by_kind(mine.filter(ended_at=None)),
        "ended": [shown(alert) for alert in ended],
    }
    return render(request, "notifications/alerts.html", context)
