"""All that the fault tests know of how sending works inside: tables, statements, tasks, delays."""

from collections import Counter
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Sum
from django.utils import timezone

from notifications.channels.email import NO_ANSWER
from notifications.models import (
    Acceptance,
    Campaign,
    CampaignState,
    DeliveryEvent,
    DispatchBatch,
    Notification,
    SenderPace,
    State,
    Tally,
)
from notifications.references import message_id
from notifications.register.figures import campaign_figures
from notifications.sending.leases import LOCK_SPACE
from notifications.sending.tickets import issue_tickets
from notifications.states import FAILURES, IN_PROGRESS
from tests.faults.sending.size import IS_SMALL

SWEEP = "notifications.tasks.resume_campaigns"
START = "notifications.tasks.start_campaign"
DISPATCH = "notifications.tasks.dispatch"
QUEUES = ("default", "dispatch", "ingest")  # of these three
PATIENCE = 4.0 if IS_SMALL else 30.0  # seconds that a worker waits for a server's answer
ENDED = (CampaignState.FINISHED, CampaignState.CANCELLED)

# Where a worker can be kept, and killed, with nothing of that phase committed: the claims of an
# outbox stand in an open transaction; messages are marked as leased; what servers took is written
# down; events are made of it; a batch is closed; what a dead worker left is marked. (`sending` is
# the mail server's to keep.)
GATED = ("building", "leasing", "recording", "counting", "closing", "recovering")
GATES = """
CREATE TRIGGER gate_building AFTER INSERT ON public.notifications_told
    FOR EACH STATEMENT EXECUTE FUNCTION public.gate(0);
CREATE TRIGGER gate_leasing AFTER INSERT ON public.notifications_deliveryevent
    FOR EACH ROW WHEN (NEW.state = 'sending') EXECUTE FUNCTION public.gate(1);
CREATE TRIGGER gate_recording AFTER INSERT ON public.notifications_acceptance
    FOR EACH STATEMENT EXECUTE FUNCTION public.gate(2);
CREATE TRIGGER gate_counting AFTER INSERT ON public.notifications_deliveryevent
    FOR EACH ROW WHEN (NEW.state = 'accepted') EXECUTE FUNCTION public.gate(3);
CREATE TRIGGER gate_closing AFTER UPDATE OF closed_at ON public.notifications_dispatchbatch
    FOR EACH ROW WHEN (NOT NEW.was_recovered) EXECUTE FUNCTION public.gate(4);
CREATE TRIGGER gate_recovering AFTER UPDATE OF was_recovered ON public.notifications_dispatchbatch
    FOR EACH ROW EXECUTE FUNCTION public.gate(5);
"""
# What a statement that a worker's connection runs, or ran last, says of its phase. The first that
# fits counts; whoever has recorded a message sends the next one.
STATEMENTS = (
    ("recording", "active", "INSERT INTO notifications_acceptance"),
    ("sending", "idle", "INSERT INTO notifications_acceptance"),
    ("counting", "active", "DELETE FROM notifications_acceptance"),
    ("sending", "idle", "JOIN affected_member"),
    ("sending", "idle", 'UPDATE "notifications_campaign"'),
    ("leasing", "", "JOIN affected_member"),
    ("leasing", "", "WITH picked AS"),
    ("leasing", "", 'INSERT INTO "notifications_dispatchbatch"'),
    ("closing", "", 'UPDATE "notifications_dispatchbatch"'),
    ("closing", "", "reference_fingerprint = coalesce"),
    ("closing", "", "pg_advisory_unlock"),
)

# Which batches the connections of a worker hold.
LEASES = f"""
SELECT objid FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = {LOCK_SPACE} AND application_name = %s
"""


def phase_of(statement: str, state: str) -> str:
    """Return the phase of a connection by its statement and PostgreSQL's word on it."""
    for phase, when, part in STATEMENTS:
        if part in statement and state.startswith(when):
            return phase
    return "between"


@dataclass(frozen=True)
class Message:
    """A message as PostgreSQL has it."""

    message_id: str
    state: State
    is_resent: bool


