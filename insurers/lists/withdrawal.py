"""Withdraw a whole accepted list: staff decide, then a worker ends what is not yet sent."""

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from audit.trail import account, insurer_scope, record
from insurers.lists.acceptance import announce_listings
from insurers.lists.comparison import all_leave
from insurers.lists.locks import list_lock, take_turn
from insurers.lists.returning import let_come_back
from insurers.lists.states import WrongStateError, move
from insurers.lists.superseding import end_leaving, end_whole
from insurers.lists.wrapping import fingerprints_agree
from insurers.models import AffectedList, ListEffect, ListState


def decide_to_withdraw(
    *, affected_list: AffectedList, decided_by: AbstractBaseUser, now: datetime
) -> None:
    """Record the decision, or raise WrongStateError; a worker then withdraws the list."""
    if affected_list.effect == ListEffect.WITHDRAW or affected_list.purges.exists():
        raise WrongStateError
    with transaction.atomic():
        move(list_id=affected_list.pk, to=ListState.WITHDRAWING)
        record(
            action="list.withdrawn",
            scope=insurer_scope(affected_list.insurer_id),
            actor=account(decided_by.pk),
            subject=f"list:{affected_list.pk}",
            detail={"members": affected_list.members},
        )


def withdraw_list(*, list_id: int) -> None:
    """Cancel what is not yet sent from a list (worker only); whoever was told stays so."""
    with list_lock(list_id) as held:
        found = AffectedList.objects.filter(pk=list_id, state=ListState.WITHDRAWING).first()
        if not held or found is None:
            return
        with transaction.atomic():
            if not fingerprints_agree(breach_id=found.breach_id, insurer_id=found.insurer_id):
                return  # The key is being rotated: the sweep tries again.
            take_turn(found.insurer_id)
            let_come_back(found)
            ended = _end(found)
            move(list_id=found.pk, to=ListState.WITHDRAWN)
            announce_listings(found, gone=() if found.is_in_use else [found.pk])
            record(  # Last, as when a list is published.
                action="list.taken_out",
                scope=insurer_scope(found.insurer_id),
                subject=f"list:{found.pk}",
                detail={"people_withdrawn": ended},
            )


def _end(affected_list: AffectedList) -> int:
    """End everybody of the list, at once where no campaign used it; return how many."""
    if not affected_list.is_in_use:
        return end_whole([affected_list])
    all_leave(affected_list.pk)
    return end_leaving(affected_list)
