"""What every step of a campaign shares: its states, its lock, its trail, what refuses it."""

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.trail import account, insurer_scope, record
from notifications.campaigns.refusals import StepRefused
from notifications.models import Campaign, CampaignState
from notifications.sender_domains.standing import Standing, sender_standing

OVER = (CampaignState.RETURNED,)  # its list can be submitted again
# As OVER, by a complement or correction only where it is finished. (Never once it is cancelled.)
RESUBMITTABLE = (*OVER, CampaignState.FINISHED)
ENDED = (*RESUBMITTABLE, CampaignState.CANCELLED)
# Whose messages are not made yet.
RETURNABLE = (CampaignState.SUBMITTED, CampaignState.APPROVED)
# A campaign whose outbox is made and that may still send.
STOPPABLE = (CampaignState.SENDING, CampaignState.PAUSED, CampaignState.HALTED)


class CampaignRefused(StepRefused):
    """The rule that forbids a step, for people."""


def locked_campaign(campaign_id: int, *states: CampaignState, otherwise: Promise) -> Campaign:
    """Lock a campaign that must be in one of the states; raise CampaignRefused(`otherwise`)."""
    (campaign,) = lock_campaigns(Campaign.objects.filter(pk=campaign_id))
    if campaign.state not in states:
        raise CampaignRefused(otherwise)
    return campaign


def lock_campaigns(campaigns: QuerySet[Campaign]) -> list[Campaign]:
    """Lock campaigns; raise CampaignRefused where a worker makes an outbox, for a minute maybe."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
    related = campaigns.select_related("affected_list", "notice_version__notice")
    try:
        with transaction.atomic():
            return list(related.select_for_update(of=("self",)))
    except OperationalError as error:
        raise CampaignRefused(
            _("L’envoi est en préparation : recommencez dans une minute.")
        ) from error


def judge_sender(campaign: Campaign, override: str) -> Standing:
    """Note on the campaign what is known of its sender's domain, and why it is used all the same.

    Raises CampaignRefused for a domain that fails without a reason.
    """
    sender = sender_standing(campaign.insurer_id)
    if sender.fails and not override.strip():
        raise CampaignRefused(
            _(
                "Le domaine d’envoi %(domain)s n’est pas conforme : corrigez-le, ou cochez que vous"
                " envoyez quand même et écrivez pourquoi."
            )
            % {"domain": sender.domain}
        )
    campaign.sender_standing = sender.as_json()
    campaign.sender_override = override.strip() if sender.fails else ""
    return sender


def record_step(campaign: Campaign, action: str, actor_id: int, **more: str | bool) -> None:
    """Keep in the trail who took a step, and with what."""
    record(
        action=action,
        scope=insurer_scope(campaign.insurer_id),
        actor=account(actor_id),
        subject=f"campaign:{campaign.pk}",
        detail={
            "sha256": bytes(campaign.sha256).hex(),
            "list": campaign.affected_list_id,
            "kind": str(campaign.kind),
            **more,
        },
    )
