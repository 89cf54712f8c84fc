"""Stop the campaigns of a sender whose domain turns out to fail after they were approved.

A campaign may wait for days for its start, its insurer's sender be replaced meanwhile, or the DNS
have been silent when it was approved. Only an approver lets it go on, as for every halt.
"""

from datetime import datetime

from notifications.campaigns.halting import halt_campaign
from notifications.models import Campaign, CampaignState, IdentityState, SendingIdentity

REASON = "sender_fails"


def hold_back(*, identity: SendingIdentity | None, now: datetime) -> None:
    """Halt what is being sent as this sender (None: the portal's own) without an approver's word.

    Each in a transaction of its own (worker only).
    """
    campaigns = Campaign.objects.filter(state=CampaignState.SENDING, sender_override="")
    in_service = SendingIdentity.objects.filter(state=IdentityState.APPROVED)
    if identity is None:
        campaigns = campaigns.exclude(insurer__in=in_service.values("insurer"))
    else:
        campaigns = campaigns.filter(
            insurer__in=in_service.filter(pk=identity.pk).values("insurer")
        )
    for campaign_id in campaigns.values_list("pk", flat=True):
        halt_campaign(campaign_id=campaign_id, reason=REASON, now=now)
