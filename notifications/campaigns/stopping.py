"""Pause a campaign under way, let it go on, cancel it."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from notifications.campaigns.steps import STOPPABLE, judge_sender, locked_campaign, record_step
from notifications.models import Campaign, CampaignState
from notifications.register.figures import failed_share


@transaction.atomic
def pause_campaign(*, campaign_id: int, person_id: int, now: datetime) -> Campaign:
    """Stop sending after the message in hand; everything stays where it is."""
    campaign = locked_campaign(
        campaign_id,
        CampaignState.SENDING,
        otherwise=_("Cette campagne n’est pas en cours d’envoi."),
    )
    campaign.state = CampaignState.PAUSED
    campaign.save(update_fields=["state"])
    record_step(campaign, "campaign.paused", person_id)
    return campaign


@transaction.atomic
def resume_paused(*, campaign_id: int, person_id: int, now: datetime) -> Campaign:
    """Let a paused campaign go on exactly where it stopped."""
    campaign = locked_campaign(
        campaign_id, CampaignState.PAUSED, otherwise=_("Cette campagne n’est pas en pause.")
    )
    campaign.state = CampaignState.SENDING
    campaign.save(update_fields=["state"])
    record_step(campaign, "campaign.resumed", person_id)
    return campaign


@transaction.atomic
def cancel_campaign(*, campaign_id: int, approver_id: int, now: datetime) -> Campaign:
    """End a campaign for good: nothing more leaves; who was not told is let go.

    What a worker holds at that moment comes back unsent. The worker cancels the messages
    (`cancelling.py`). Who was told stays told.
    """
    campaign = locked_campaign(
        campaign_id,
        *STOPPABLE,
        otherwise=_("Cette campagne n’envoie rien que l’on puisse annuler."),
    )
    campaign.state = CampaignState.CANCELLED
    campaign.finished_at = now
    campaign.save(update_fields=["state", "finished_at"])
    record_step(campaign, "campaign.cancelled", approver_id)
    return campaign


@transaction.atomic
def resume_campaign(
    *, campaign_id: int, approver_id: int, now: datetime, sender_override: str = ""
) -> Campaign:
    """Let a halted campaign go on where it stopped.

    Whoever resumes has judged the failures so far: it halts again at twice their share. A domain
    that fails takes a reason here as for the approval, unless one was given then.
    """
    campaign = locked_campaign(
        campaign_id, CampaignState.HALTED, otherwise=_("Cette campagne n’est pas arrêtée.")
    )
    campaign.tolerated_failures = max(campaign.tolerated_failures, 2 * failed_share(campaign.pk))
    campaign.state = CampaignState.SENDING
    campaign.halt_reason = ""
    campaign.halt_told = []
    changed = ["state", "halt_reason", "halt_told", "tolerated_failures"]
    if not campaign.sender_override:
        judge_sender(campaign, sender_override)
        changed += ["sender_standing", "sender_override"]
    campaign.save(update_fields=changed)
    record_step(
        campaign,
        "campaign.resumed",
        approver_id,
        sender_overridden=bool(campaign.sender_override),
    )
    return campaign
