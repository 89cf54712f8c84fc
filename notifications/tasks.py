"""Celery tasks: each takes ids, calls the domain, and can run twice harmlessly.

Redis may forget any of them: `resume_campaigns` finds in PostgreSQL what remains to be done.
"""

import logging
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import before_task_publish
from django.conf import settings
from django.db import Error, connection, transaction
from django.utils import timezone

from insurers.lists.wrapping import fingerprints_agree
from insurers.models import AffectedList
from insurers.queueing import enqueue
from insurers.tasks import purge
from notifications.alerts.conditions import SLOW
from notifications.alerts.raising import raise_alerts
from notifications.campaigns.cancelling import cancel_messages, cancel_what_waits
from notifications.campaigns.course import take_samples
from notifications.evidence import heads
from notifications.evidence.making import make_pack
from notifications.evidence.packs import erase_old_packs, packs_to_make
from notifications.letters.printing import make_pdf
from notifications.letters.rows import make_rows
from notifications.models import (
    Campaign,
    CampaignState,
    LetterExport,
    LetterKind,
    SendingIdentity,
)
from notifications.notices.trials import send_trial_message
from notifications.outbox.building import build_outbox, count_reach
from notifications.outbox.crowded import confirmed_and_waiting, tell_confirmed
from notifications.outbox.settling import settle_stale
from notifications.receipts.applying import apply_what_waits
from notifications.receipts.mailboxes import (
    MailboxError,
    mailboxes_to_read,
    read_imap,
    read_maildir,
)
from notifications.receipts.reports import apply_sealed_receipts
from notifications.receipts.sms import collect_sms_receipts
from notifications.register.recount import recount
from notifications.register.summing import sum_up
from notifications.replies.answering import forget_old_questions
from notifications.replies.outcomes import mark_in_doubt
from notifications.replies.serving import serve
from notifications.replies.staff_questions import answer_staff_questions, forget_staff_questions
from notifications.retention.closing import close_what_is_due
from notifications.retention.erasing import erase_what_is_due
from notifications.samples.drawing import draw_what_waits
from notifications.sending.batches import Speeds
from notifications.sending.dispatchers import dispatch_by_turns
from notifications.sending.doubts import resolve_doubts
from notifications.sending.fallback import reopen_what_waits
from notifications.sending.leases import recover_batches
from notifications.sending.outcomes import finish_if_done, give_up
from notifications.sending.suppression import purge_suppressions
from notifications.sending.tickets import issue_tickets, next_ticket, slot_held
from notifications.sending.turns import turns_in_order
from notifications.verifying.suspicious import forget_old_reports
from notifications.watching.heartbeats import note_heartbeat

logger = logging.getLogger(__name__)

SLICE_SECONDS = 5.0  # then other tasks have their turn
SWEPT_FOR = 30.0  # seconds that what a sweep queues is worth; the next one queues it again

_speeds = Speeds()  # A worker process sends for the same campaigns slice after slice.


@shared_task
def start_campaign(*, campaign_id: int) -> None:
    """Build the outbox of an approved campaign, then send."""
    if build_outbox(campaign_id=campaign_id, now=timezone.now()):
        wake_dispatchers()


@shared_task
def dispatch(*, slot: int, ticket: int) -> None:
    """Send for a while, then queue again, so that other tasks share the workers."""
    with slot_held(slot=slot, ticket=ticket) as is_ours:
        if not is_ours or not dispatch_by_turns(
            seconds=SLICE_SECONDS, connections=settings.SENDING_CONNECTIONS, speeds=_speeds
        ):
            return
        again = next_ticket(slot=slot)
    enqueue(dispatch, slot=slot, ticket=again)


@shared_task
def cancel(*, campaign_id: int) -> None:
    """Cancel what a cancelled campaign had not sent."""
    cancel_messages(campaign_id=campaign_id, now=timezone.now())


@shared_task
def tell_crowded(*, campaign_id: int) -> None:
    """Write to the crowded addresses that the approver confirmed."""
    tell_confirmed(campaign_id=campaign_id, now=timezone.now())


