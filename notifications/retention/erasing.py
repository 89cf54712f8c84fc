"""Erase what is due (worker only): run every night, and after a kill it does the rest."""

import logging
from datetime import datetime

from django.db import transaction

from audit.trail import insurer_scope, record
from insurers.lists.error_file import erase_problems
from insurers.lists.purging import PurgeRefusedError, purge_contacts
from insurers.models import AffectedList, Breach, Insurer, ListPurge
from notifications.models import Campaign, Erasure, ErasureKind
from notifications.retention.due import Due, Subject, due_of

logger = logging.getLogger(__name__)


def erase_what_is_due(*, now: datetime) -> list[ListPurge]:
    """Erase the files of problems whose time is over, and ask for the purge of such contacts.

    Returns the purges, which a worker runs (`insurers.lists.purging.run_purge`).
    """
    purges = []
    lists = AffectedList.objects.select_related("report").order_by("pk")
    for due in due_of(lists):
        if not due.is_over(now):
            continue
        if due.subject == Subject.PROBLEMS:
            erase_problems_of(due.affected_list, now=now)
        elif purge := _ask_purge(due, now):
            purges.append(purge)
    return purges


def erase_problems_of(affected_list: AffectedList, *, now: datetime) -> None:
    """Erase a list's file of problems, with its proof."""
    erasure = begin(
        ErasureKind.PROBLEMS,
        now=now,
        breach=affected_list.breach,
        insurer=affected_list.insurer,
        affected_list=affected_list,
    )
    erased = erase_problems(affected_list=affected_list, now=now)
    finish(erasure, {"lines": erased}, subject=f"list:{affected_list.pk}", now=now)


def begin(
    kind: ErasureKind,
    *,
    now: datetime,
    breach: Breach,
    insurer: Insurer | None = None,
    affected_list: AffectedList | None = None,
    campaign: Campaign | None = None,
) -> Erasure:
    """Return the proof of an erasure, which was begun before if it was interrupted."""
    return Erasure.objects.get_or_create(
        kind=kind,
        breach=breach,
        insurer=insurer,
        affected_list=affected_list,
        campaign=campaign,
        defaults={"begun_at": now},
    )[0]


def finish(erasure: Erasure, counts: dict[str, int], *, subject: str, now: datetime) -> None:
    """Complete a proof, with what was erased since it began, and write it to the trail."""
    with transaction.atomic():
        for name, count in counts.items():
            erasure.counts[name] = erasure.counts.get(name, 0) + count
        erasure.finished_at = max(now, erasure.begun_at)  # A clock may have been set back.
        erasure.save(update_fields=["counts", "finished_at"])
        assert erasure.insurer_id is not None
        record(
            action="retention.erased",
            scope=insurer_scope(erasure.insurer_id),
            subject=subject,
            detail={"kind": erasure.kind, **erasure.counts},
        )


def _ask_purge(due: Due, now: datetime) -> ListPurge | None:
    try:
        return purge_contacts(affected_list=due.affected_list, requested_by=None, now=now)
    except PurgeRefusedError:
        # A message of a cancelled campaign is still in a worker's hands: tomorrow.
        logger.info("the contacts of list %s wait for its campaign", due.affected_list.pk)
        return None
