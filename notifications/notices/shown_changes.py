"""Changes between two versions of a notice, named as its form names its fields."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import get_language

from insurers.models import DataCategory
from notifications.models import Approval, Campaign, NoticeVersion
from notifications.notices.content import NoticeContent
from notifications.notices.forms import NoticeForm
from notifications.notices.version_changes import Piece, changes


@dataclass(frozen=True)
class NamedChange:
    """A change, and the name of its field as the form gives it."""

    label: Any
    pieces: tuple[Piece, ...]


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
