"""Crowded addresses: more than eight members of a list on one address wait for an approver's word.

Such an address is a placeholder ("inconnu@…") or a real one (a home, a guardian). Until an
approver of the campaign says that it is real nothing goes there, and who has no other channel is
counted as unreachable.
"""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from audit.trail import account, insurer_scope, record
from insurers.lists.locks import take_turn
from insurers.lists.wrapping import fingerprints_agree
from notifications.campaigns.approving import barred_from_approving
from notifications.campaigns.steps import CampaignRefused
from notifications.models import (
    Campaign,
    CampaignKind,
    CampaignState,
    CrowdedAddress,
    CrowdedChoice,
)
from notifications.outbox.building import NOW_TOLD_HERE
from notifications.outbox.planning import run, values_of
from notifications.outbox.released import tell_released
from notifications.outbox.settling import settle
from notifications.register.figures import BUILT

# Who waits behind the addresses that were confirmed.
WAITING = """
CREATE TEMPORARY TABLE released ON COMMIT DROP AS
SELECT DISTINCT %(campaign)s::bigint AS campaign_id, m.ordinal
FROM notifications_crowdedaddress c
JOIN affected_member m ON m.list_id = %(list)s
    AND c.address_fingerprint IN (m.email_fingerprint, m.phone_fingerprint)
LEFT JOIN listing_mark k ON k.list_id = m.list_id AND k.ordinal = m.ordinal
WHERE c.id = ANY (%(addresses)s) AND coalesce(k.ended, '') = '' AND NOT EXISTS (
    SELECT FROM notifications_covered l
    JOIN notifications_notification n ON n.id = l.notification_id
    WHERE l.list_id = m.list_id AND l.ordinal = m.ordinal AND n.campaign_id = %(campaign)s
)
"""
CLAIMED = """
CREATE TEMPORARY TABLE planned ON COMMIT DROP AS
SELECT m.ordinal, m.fingerprint FROM released
JOIN affected_member m ON m.list_id = %(list)s AND m.ordinal = released.ordinal;
CREATE TEMPORARY TABLE claimed ON COMMIT DROP AS
SELECT DISTINCT t.ordinal FROM notifications_told t JOIN released USING (ordinal)
WHERE t.campaign_id = %(campaign)s AND t.list_id = %(list)s;
"""
STOOD = {"stood": "unreachable", "stood_reason": "shared_address"}


def waiting_choices(campaign: Campaign) -> QuerySet[CrowdedChoice]:
    """Return the addresses that wait for a word, those of most people first."""
    return CrowdedChoice.objects.filter(campaign=campaign, confirmed_at=None).order_by(
        "-people", "pk"
    )


@transaction.atomic
def confirm_addresses(
    *, campaign_id: int, choices: Collection[int], approver_id: int, now: datetime
) -> int:
    """Say that these addresses are real; return how many. Raises CampaignRefused."""
    campaign = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign_id)
    if campaign.state == CampaignState.CANCELLED:
        raise CampaignRefused(_("Cette campagne est annulée : plus rien ne part."))
    if approver_id in barred_from_approving(campaign):
        raise CampaignRefused(
            _(
                "La personne qui confirme n’est jamais celle qui a envoyé la liste, modifié l’avis"
                " ou soumis la campagne. Demandez à un autre approbateur."
            )
        )
    chosen = waiting_choices(campaign).filter(pk__in=choices)
    people = chosen.aggregate(total=Sum("people"))["total"] or 0
    confirmed = chosen.order_by().update(confirmed_by_id=approver_id, confirmed_at=now)
    if not confirmed:
        raise CampaignRefused(_("Cochez les adresses qui sont vraies."))
    record(
        action="campaign.addresses_confirmed",
        scope=insurer_scope(campaign.insurer_id),
        actor=account(approver_id),
        subject=f"campaign:{campaign_id}",
        detail={"addresses": confirmed, "people": people},
    )
    return confirmed


def confirmed_and_waiting() -> list[int]:
    """Return the campaigns that have confirmed addresses to write to (worker)."""
    waiting = CrowdedChoice.objects.filter(confirmed_at__isnull=False, is_applied=False)
    return list(waiting.values_list("campaign", flat=True).distinct())


@transaction.atomic
def tell_confirmed(*, campaign_id: int, now: datetime) -> None:
    """Make the messages of the addresses that were confirmed (worker)."""
    insurer_id = Campaign.objects.values_list("insurer_id", flat=True).get(pk=campaign_id)
    if not take_turn(insurer_id, wait=False):
        return  # The sweep tries again; a worker that waited would send nothing.
    # Its key does not change: others go on leasing its messages.
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign_id)
    if not fingerprints_agree(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id):
        return  # The key is being rotated: the sweep tries again.
    choices = CrowdedChoice.objects.filter(
        campaign=campaign, confirmed_at__isnull=False, is_applied=False
    )
    addresses = list(choices.values_list("pk", flat=True))
    choices.update(is_applied=True)
    if not addresses or campaign.state not in BUILT or campaign.kind != CampaignKind.NOTICE:
        return
    values = values_of(campaign, now) | {"addresses": addresses}
    run((WAITING,), values)
    CrowdedAddress.objects.filter(pk__in=addresses).delete()
    tell_released(campaign=campaign, now=now, stood=STOOD)
    run((CLAIMED, NOW_TOLD_HERE, "DROP TABLE planned, claimed, released"), values)
    settle(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id, now=now)
