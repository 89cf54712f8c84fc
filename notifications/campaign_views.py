"""Approve a campaign and follow it."""

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audit.models import Outcome
from audit.trail import account, insurer_scope, record
from insurers.models import Role
from insurers.permissions import readable, require_role, staff_of
from insurers.queueing import enqueue
from notifications.campaigns import (
    STOPPABLE,
    CampaignRefused,
    approve_campaign,
    barred_from_approving,
    cancel_campaign,
    pause_campaign,
    resume_campaign,
    resume_paused,
    return_campaign,
)
from notifications.course import course_of, failures_with_examples, speed_of
from notifications.crowded import waiting_choices
from notifications.doubts import DoubtPolicy
from notifications.forms import ApprovalForm, LettersForm, ReturnForm
from notifications.letters import pending_letters
from notifications.models import Campaign, CampaignState, Channel, LetterExport, ListReach
from notifications.notice_views import previews
from notifications.notices import NoticeContent
from notifications.register import campaign_figures
from notifications.sms_cost import sms_cost
from notifications.states import Standing
from notifications.tasks import cancel, resume_campaigns, start_campaign

LIVE = (CampaignState.APPROVED, CampaignState.SENDING)


@require_safe
def campaign_list(request: HttpRequest) -> HttpResponse:
    """List the campaigns of the person's insurers."""
    mine = readable(staff_of(request), Campaign.objects.all())
    campaigns = mine.select_related("insurer", "breach", "affected_list")
    lines = [(campaign, campaign_figures(campaign)) for campaign in campaigns]
    return render(request, "notifications/campaign_list.html", {"lines": lines})


@require_safe
def campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Show what is, or was, approved, and how far it is."""
    found = campaign_of(request, campaign_id)
    reach = ListReach.objects.filter(affected_list=found.affected_list_id).first()
    may_approve = (
        Role.APPROVER in staff_of(request).roles.get(found.insurer_id, ())
        and found.state == CampaignState.SUBMITTED
    )
    return render(
        request,
        "notifications/campaign.html",
        {
            **_progress(found),
            **_course(found),
            "sha256": bytes(found.sha256).hex(),
            "previews": previews(found.notice_version)[:1],
            "reach": reach,
            "sms": sms_cost(
                NoticeContent.from_json(found.notice_version.content),
                found.plan,
                messages=reach.phone_only_numbers if reach else 0,
            ),
            "crowded": waiting_choices(found).count(),
            "starts_at": found.starts_at,
            "in_doubt": DoubtPolicy(found.plan.get("in_doubt", DoubtPolicy.FLAG)).label,
            "may_approve": may_approve,
            "is_barred": staff_of(request).user_id in barred_from_approving(found),
            "may_resume": Role.APPROVER in staff_of(request).roles.get(found.insurer_id, ()),
            "may_pause": staff_of(request).has_role(found.insurer_id, Role.PREPARER, Role.APPROVER),
            "may_cancel": found.state in STOPPABLE
            and staff_of(request).has_role(found.insurer_id, Role.APPROVER),
            "approval_form": ApprovalForm(),
            "return_form": ReturnForm(),
            **_letters(request, found),
        },
    )


@require_safe
def campaign_progress(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Return the part of the page that htmx renews, from tallies only."""
    found = campaign_of(request, campaign_id)
    return render(request, "notifications/_campaign_progress.html", _progress(found))


