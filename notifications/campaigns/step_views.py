"""Take a campaign a step further: approve, return, pause, resume, cancel."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from insurers.models import Role
from insurers.permissions import staff_of
from insurers.queueing import enqueue
from notifications.campaigns.approving import approve_campaign, return_campaign
from notifications.campaigns.forms import ApprovalForm
from notifications.campaigns.page import campaign_page
from notifications.campaigns.refusals_shown import refusal_shown
from notifications.campaigns.requests import campaign_of
from notifications.campaigns.stopping import (
    cancel_campaign,
    pause_campaign,
    resume_campaign,
    resume_paused,
)
from notifications.register.figures import campaign_figures
from notifications.sender_domains.forms import SenderOverrideForm
from notifications.states import Standing
from notifications.tasks import cancel, resume_campaigns, start_campaign


@require_POST
def campaign_approve(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Approve, and have the worker start."""
    found = campaign_of(request, campaign_id, Role.APPROVER)
    form = ApprovalForm(request.POST, channels=found.plan["channels"])
    if not form.is_valid():
        messages.error(request, _("Vérifiez et cochez chaque point de la liste de contrôle."))
        return campaign_page(request, found, approval_form=form)
    with refusal_shown(request, found, "campaign.approved"):
        approve_campaign(
            campaign_id=found.pk,
            approver_id=staff_of(request).user_id,
            checked_points=form.checked_points(),
            shared_addresses_confirmed=form.cleaned_data["shared_addresses_confirmed"],
            sender_override=SenderOverrideForm(request.POST).reason(),
            now=timezone.now(),
        )
        enqueue(start_campaign, campaign_id=found.pk)
        messages.success(request, _("Approuvée : l’envoi commence."))
    return redirect("campaign", found.pk)


@require_POST
def campaign_return(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Send back for correction."""
    found = campaign_of(request, campaign_id, Role.APPROVER)
    with refusal_shown(request, found, "campaign.returned"):
        return_campaign(
            campaign_id=found.pk,
            approver_id=staff_of(request).user_id,
            comment=request.POST.get("comment", "")[:2000],
            now=timezone.now(),
        )
        messages.success(request, _("Renvoyée avec votre commentaire."))
    return redirect("campaign", found.pk)


@require_POST
def campaign_resume(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Let a halted campaign go on."""
    found = campaign_of(request, campaign_id, Role.APPROVER)
    with refusal_shown(request, found, "campaign.resumed"):
        resume_campaign(
            campaign_id=found.pk,
            approver_id=staff_of(request).user_id,
            sender_override=SenderOverrideForm(request.POST).reason(),
            now=timezone.now(),
        )
        enqueue(resume_campaigns)
    return redirect("campaign", found.pk)


@require_POST
def campaign_pause(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Stop sending for a while."""
    found = campaign_of(request, campaign_id, Role.PREPARER, Role.APPROVER)
    with refusal_shown(request, found, "campaign.paused"):
        pause_campaign(
            campaign_id=found.pk, person_id=staff_of(request).user_id, now=timezone.now()
        )
        messages.success(request, _("En pause : plus rien ne part avant la reprise."))
    return redirect("campaign", found.pk)


@require_POST
def campaign_unpause(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Go on after a pause, exactly where it stopped."""
    found = campaign_of(request, campaign_id, Role.PREPARER, Role.APPROVER)
    with refusal_shown(request, found, "campaign.resumed"):
        resume_paused(campaign_id=found.pk, person_id=staff_of(request).user_id, now=timezone.now())
        enqueue(resume_campaigns)
    return redirect("campaign", found.pk)


@require_safe
def campaign_cancel_ask(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Say what cancelling means before it is done."""
    found = campaign_of(request, campaign_id, Role.APPROVER)
    people = campaign_figures(found).people
    context = {
        "campaign": found,
        "waiting": people[Standing.IN_PROGRESS],
        "told": people[Standing.TOLD],
    }
    return render(request, "notifications/campaign_cancel.html", context)


@require_POST
def campaign_cancel(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """End it for good."""
    found = campaign_of(request, campaign_id, Role.APPROVER)
    with refusal_shown(request, found, "campaign.cancelled"):
        cancel_campaign(
            campaign_id=found.pk, approver_id=staff_of(request).user_id, now=timezone.now()
        )
        enqueue(cancel, campaign_id=found.pk)
        messages.success(request, _("Annulée : plus rien ne part."))
    return redirect("campaign", found.pk)
