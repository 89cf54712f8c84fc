"""Accept a list: staff decide, then a worker makes its members visible at one instant."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction

from audit.trail import SYSTEM, account, insurer_scope, record
from insurers.lists.locks import PUBLICATION_CLASS, list_lock
from insurers.lists.refusing import forget_upload
from insurers.lists.states import move
from insurers.lists.tables import attach_table, count_members, remove_members_listed
from insurers.models import AffectedList, ListState
from insurers.signals import list_accepted


def decide_to_accept(
    *, affected_list: AffectedList, decided_by: AbstractBaseUser | None, now: datetime
) -> None:
    """Record the decision, or raise WrongStateError; a worker then publishes the list."""
    with transaction.atomic():
        move(
            list_id=affected_list.pk,
            to=ListState.ACCEPTING,
            decided_by_id=decided_by.pk if decided_by else None,
            decided_at=now,
        )
        record(
            action="list.accepted",
            scope=insurer_scope(affected_list.insurer_id),
            actor=account(decided_by.pk) if decided_by else SYSTEM,
            subject=f"list:{affected_list.pk}",
            detail={"members": affected_list.members},
        )


def publish_list(*, list_id: int) -> None:
    """Make an accepted list's members visible (worker only).

    People who are on an accepted list of the same breach and insurer for at least the same
    operators are removed first, so that a person counts once. Does nothing where that is done
    or another worker does it.
    """
    with list_lock(list_id) as held:
        affected_list = AffectedList.objects.filter(pk=list_id, state=ListState.ACCEPTING).first()
        if not held or affected_list is None:
            return
        with transaction.atomic():
            _publish(affected_list)
        forget_upload(affected_list=affected_list)


def accept(
    *, affected_list: AffectedList, decided_by: AbstractBaseUser | None, now: datetime
) -> None:
    """Decide and publish in one go (worker only)."""
    decide_to_accept(affected_list=affected_list, decided_by=decided_by, now=now)
    publish_list(list_id=affected_list.pk)
    affected_list.refresh_from_db()


def _publish(affected_list: AffectedList) -> None:
    _wait_for_turn(affected_list.insurer_id)
    earlier = lists_for_at_least_the_same_operators(affected_list)
    already_listed = remove_members_listed(affected_list.pk, earlier=earlier)
    counts = count_members(affected_list.pk)
    attach_table(affected_list.pk)
    move(
        list_id=affected_list.pk,
        to=ListState.ACCEPTED,
        rows_already_listed=already_listed,
        **counts,
    )
    record(
        action="list.published",
        scope=insurer_scope(affected_list.insurer_id),
        subject=f"list:{affected_list.pk}",
        detail={"members": counts["members"], "already_listed": already_listed},
    )
    affected_list.refresh_from_db()
    list_accepted.send(sender=AffectedList, affected_list=affected_list)


def _wait_for_turn(insurer_id: UUID) -> None:
    """Let one list of an insurer be published at a time, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [PUBLICATION_CLASS, str(insurer_id)]
        )


def lists_for_at_least_the_same_operators(affected_list: AffectedList) -> list[int]:
    """Return the accepted lists of the breach and insurer whose operators include this one's."""
    wanted = set(affected_list.operators.values_list("pk", flat=True))
    operators: dict[int, set[int]] = defaultdict(set)
    accepted = AffectedList.objects.filter(
        breach_id=affected_list.breach_id,
        insurer_id=affected_list.insurer_id,
        state=ListState.ACCEPTED,
    )
    for list_id, operator_id in accepted.values_list("pk", "operators"):
        operators[list_id].add(operator_id)
    return [list_id for list_id, found in operators.items() if wanted <= found]