def messages_of(campaign: Campaign) -> list[Message]:
    """Return a campaign's messages, each with the name that the mail server knows."""
    rows = Notification.objects.filter(campaign=campaign).values_list("pk", "state", "resent_at")
    return [Message(message_id(pk), State(state), at is not None) for pk, state, at in rows]


def has_ended(campaign: Campaign) -> bool:
    """Whether a campaign has ended and nothing of it waits."""
    is_over = Campaign.objects.filter(pk=campaign.pk, state__in=ENDED).exists()
    return is_over and not _in(campaign, *IN_PROGRESS)


def being_sent(campaign: Campaign) -> int:
    """Return how many messages workers have in hand."""
    return _in(campaign, State.SENDING)


def accepted(campaign: Campaign) -> int:
    """Return how many messages are held as taken by a server."""
    return _in(campaign, State.ACCEPTED)


def are_ended(batches: frozenset[int]) -> bool:
    """Whether nobody holds, or has yet to recover, any of these batches."""
    return not DispatchBatch.objects.filter(pk__in=batches, closed_at=None).exists()


def in_doubt(batch: int) -> int:
    """Return how many messages of a batch are marked as in doubt."""
    return Notification.objects.filter(batch_id=batch, state=State.UNCERTAIN).count()


def uncertain(campaign: Campaign) -> int:
    """Return how many messages are marked as in doubt."""
    return _in(campaign, State.UNCERTAIN)


def unanswered(campaign: Campaign) -> set[str]:
    """Return the messages that are in doubt because their server gave no answer."""
    found = Notification.objects.filter(campaign=campaign, state=State.UNCERTAIN, reason=NO_ANSWER)
    return {message_id(pk) for pk in found.values_list("pk", flat=True)}


def bring_forward(campaign: Campaign) -> None:
    """Let the time pass that retries and doubts wait for, once nothing else is left to do."""
    if _in(campaign, State.PENDING, State.SENDING):
        return
    now = timezone.now()
    waiting = Notification.objects.filter(campaign=campaign, due_at__gt=now)
    waiting.filter(state__in=(State.DEFERRED, State.UNCERTAIN)).update(due_at=now)


def end_rests() -> None:
    """Let the time pass for which a server that was away is left alone.

    Not of a sender that a worker holds: it may stand before a closed gate.
    """
    with transaction.atomic():
        free = SenderPace.objects.select_for_update(skip_locked=True).values_list("pk", flat=True)
        SenderPace.objects.filter(pk__in=list(free)).update(rests_until_at=None)


def tickets() -> list[tuple[int, int]]:
    """Return what a valid task of sending names: slot and ticket, for each free slot."""
    return issue_tickets()


def latest_event(campaign: Campaign) -> float:
    """Return the latest moment that a worker wrote, by its own clock."""
    latest = DeliveryEvent.objects.filter(campaign=campaign).aggregate(at=Max("at"))["at"]
    return latest.timestamp() if latest else 0.0


def check_books(campaign: Campaign) -> None:
    """Assert that tallies, events and messages tell the same story, and that leases are ended."""
    counted: Counter[str] = Counter()
    for state, before, messages in DeliveryEvent.objects.filter(campaign=campaign).values_list(
        "state", "previous_state", "messages"
    ):
        counted[state] += messages
        counted[before] -= messages
    del counted[""]
    tallies = Tally.objects.filter(campaign=campaign).values_list("state")
    told = Counter(dict(tallies.annotate(Sum("messages"))))
    standing = Counter(
        Notification.objects.filter(campaign=campaign).values_list("state", flat=True)
    )
    assert +told == +counted == standing, (told, counted, standing)
    figures = campaign_figures(campaign)
    assert figures.adds_up, figures
    assert sum(figures.people.values()) == campaign.affected_list.members
    assert not DispatchBatch.objects.filter(campaign=campaign, closed_at=None).exists()
    assert not Acceptance.objects.exists()


def is_failure(state: State) -> bool:
    return state in FAILURES


def _in(campaign: Campaign, *states: State) -> int:
    return Notification.objects.filter(campaign=campaign, state__in=states).count()