@require_safe
def campaign_course(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Return the chart over time and its table, which htmx renews less often."""
    found = campaign_of(request, campaign_id)
    return render(request, "notifications/_campaign_course.html", _course(found))


@require_POST
def campaign_approve(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Approve, and have the worker start."""
    found = campaign_of(request, campaign_id)
    require_role(staff_of(request), found.insurer_id, Role.APPROVER)
    form = ApprovalForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Cochez que vous avez lu l’avis avant de l’approuver."))
        return redirect("campaign", found.pk)
    try:
        approve_campaign(
            campaign_id=found.pk,
            approver_id=staff_of(request).user_id,
            shared_addresses_confirmed=form.cleaned_data["shared_addresses_confirmed"],
            now=timezone.now(),
        )
    except CampaignRefused as refusal:
        refuse(request, found, "campaign.approved", refusal)
    else:
        enqueue(start_campaign, campaign_id=found.pk)
        messages.success(request, _("Approuvée : l’envoi commence."))
    return redirect("campaign", found.pk)


@require_POST
def campaign_return(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Send back for correction."""
    found = campaign_of(request, campaign_id)
    require_role(staff_of(request), found.insurer_id, Role.APPROVER)
    try:
        return_campaign(
            campaign_id=found.pk,
            approver_id=staff_of(request).user_id,
            comment=request.POST.get("comment", "")[:2000],
            now=timezone.now(),
        )
    except CampaignRefused as refusal:
        refuse(request, found, "campaign.returned", refusal)
    else:
        messages.success(request, _("Renvoyée avec votre commentaire."))
    return redirect("campaign", found.pk)


@require_POST
def campaign_resume(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Let a halted campaign go on."""
    found = campaign_of(request, campaign_id)
    require_role(staff_of(request), found.insurer_id, Role.APPROVER)
    try:
        resume_campaign(
            campaign_id=found.pk, approver_id=staff_of(request).user_id, now=timezone.now()
        )
    except CampaignRefused as refusal:
        refuse(request, found, "campaign.resumed", refusal)
    else:
        enqueue(resume_campaigns)
    return redirect("campaign", found.pk)


@require_POST
def campaign_pause(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Stop sending for a while."""
    found = campaign_of(request, campaign_id)
    require_role(staff_of(request), found.insurer_id, Role.PREPARER, Role.APPROVER)
    try:
        pause_campaign(
            campaign_id=found.pk, person_id=staff_of(request).user_id, now=timezone.now()
        )
    except CampaignRefused as refusal:
        refuse(request, found, "campaign.paused", refusal)
    else:
        messages.success(request, _("En pause : plus rien ne part avant la reprise."))
    return redirect("campaign", found.pk)


@require_POST
def campaign_unpause(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Go on after a pause, exactly where it stopped."""
    found = campaign_of(request, campaign_id)
    require_role(staff_of(request), found.insurer_id, Role.PREPARER, Role.APPROVER)
    try:
        resume_paused(campaign_id=found.pk, person_id=staff_of(request).user_id, now=timezone.now())
    except CampaignRefused as refusal:
        refuse(request, found, "campaign.resumed", refusal)
    else:
        enqueue(resume_campaigns)
    return redirect("campaign", found.pk)


@require_safe
def campaign_cancel_ask(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Say what cancelling means before it is done."""
    found = campaign_of(request, campaign_id)
    require_role(staff_of(request), found.insurer_id, Role.APPROVER)
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
    found = campaign_of(request, campaign_id)
    require_role(staff_of(request), found.insurer_id, Role.APPROVER)
    try:
        cancel_campaign(
            campaign_id=found.pk, approver_id=staff_of(request).user_id, now=timezone.now()
        )
    except CampaignRefused as refusal:
        refuse(request, found, "campaign.cancelled", refusal)
    else:
        enqueue(cancel, campaign_id=found.pk)
        messages.success(request, _("Annulée : plus rien ne part."))
    return redirect("campaign", found.pk)


def refuse(request: HttpRequest, found: Campaign, action: str, refusal: CampaignRefused) -> None:
    """Say why a step was refused, and keep the refusal in the trail."""
    messages.error(request, str(refusal.message))
    record(
        action=action,
        scope=insurer_scope(found.insurer_id),
        actor=account(staff_of(request).user_id),
        subject=f"campaign:{found.pk}",
        outcome=Outcome.REFUSED,
    )


def campaign_of(request: HttpRequest, campaign_id: int) -> Campaign:
    mine = readable(staff_of(request), Campaign.objects.all())
    related = ("insurer", "breach", "affected_list", "notice_version__notice")
    return get_object_or_404(mine.select_related(*related), pk=campaign_id)


def _letters(request: HttpRequest, found: Campaign) -> dict[str, object]:
    """Return what the part about letters shows; empty where the plan has none."""
    if Channel.LETTER not in found.plan["channels"] or found.approved_at is None:
        return {}
    exports = list(found.letter_exports.defer("content"))
    last = LetterExport.objects.filter(insurer=found.insurer_id).defer("content").first()
    is_sending = found.state == CampaignState.SENDING
    return {
        "has_letters": True,
        "letters_pending": pending_letters(found),
        "letter_exports": exports,
        "letters_form": LettersForm(initial={"recipient": last.recipient if last else ""}),
        "may_ask_letters": is_sending and all(export.made_at for export in exports),
        "may_take_letters": staff_of(request).has_role(
            found.insurer_id, Role.PREPARER, Role.APPROVER
        ),
    }


def _course(found: Campaign) -> dict[str, object]:
    points = course_of(campaign=found, figures=campaign_figures(found), now=timezone.now())
    return {"campaign": found, "points": points, "is_live": found.state in LIVE}


def _progress(found: Campaign) -> dict[str, object]:
    figures = campaign_figures(found)
    return {
        "campaign": found,
        "figures": figures,
        "speed": speed_of(campaign=found, figures=figures, now=timezone.now()),
        "failures": failures_with_examples(campaign=found),
        "is_live": found.state in LIVE,
        "halt_told": get_user_model().objects.filter(pk__in=found.halt_told).order_by("name"),
    }
