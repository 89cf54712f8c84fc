"""The approver's word on addresses that more than eight members share."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from insurers.models import Role
from insurers.permissions import require_role, staff_of
from insurers.queueing import enqueue
from notifications.campaigns.approving import barred_from_approving
from notifications.campaigns.refusals_shown import refusal_shown
from notifications.campaigns.requests import campaign_of
from notifications.models import Campaign
from notifications.outbox.crowded import confirm_addresses, waiting_choices
from notifications.tasks import tell_crowded

SHOWN = 200


@require_http_methods(["GET", "HEAD", "POST"])
def crowded_addresses(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Show where the people of each crowded address stand on the list; confirm the real ones."""
    found = campaign_of(request, campaign_id)
    if request.method == "POST":
        return _confirm(request, found)
    choices = waiting_choices(found)
    scope = staff_of(request)
    context = {
        "campaign": found,
        "choices": choices[:SHOWN],
        "total": choices.count(),
        "may_confirm": scope.has_role(found.insurer_id, Role.APPROVER)
        and scope.user_id not in barred_from_approving(found),
    }
    return render(request, "notifications/crowded_addresses.html", context)


def _confirm(request: HttpRequest, found: Campaign) -> HttpResponse:
    require_role(staff_of(request), found.insurer_id, Role.APPROVER)
    with refusal_shown(request, found, "campaign.addresses_confirmed"):
        confirmed = confirm_addresses(
            campaign_id=found.pk,
            choices=[int(pk) for pk in request.POST.getlist("real") if pk.isdigit()],
            approver_id=staff_of(request).user_id,
            now=timezone.now(),
        )
        enqueue(tell_crowded, campaign_id=found.pk)
        said = ngettext(
            "Une adresse confirmée : son message part.",
            "%(count)d adresses confirmées : leurs messages partent.",
            confirmed,
        )
        messages.success(request, said % {"count": confirmed})
        return redirect("campaign", found.pk)
    return redirect("crowded_addresses", found.pk)
