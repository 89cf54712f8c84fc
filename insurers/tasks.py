"""Celery tasks: each takes ids, calls the domain, and can run twice harmlessly."""

from functools import partial

from celery import shared_task
from django.utils import timezone

from insurers.lists.acceptance import publish_list
from insurers.lists.ingestion import prepare_list, read_list
from insurers.lists.locks import held_lists
from insurers.lists.purging import purges_under_way, run_purge
from insurers.lists.receiving import forget_uploads
from insurers.lists.refusing import erase_refused, forget_upload, refuse_undecided
from insurers.lists.rotation import rotations_under_way, wrap_breach
from insurers.lists.states import READING
from insurers.lists.uploads import erase_forgotten_uploads
from insurers.lists.withdrawal import withdraw_list as withdraw
from insurers.models import AffectedList, ListState
from insurers.queueing import enqueue

PUBLISHED = (ListState.ACCEPTED, ListState.WITHDRAWING, ListState.WITHDRAWN)
READERS = 4  # workers that read one list side by side
SLICE_SECONDS = 20.0
SWEPT_FOR = 30.0  # seconds that what a sweep queues is worth; the next one queues it again


@shared_task
def ingest_list(*, list_id: int) -> None:
    """Prepare a list, or join those who read it; queue again after a while, to share fairly."""
    if prepare_list(list_id=list_id, now=timezone.now()):
        for _ in range(READERS - 1):
            enqueue(ingest_list, list_id=list_id)
    if read_list(list_id=list_id, now=timezone.now(), seconds=SLICE_SECONDS):
        enqueue(ingest_list, list_id=list_id)


@shared_task
def accept_list(*, list_id: int) -> None:
    """Publish a list that staff accepted."""
    publish_list(list_id=list_id)


@shared_task
def withdraw_list(*, list_id: int) -> None:
    """Withdraw a list that staff decided to withdraw."""
    withdraw(list_id=list_id)


@shared_task
def erase_list(*, list_id: int) -> None:
    """Erase what is no longer needed of a list that is decided."""
    affected_list = AffectedList.objects.get(pk=list_id)
    if affected_list.state == ListState.REFUSED:
        erase_refused(affected_list=affected_list)
    elif affected_list.state in PUBLISHED:
        forget_upload(affected_list=affected_list)


@shared_task
def wrap_fingerprints(*, breach_id: int) -> None:
    """Go on with a rotation of a breach's key that was started."""
    wrap_breach(breach_id=breach_id, now=timezone.now())


@shared_task
def purge(*, purge_id: int) -> None:
    """Purge a list, or its contacts."""
    run_purge(purge_id=purge_id, now=timezone.now())


@shared_task(expires=30)
def resume_lists() -> None:
    """Queue again what Redis forgot or a dead worker left, and refuse what nobody decided."""
    held = held_lists()
    lists = AffectedList.objects.exclude(pk__in=held)
    again = partial(enqueue, expires=SWEPT_FOR)
    for list_id in lists.filter(state__in=READING).values_list("pk", flat=True):
        again(ingest_list, list_id=list_id)
    for list_id in lists.filter(state=ListState.ACCEPTING).values_list("pk", flat=True):
        again(accept_list, list_id=list_id)
    for list_id in lists.filter(state=ListState.WITHDRAWING).values_list("pk", flat=True):
        again(withdraw_list, list_id=list_id)
    refuse_undecided(now=timezone.now())
    decided = lists.filter(state__in=(ListState.REFUSED, *PUBLISHED), chunk_count__gt=0)
    for list_id in decided.values_list("pk", flat=True):
        again(erase_list, list_id=list_id)
    forget_uploads(now=timezone.now())
    erase_forgotten_uploads(now=timezone.now())
    for breach_id in rotations_under_way():
        enqueue(wrap_fingerprints, breach_id=breach_id)
    for purge_id in purges_under_way():
        enqueue(purge, purge_id=purge_id)
