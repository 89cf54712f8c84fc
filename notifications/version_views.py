"""The versions of a notice, and what changed from one to another."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from insurers.models import DataCategory
from insurers.permissions import readable, staff_of
from notifications.models import Approval, Campaign, Notice, NoticeVersion
from notifications.notice_forms import NoticeForm
from notifications.notices import NoticeContent
from notifications.version_changes import Piece, changes


@dataclass(frozen=True)
class NamedChange:
    """A change, and the name of its field as the form gives it."""

    label: Any
    pieces: tuple[Piece, ...]


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


def named_changes(before: NoticeVersion, after: NoticeVersion) -> list[NamedChange]:
    """Return what changed from one version to another, for people."""
    language = "en" if get_language() == "en" else "fr"
    names = DataCategory.objects.values_list("code", f"label_{language}")
    old, new = (NoticeContent.from_json(version.content) for version in (before, after))
    form = NoticeForm(content=new, number=after.number)
    return [
        NamedChange(form.fields[change.field].label, change.pieces)
        for change in changes(old, new, categories=dict(names))
        if change.field in form.fields
    ]


def approved_before(campaign: Campaign) -> NoticeVersion | None:
    """Return the version of this notice that somebody approved last."""
    approvals = Approval.objects.filter(version__notice=campaign.notice_version.notice_id)
    last = approvals.select_related("version").first()
    return last.version if last else None


def _asked(versions: list[NoticeVersion], number: str) -> NoticeVersion | None:
    return next((version for version in versions if str(version.number) == number), None)


def _before(versions: list[NoticeVersion], after: NoticeVersion) -> NoticeVersion | None:
    return next((version for version in versions if version.number < after.number), None)