@shared_task
def reach(*, list_id: int) -> None:
    """Count how a newly accepted list can be reached."""
    # Of a list that is withdrawn or purged meanwhile nothing is to be reached.
    found = AffectedList.objects.open_to_campaigns().filter(pk=list_id, reach=None).first()
    if found is None:
        return
    with transaction.atomic():
        # Else its key is being rotated, and those told would not be known: the sweep asks again.
        if fingerprints_agree(breach_id=found.breach_id, insurer_id=found.insurer_id):
            count_reach(affected_list=found)


@shared_task
def make_letters(*, export_id: int) -> None:
    """Make a file of letters that an insurer asked for; the next one is a task of its own."""
    export = LetterExport.objects.only("kind", "campaign_id").get(pk=export_id)
    if export.kind != LetterKind.PDF:
        make_rows(export_id=export_id, now=timezone.now())
    elif make_pdf(export_id=export_id, now=timezone.now()):
        following = LetterExport.objects.filter(campaign=export.campaign_id, made_at=None)
        for following_id in following.values_list("pk", flat=True):
            enqueue(make_letters, export_id=following_id)


@shared_task(expires=600)
def send_trial(*, trial_id: int) -> None:
    """Send a notice to the person who wants to see it."""
    send_trial_message(trial_id=trial_id, now=timezone.now())


@shared_task(expires=5)
def answer() -> None:
    """Answer staff, then what people asked of the portal, as long as questions keep coming."""
    answer_staff_questions(now=timezone.now())
    mark_in_doubt(now=timezone.now())
    if serve(seconds=SLICE_SECONDS):
        enqueue(answer, expires=60)


@shared_task(expires=3600)
def forget_questions() -> None:
    """Erase what questions and answers leave once it counts no longer."""
    forget_old_questions(now=timezone.now())
    forget_staff_questions(now=timezone.now())


@shared_task(expires=60)
def sms_receipts() -> None:
    """Take the receipts of SMS that wait at the provider."""
    collect_sms_receipts(now=timezone.now())


@shared_task(expires=30)
def resume_campaigns() -> None:
    """Recover what dead workers left, and re-issue what Redis forgot."""
    recover_batches(now=timezone.now())
    apply_what_waits(now=timezone.now())
    resolve_doubts(now=timezone.now())
    give_up(now=timezone.now())
    cancel_what_waits(now=timezone.now())
    settle_stale(now=timezone.now())
    reopen_what_waits()
    for campaign_id in confirmed_and_waiting():
        enqueue(tell_crowded, expires=SWEPT_FOR, campaign_id=campaign_id)
    uncounted = AffectedList.objects.open_to_campaigns().filter(reach=None)
    for list_id in uncounted.values_list("pk", flat=True):
        enqueue(reach, expires=SWEPT_FOR, list_id=list_id)
    for export_id in LetterExport.objects.filter(made_at=None).values_list("pk", flat=True):
        enqueue(make_letters, expires=SWEPT_FOR, export_id=export_id)
    for pack_id in packs_to_make():
        enqueue(make_evidence, expires=SWEPT_FOR, pack_id=str(pack_id))
    erase_old_packs(now=timezone.now())
    for campaign in Campaign.objects.filter(state=CampaignState.APPROVED):
        enqueue(start_campaign, expires=SWEPT_FOR, campaign_id=campaign.pk)
    for campaign in Campaign.objects.filter(state=CampaignState.SENDING):
        finish_if_done(campaign_id=campaign.pk, now=timezone.now())
    wake_dispatchers()


@shared_task(expires=10)
def watch() -> None:
    """Note that a worker serves the queue, and how far each campaign is."""
    now = timezone.now()
    note_heartbeat(process="worker", now=now)
    take_samples(now=now)


@shared_task(expires=10)
def watch_replies() -> None:
    """Note that a worker serves the queue of those who wait for an answer."""
    note_heartbeat(process="reply", now=timezone.now())


@before_task_publish.connect(sender="notifications.tasks.watch")
def beat_lives(**kwargs: Any) -> None:
    """Note that beat lives: it alone queues `watch`, as often as its schedule says."""
    try:
        note_heartbeat(process="beat", now=timezone.now())
    except Error:
        logger.warning("beat could not note that it lives: PostgreSQL does not answer")
    finally:
        if not connection.in_atomic_block:
            connection.close()


