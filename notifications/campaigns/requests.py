"""The campaign that a request names."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from insurers.models import Role
from insurers.permissions import readable, require_role, staff_of
from notifications.models import Campaign


def campaign_of(request: HttpRequest, campaign_id: int, *roles: Role) -> Campaign:
    """Return a campaign that the person may read and, where roles are named, has one of them for.

    Raises Http404, or Refused without the role.
    """
    mine = readable(staff_of(request), Campaign.objects.all())
    related = ("insurer", "breach", "affected_list", "notice_version__notice")
    found = get_object_or_404(mine.select_related(*related), pk=campaign_id)
    if roles:
        require_role(staff_of(request), found.insurer_id, *roles)
    return found
