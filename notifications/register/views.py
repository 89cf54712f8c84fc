"""The register: who was told, when, how, with which text, and who was not."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from insurers.permissions import readable_insurers, require_reader, staff_of
from notifications.notices.content import NoticeContent
from notifications.notices.previews import preview
from notifications.register.figures import register_lines
from notifications.register.reach import readable_breaches
from notifications.register.statements import statements_ever_public


@require_safe
def register(request: HttpRequest) -> HttpResponse:
    """Show a line per breach and insurer within the person's reach."""
    scope = staff_of(request)
    insurers = list(readable_insurers(scope))
    breaches = []
    for breach in readable_breaches(scope):
        mandated = [found for found in insurers if scope.may_read(found.pk, breach.pk)]
        breaches.append((breach, register_lines(breach=breach, insurers=mandated)))
    return render(request, "notifications/register.html", {"breaches": breaches})


@require_safe
def register_insurer(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Show one insurer's lists, campaigns and notices as sent, with the figures by reason."""
    scope = staff_of(request)
    breach = get_object_or_404(readable_breaches(scope), slug=breach_slug)
    insurer = get_object_or_404(readable_insurers(scope), slug=insurer_slug)
    require_reader(scope, insurer.pk, breach.pk)
    lines = register_lines(breach=breach, insurers=[insurer])
    if not lines:
        raise Http404
    approved = [campaign for campaign in lines[0].campaigns if campaign.approved_at]
    return render(
        request,
        "notifications/register_insurer.html",
        {
            "line": lines[0],
            "statements": statements_ever_public(breach=breach, insurer=insurer),
            "lists": [(found, bytes(found.sha256 or b"").hex()) for found in lines[0].lists],
            "notices": [
                (
                    campaign,
                    preview(NoticeContent.from_json(campaign.notice_version.content)).email,
                    bytes(campaign.notice_version.sha256).hex(),
                )
                for campaign in approved
            ],
        },
    )