@shared_task(expires=30)
def read_receipts() -> None:
    """Apply what webhooks brought, and have every mailbox of bounces read."""
    now = timezone.now()
    apply_sealed_receipts(now=now)
    purge_suppressions(now=now)
    if settings.BOUNCE_MAILDIR is not None:
        read_maildir(folder=settings.BOUNCE_MAILDIR, now=now)


@shared_task(expires=50)
def read_mailboxes() -> None:
    """Have the insurers' mailboxes of bounces read, each by a task of its own."""
    for identity_id in mailboxes_to_read(now=timezone.now()):
        read_mailbox.apply_async(kwargs={"identity_id": str(identity_id)}, retry=False, expires=50)


@shared_task
def read_mailbox(*, identity_id: str) -> None:
    """Read one; a server that is away is asked again in a minute."""
    identity = SendingIdentity.objects.get(pk=identity_id)
    try:
        read_imap(identity=identity, now=timezone.now())
    except MailboxError:
        logger.warning("the mailbox of sending identity %s cannot be read now", identity_id)


@shared_task(expires=3600)
def forget_suspicious() -> None:
    """Erase the reports of suspicious messages that are over a year old."""
    forget_old_reports(today=timezone.localdate())


@shared_task(expires=30)
def draw_samples() -> None:
    """Draw the samples that auditors asked for."""
    draw_what_waits(now=timezone.now())


@shared_task(expires=600)
def look_for_alerts() -> None:
    """Raise what is wrong, end what no longer is, and write to those concerned."""
    raise_alerts(now=timezone.now())


@shared_task(expires=3600)
def check_trail() -> None:
    """Read every chain of the trail, beside the heads that left; raise what was changed.

    Heads that can leave do so first: after a stop of some hours, the next hour is not waited for.
    """
    try:
        heads.let_heads_leave(now=timezone.now())
    finally:
        raise_alerts(now=timezone.now(), kinds=SLOW)


@shared_task(expires=3600)
def apply_retention() -> None:
    """Erase what has been kept as long as it may, and close the breaches that are over."""
    now = timezone.now()
    for list_purge in erase_what_is_due(now=now):
        enqueue(purge, purge_id=list_purge.pk)
    close_what_is_due(now=now)


@shared_task(expires=50)
def let_heads_leave() -> None:
    """Let the trail's signed heads leave the database, once an hour."""
    heads.let_heads_leave(now=timezone.now())


@shared_task(expires=3600)
def sign_expiry() -> None:
    """Sign for the months of the trail that are over, before the owner role drops them."""
    heads.sign_expiry(now=timezone.now())


@shared_task
def make_evidence(*, pack_id: str) -> None:
    """Make a pack of evidence that somebody asked for."""
    make_pack(pack_id=pack_id, now=timezone.now())


@shared_task(expires=50)
def check_senders() -> None:
    """Have every sender looked up that was not for a day, each by a task of its own."""
    # Loaded here with its DNS client, so that a worker is up sooner.
    from notifications.sender_domains.checking import senders_to_check

    for identity_id in senders_to_check(now=timezone.now()):
        enqueue(check_sender_domain, expires=600, identity_id=str(identity_id or ""))


@shared_task
def check_sender_domain(*, identity_id: str) -> None:
    """Ask the DNS about an identity, or with "" about the portal's own sender."""
    from notifications.sender_domains.checking import check_sender

    check_sender(identity_id=UUID(identity_id) if identity_id else None, now=timezone.now())


def wake_dispatchers() -> None:
    """Queue a task for each free slot, where there is something to send."""
    if turns_in_order(now=timezone.now()):
        for slot, ticket in issue_tickets():
            enqueue(dispatch, slot=slot, ticket=ticket)


@shared_task(expires=10)
def sum_up_register() -> None:
    """Sum up the tallies that changed, for the register's pages."""
    sum_up(now=timezone.now())


@shared_task(expires=6 * 3600)
def recount_register() -> None:
    """Recompute the register's figures from the delivery events, and keep what differs."""
    result = recount(now=timezone.now())
    if result.differences:
        logger.error("recount %s found %s differences", result.pk, result.differences)
