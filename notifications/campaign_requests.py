"""The campaign that a request names, and what is said where a step with it is refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from audit.models import Outcome
from audit.trail import account, insurer_scope, record
from insurers.models import Role
from insurers.permissions import readable, require_role, staff_of
from notifications.campaigns import CampaignRefused
from notifications.letters import LettersRefused
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


@contextmanager
def refusal_shown(request: HttpRequest, campaign: Campaign, action: str) -> Iterator[None]:
    """Take a step that may be refused: then say why, and keep the refusal in the trail."""
    try:
        yield
    except (CampaignRefused, LettersRefused) as refusal:
        messages.error(request, str(refusal.message))
        record(
            action=action,
            scope=insurer_scope(campaign.insurer_id),
            actor=account(staff_of(request).user_id),
            subject=f"campaign:{campaign.pk}",
            outcome=Outcome.REFUSED,
        )
