"""The notice, and its version, that a request names."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from insurers.models import Role
from insurers.permissions import readable, require_role, staff_of
from notifications.models import Notice, NoticeVersion


def notice_of(request: HttpRequest, notice_id: int, *roles: Role) -> Notice:
    """Return a notice that the person may read and, where roles are named, has one of them for.

    Raises Http404, or Refused without the role.
    """
    mine = readable(staff_of(request), Notice.objects.all())
    found = get_object_or_404(mine.select_related("breach", "insurer", "population"), pk=notice_id)
    if roles:
        require_role(staff_of(request), found.insurer_id, *roles)
    return found


def version_of(request: HttpRequest, notice: Notice) -> NoticeVersion:
    """Return the version that `?version=` names, or else the latest."""
    asked = request.GET.get("version", "")
    if asked.isdecimal() and len(asked) < 10:
        return get_object_or_404(notice.versions, number=int(asked))
    return notice.versions.latest("number")
