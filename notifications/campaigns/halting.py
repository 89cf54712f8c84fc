"""Stop a campaign by itself: too many failures, or a provider that refuses everything.

The reason is kept on the campaign and in the trail, with who was told; only an approver resumes.
"""

from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from django.db import transaction
from django.db.models import Sum

from audit.trail import insurer_scope, record
from notifications.campaigns.mail import tell_of_halt
from notifications.channels import window_of
from notifications.deadlocks import done_again_after_deadlock
from notifications.models import (
    Acceptance,
    Campaign,
    CampaignState,
    Channel,
    DispatchBatch,
    State,
    Tally,
)
from notifications.register.figures import ended_and_failed
from notifications.sending.suppression import lift_suppressions
from notifications.states import FAILURES

NO_ANSWER = "-no-answer"  # how every channel's reason ends
UNANSWERED = 3
WATCHED = 100  # messages after which the share of failures counts
REFUSED_IN_A_ROW = 20


@dataclass
class RefusalsInARow:
    """Messages that a provider refused one after another, by campaign, for a whole process.

    Kept over its connections and from one turn to the next: where messages leave slowly, no single
    turn of a connection has as many. By channel: another one's provider may take everything.
    """

    _times: dict[tuple[int, Channel], list[datetime]] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    def too_many_since(
        self, *, campaign_id: int, channel: Channel, is_refused: bool, now: datetime
    ) -> datetime | None:
        """Count an outcome; return, once, since when the provider seems to refuse everything."""
        sent_by = campaign_id, channel
        if not is_refused and sent_by not in self._times:
            return None  # As nearly always, and without waiting for another connection.
        with self._turn:
            if not is_refused:
                self._times.pop(sent_by, None)
                return None
            times = self._times.setdefault(sent_by, [])
            times.append(now)
            if len(times) < REFUSED_IN_A_ROW:
                return None
            del self._times[sent_by]
            return times[0]


refusals = RefusalsInARow()


def halt_if_failing(*, campaign_id: int, now: datetime) -> bool:
    """Stop a campaign whose failures pass what it tolerates.

    Permanent failures count after the first WATCHED messages; connections that broke before the
    provider's answer after UNANSWERED, since each leaves a message, or a window, in doubt.
    """
    faults = Tally.objects.filter(campaign=campaign_id, state__in=[*FAILURES, State.UNCERTAIN])
    if not faults.exists():
        return False  # As nearly always, and after each batch.
    # Failures count at once, what servers took about once a second: these are not forgotten here.
    taken = _taken_and_not_counted(campaign_id)
    ended, failed = ended_and_failed(campaign_id)
    ended += taken
    in_doubt = faults.filter(state=State.UNCERTAIN, reason__endswith=NO_ANSWER)
    messages = in_doubt.values_list("channel").annotate(Sum("messages"))
    unanswered = sum(-(-total // window_of(channel)) for channel, total in messages)
    tolerated = Campaign.objects.values_list("tolerated_failures", flat=True).get(pk=campaign_id)
    if unanswered >= UNANSWERED and unanswered > tolerated * ended:
        return halt_campaign(
            campaign_id=campaign_id, reason="no_answer", now=now, unanswered=unanswered
        )
    if ended >= WATCHED and failed > tolerated * ended:
        return halt_campaign(
            campaign_id=campaign_id, reason="failures", now=now, ended=ended, failed=failed
        )
    return False


def _taken_and_not_counted(campaign_id: int) -> int:
    batches = DispatchBatch.objects.filter(campaign=campaign_id, closed_at=None)
    return Acceptance.objects.filter(
        batch_id__in=list(batches.values_list("pk", flat=True))
    ).count()


@done_again_after_deadlock
def halt_refused(*, campaign_id: int, channel: Channel, since: datetime, now: datetime) -> None:
    """Stop a campaign whose provider refuses everything on a channel since then.

    That says nothing of the addresses: those it had set aside may be written to again. Their people
    are on their next channel already.
    """
    with transaction.atomic():
        # First: several processes meet the same refusals at once, and lift each other's.
        Campaign.objects.select_for_update(no_key=True).get(pk=campaign_id)
        lifted = lift_suppressions(campaign_id=campaign_id, channel=channel, since=since)
        halt_campaign(
            campaign_id=campaign_id, reason="all_refused", now=now, suppressions_lifted=lifted
        )


def halt_campaign(*, campaign_id: int, reason: str, now: datetime, **counts: int) -> bool:
    """Stop a campaign that is sending, and tell its people; return whether it was sending."""
    with transaction.atomic():
        halted = Campaign.objects.filter(pk=campaign_id, state=CampaignState.SENDING).update(
            state=CampaignState.HALTED, halt_reason=reason
        )
        if halted:
            campaign = Campaign.objects.select_related("insurer").get(pk=campaign_id)
            campaign.halt_told = tell_of_halt(campaign=campaign)
            campaign.save(update_fields=["halt_told"])
            record(
                action="campaign.halted",
                scope=insurer_scope(campaign.insurer_id),
                subject=f"campaign:{campaign_id}",
                detail={"reason": reason, "people_told": len(campaign.halt_told), **counts},
            )
    return bool(halted)
