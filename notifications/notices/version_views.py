"""The versions of a notice, and what changed from one to another."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from insurers.permissions import readable, staff_of
from notifications.models import Notice, NoticeVersion
from notifications.notices.shown_changes import named_changes


@require_safe
def notice_versions(request: HttpRequest, notice_id: int) -> HttpResponse:
    """List the versions; compare `?de=` with `?a=`, else the last with the one before."""
    mine = readable(staff_of(request), Notice.objects.all())
    notice = get_object_or_404(mine.select_related("breach", "insurer"), pk=notice_id)
    versions = list(notice.versions.select_related("edited_by").prefetch_related("campaigns"))
    after = _asked(versions, request.GET.get("a", "")) or versions[0]
    before = _asked(versions, request.GET.get("de", "")) or _before(versions, after)
    return render(
        request,
        "notifications/notice_versions.html",
        {
            "notice": notice,
            "versions": [(version, bytes(version.sha256).hex()) for version in versions],
            "before": before,
            "after": after,
            "changes": named_changes(before, after) if before else [],
        },
    )


def _asked(versions: list[NoticeVersion], number: str) -> NoticeVersion | None:
    return next((version for version in versions if str(version.number) == number), None)


def _before(versions: list[NoticeVersion], after: NoticeVersion) -> NoticeVersion | None:
    return next((version for version in versions if version.number < after.number), None)
