"""Celery tasks: each takes ids, calls the domain, and can run twice harmlessly.

Redis may forget any of them: `resume_campaigns` finds in PostgreSQL what remains to be done.
"""

from celery import shared_task
from django.utils import timezone

from insurers.models import AffectedList
from insurers.queueing import enqueue
from notifications.dispatch import dispatch_campaign
from notifications.leases import recover_batches
from notifications.models import Campaign, CampaignState, DispatchBatch
from notifications.outbox import build_outbox, count_reach
from notifications.outcomes import finish_if_done
from notifications.settling import settle_stale

SLICE_SECONDS = 20.0
PARALLEL = 2  # dispatch tasks queued at once for a campaign


@shared_task
def start_campaign(*, campaign_id: int) -> None:
    """Build the outbox of an approved campaign, then send."""
    if build_outbox(campaign_id=campaign_id, now=timezone.now()):
        for _ in range(PARALLEL):
            enqueue(dispatch, campaign_id=campaign_id)


@shared_task
def dispatch(*, campaign_id: int) -> None:
    """Send for a while, then queue again, so that campaigns share the workers."""
    if dispatch_campaign(campaign_id=campaign_id, seconds=SLICE_SECONDS):
        enqueue(dispatch, campaign_id=campaign_id)


@shared_task
def reach(*, list_id: int) -> None:
    """Count how a newly accepted list can be reached."""
    # Of a list that is withdrawn or purged meanwhile nothing is to be reached.
    found = AffectedList.objects.open_to_campaigns().filter(pk=list_id).first()
    if found is not None:
        count_reach(affected_list=found)


@shared_task(expires=30)
def resume_campaigns() -> None:
    """Recover what dead workers left, and re-issue what Redis forgot."""
    recover_batches(now=timezone.now())
    settle_stale(now=timezone.now())
    uncounted = AffectedList.objects.open_to_campaigns().filter(reach=None)
    for list_id in uncounted.values_list("pk", flat=True):
        enqueue(reach, list_id=list_id)
    for campaign in Campaign.objects.filter(state=CampaignState.APPROVED):
        enqueue(start_campaign, campaign_id=campaign.pk)
    for campaign in Campaign.objects.filter(state=CampaignState.SENDING):
        if finish_if_done(campaign_id=campaign.pk, now=timezone.now()):
            continue
        if not DispatchBatch.objects.filter(campaign=campaign, closed_at=None).exists():
            enqueue(dispatch, campaign_id=campaign.pk)
