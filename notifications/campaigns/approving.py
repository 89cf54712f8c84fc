"""Approve what was submitted, return it, or take it back since its notice changed."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from insurers.models import AffectedList, ListState
from notifications.campaigns.mail import tell_preparers
from notifications.campaigns.steps import (
    RETURNABLE,
    CampaignRefused,
    judge_sender,
    lock_campaigns,
    locked_campaign,
    record_step,
)
from notifications.campaigns.submitting import check_is_latest, checklist_of, content_hash
from notifications.models import Approval, Campaign, CampaignState, NoticeVersion
from notifications.notices.checklist import points_of

_NOT_SUBMITTED = _("Cette campagne n’attend plus d’approbation.")


def barred_from_approving(campaign: Campaign) -> set[int]:
    """Return who uploaded the list, edited the notice or submitted the campaign."""
    editors = campaign.notice_version.notice.versions.values_list("edited_by_id", flat=True)
    return barred_by_list(campaign.affected_list) | {campaign.submitted_by_id, *editors}


def barred_by_list(affected_list: AffectedList) -> set[int]:
    """Return who uploaded a list or decided on it.

    A program uploads for the person who made its token.
    """
    program = affected_list.uploaded_with
    barred = {
        affected_list.uploaded_by_id,
        program.created_by_id if program else None,
        affected_list.decided_by_id,
    }
    return {person for person in barred if person is not None}


@transaction.atomic
def approve_campaign(
    *,
    campaign_id: int,
    approver_id: int,
    checked_points: Collection[str],
    shared_addresses_confirmed: bool,
    now: datetime,
    sender_override: str = "",
) -> Campaign:
    """Let the worker build the outbox and start. Raises CampaignRefused.

    `checked_points` are the codes of the points that the approver vouches for: all, or none is.
    `sender_override` is why the approver sends from a domain whose DNS fails; what was known of
    the domain stays with the campaign (docs/decisions/0021).
    """
    check_is_latest(NoticeVersion.objects.get(campaigns=campaign_id))
    campaign = locked_campaign(campaign_id, CampaignState.SUBMITTED, otherwise=_NOT_SUBMITTED)
    if approver_id in barred_from_approving(campaign):
        raise CampaignRefused(
            _(
                "La personne qui approuve n’est jamais celle qui a envoyé la liste, modifié l’avis"
                " ou soumis la campagne. Demandez à un autre approbateur."
            )
        )
    points = [point.code for point in points_of(campaign.plan["channels"])]
    if not set(points) <= set(checked_points):
        raise CampaignRefused(_("Vérifiez et cochez chaque point de la liste de contrôle."))
    if problems := checklist_of(campaign.notice_version):
        raise CampaignRefused(
            _("L’annuaire a changé depuis, et l’avis ne respecte plus l’article 34 : renvoyez-le."),
            problems,
        )
    expected = content_hash(
        version=campaign.notice_version,
        affected_list=campaign.affected_list,
        plan=campaign.plan,
        kind=campaign.kind,
        kind_reason=campaign.kind_reason,
    )
    if bytes(campaign.sha256) != expected:
        raise CampaignRefused(_("Ce qui a été soumis a changé : soumettez à nouveau."))
    sender = judge_sender(campaign, sender_override)
    # A list that replaces this one from now on leaves it its people.
    in_use = AffectedList.objects.filter(pk=campaign.affected_list_id, state=ListState.ACCEPTED)
    if not in_use.update(is_in_use=True):
        raise CampaignRefused(_("La liste a été retirée : renvoyez la campagne."))
    campaign.state = CampaignState.APPROVED
    campaign.approved_by_id = approver_id
    campaign.approved_at = now
    campaign.shared_addresses_confirmed = shared_addresses_confirmed
    campaign.save(
        update_fields=[
            "state",
            "approved_by",
            "approved_at",
            "shared_addresses_confirmed",
            "sender_standing",
            "sender_override",
        ]
    )
    Approval.objects.create(
        campaign=campaign,
        version=campaign.notice_version,
        approved_by_id=approver_id,
        approved_at=now,
        checked_points=points,
    )
    record_step(
        campaign,
        "campaign.approved",
        approver_id,
        sender=sender.outcome.value,
        sender_overridden=sender.fails,
    )
    return campaign


@transaction.atomic
def return_campaign(*, campaign_id: int, approver_id: int, comment: str, now: datetime) -> Campaign:
    """Send a campaign back with a comment; its list can be submitted again.

    Also an approved one, as long as the worker has not made its messages.
    """
    campaign = locked_campaign(campaign_id, *RETURNABLE, otherwise=_NOT_SUBMITTED)
    if not comment.strip():
        raise CampaignRefused(_("Dites ce qui est à corriger."))
    _give_back(campaign, comment.strip())
    record_step(campaign, "campaign.returned", approver_id)
    tell_preparers(campaign=campaign, prepared_by=barred_from_approving(campaign) - {approver_id})
    return campaign


def take_back(*, notice_id: int, comment: str) -> list[Campaign]:
    """Return to their preparers the campaigns that wait with the latest version of a notice.

    The caller holds the notice's versions, and records what it did with `record_return`. One whose
    messages are made keeps the version that was approved. Raises CampaignRefused where a worker is
    making them.
    """
    waiting = Campaign.objects.filter(notice_version__notice=notice_id, state__in=RETURNABLE)
    campaigns = lock_campaigns(waiting)
    for campaign in campaigns:
        _give_back(campaign, comment)
    return campaigns


def record_return(campaign: Campaign, *, person_id: int) -> None:
    """Keep in the trail that a change took a campaign back; mail who made it, and who approved."""
    record_step(campaign, "campaign.returned", person_id)
    approved_by = campaign.approvals.values_list("approved_by", flat=True)
    concerned = barred_from_approving(campaign) | set(approved_by)
    tell_preparers(campaign=campaign, prepared_by=concerned - {person_id})


def _give_back(campaign: Campaign, comment: str) -> None:
    """Make a campaign a draft again; nobody has approved it any more."""
    was_approved = campaign.state == CampaignState.APPROVED
    campaign.state = CampaignState.RETURNED
    campaign.return_comment = comment
    campaign.approved_by, campaign.approved_at = None, None
    campaign.sender_standing, campaign.sender_override = None, ""
    campaign.save(
        update_fields=[
            "state",
            "return_comment",
            "approved_by",
            "approved_at",
            "sender_standing",
            "sender_override",
        ]
    )
    if was_approved:
        others = Campaign.objects.filter(affected_list=campaign.affected_list_id).exclude(
            state__in=(CampaignState.SUBMITTED, CampaignState.RETURNED)
        )
        AffectedList.objects.filter(pk=campaign.affected_list_id).update(is_in_use=others.exists())
