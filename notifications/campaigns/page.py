"""What a campaign's page shows: what is or was approved, how far it is, what may be done."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from insurers.models import Role
from insurers.permissions import staff_of
from notifications.campaigns.approving import barred_from_approving
from notifications.campaigns.course import course_of, failures_with_examples, speed_of
from notifications.campaigns.forms import ApprovalForm, ReturnForm
from notifications.campaigns.halt_words import halted_because, told_of_halt
from notifications.campaigns.sms_cost import sms_cost
from notifications.campaigns.steps import RETURNABLE, STOPPABLE
from notifications.letters.progress import letters_shown
from notifications.models import Campaign, CampaignState, ListReach
from notifications.notices.content import NoticeContent
from notifications.notices.previews import BY_CODE, preview
from notifications.notices.shown_changes import approved_before, named_changes
from notifications.outbox.crowded import waiting_choices
from notifications.register.figures import campaign_figures
from notifications.sender_domains.forms import SenderOverrideForm
from notifications.sender_domains.standing import Standing, sender_standing
from notifications.sending.doubts import DoubtPolicy

LIVE = (CampaignState.APPROVED, CampaignState.SENDING)


def campaign_page(
    request: HttpRequest, found: Campaign, *, approval_form: ApprovalForm | None = None
) -> HttpResponse:
    """Render a campaign's page, with an approval that lacks something as it was sent."""
    content = NoticeContent.from_json(found.notice_version.content)
    reach = ListReach.objects.filter(affected_list=found.affected_list_id).first()
    may_approve = (
        Role.APPROVER in staff_of(request).roles.get(found.insurer_id, ())
        and found.state == CampaignState.SUBMITTED
    )
    return render(
        request,
        "notifications/campaign.html",
        {
            **progress_of(found),
            **course_shown(found),
            "sha256": bytes(found.sha256).hex(),
            "previews": [preview(content), preview(content, BY_CODE["english"])]
            if content.has_english
            else [preview(content)],
            "reach": reach,
            "sms": sms_cost(
                content,
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
            "may_correct": found.state == CampaignState.RETURNED
            and staff_of(request).has_role(found.insurer_id, Role.PREPARER, Role.APPROVER),
            "may_return": found.state in RETURNABLE
            and Role.APPROVER in staff_of(request).roles.get(found.insurer_id, ()),
            "approval_form": approval_form or ApprovalForm(channels=found.plan["channels"]),
            "return_form": ReturnForm(),
            **_changes(found),
            **_sender(found),
            **letters_shown(found, staff=staff_of(request)),
        },
        status=200 if approval_form is None else 422,
    )


def course_shown(found: Campaign) -> dict[str, object]:
    """Return what the chart over time and its table show."""
    points = course_of(campaign=found, figures=campaign_figures(found), now=timezone.now())
    return {"campaign": found, "points": points, "is_live": found.state in LIVE}


def progress_of(found: Campaign) -> dict[str, object]:
    """Return how far a campaign is, from tallies only."""
    figures = campaign_figures(found)
    return {
        "campaign": found,
        "figures": figures,
        "speed": speed_of(campaign=found, figures=figures, now=timezone.now()),
        "failures": failures_with_examples(campaign=found),
        "is_live": found.state in LIVE,
        "halted_because": halted_because(found),
        "halt_told": told_of_halt(found),
    }


def _changes(found: Campaign) -> dict[str, object]:
    """Return what changed since the version approved before, while somebody is to approve."""
    if found.state != CampaignState.SUBMITTED:
        return {}
    before = approved_before(found)
    changes = named_changes(before, found.notice_version) if before else []
    return {"approved_version": before, "changes": changes}


def _sender(found: Campaign) -> dict[str, object]:
    """Return what is known of the domain that sends: now, where it is to be judged; else then."""
    to_judge = found.state in (CampaignState.SUBMITTED, CampaignState.HALTED)
    if to_judge and not found.sender_override:
        sender = sender_standing(found.insurer_id)
        return {"sender": sender, "override_form": SenderOverrideForm() if sender.fails else None}
    return {"sender": Standing.from_json(found.sender_standing) if found.sender_standing else None}
