"""Messages reported as suspicious, for the insurer they name and the portal operator."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from insurers.permissions import readable_insurers, staff_of
from notifications.models import SuspiciousMessage
from notifications.verifying.suspicious import grouped, suspicions

PAGE = 20


@require_safe
def suspicious_messages(request: HttpRequest) -> HttpResponse:
    """Show what was reported of the person's insurers, of all to the operator; alike is one."""
    scope = staff_of(request)
    rows = SuspiciousMessage.objects.all()
    if scope.role != "operator":
        rows = rows.filter(insurer__in=readable_insurers(scope))
    page = Paginator(grouped(rows), PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "suspicions": suspicions(page, rows)}
    return render(request, "notifications/suspicious_messages.html", context)
