"""Accept a list: staff decide, then a worker makes its members visible at one instant."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from audit.trail import SYSTEM, account, insurer_scope, record
from insurers.lists.comparison import Earlier, compare, earlier_lists
from insurers.lists.contacts import destroy_data_keys
from insurers.lists.distinct_people import people_leaving
from insurers.lists.locks import list_lock, take_turn
from insurers.lists.refusing import forget_upload
from insurers.lists.states import move
from insurers.lists.superseding import (
    count_marks,
    end_leaving,
    end_whole,
    mark_known,
)
from insurers.lists.tables import attach_table, drop_table
from insurers.lists.wrapping import bring_up_to_date, is_comparable
from insurers.models import AffectedList, ListEffect, ListingMark, ListReport, ListState
from insurers.signals import list_accepted, listings_changed


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
            detail={"effect": affected_list.effect, "members": affected_list.members},
        )


def publish_list(*, list_id: int) -> None:
    """Make an accepted list take effect: add, replace or withdraw (worker only).

    Does nothing where that is done or another worker does it. docs/decisions/0007 says what
    becomes of people who are on earlier lists.
    """
    with list_lock(list_id) as held:
        affected_list = AffectedList.objects.filter(pk=list_id, state=ListState.ACCEPTING).first()
        if not held or affected_list is None:
            return
        bring_up_to_date(affected_list)
        with transaction.atomic():
            if not is_comparable(affected_list):
                return  # The key is being rotated: the sweep tries again.
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
    take_turn(affected_list.insurer_id)
    earlier = earlier_lists(affected_list)
    whole = _still_unused(earlier.whole)
    earlier = earlier.but_for([found.pk for found in whole])
    compare(affected_list, earlier)
    if affected_list.effect == ListEffect.WITHDRAW:
        changes = _take_out(affected_list)
    else:
        changes = _take_in(affected_list, earlier, whole)
    move(list_id=affected_list.pk, to=ListState.ACCEPTED, **changes)
    affected_list.refresh_from_db()
    if affected_list.effect != ListEffect.WITHDRAW:
        list_accepted.send(sender=AffectedList, affected_list=affected_list)
    announce_listings(affected_list, gone=[found.pk for found in whole])
    # Last: a person's step holds a campaign, which is settled above, while it waits for the trail.
    record(
        action="list.published",
        scope=insurer_scope(affected_list.insurer_id),
        subject=f"list:{affected_list.pk}",
        detail={"effect": affected_list.effect, **changes},
    )


def _still_unused(list_ids: Sequence[int]) -> list[AffectedList]:
    """Return the lists that no campaign uses, held so that none is approved until they left."""
    unused = AffectedList.objects.filter(pk__in=list_ids, is_in_use=False, state=ListState.ACCEPTED)
    return list(unused.select_for_update().order_by("pk"))


def _take_in(
    affected_list: AffectedList, earlier: Earlier, whole: Sequence[AffectedList]
) -> dict[str, Any]:
    """Attach the people; whoever is on an earlier list counts there. End what they replace."""
    counts = _counted_when_read(affected_list)
    attach_table(affected_list.pk)
    listed, changed = mark_known(affected_list.pk, lists=earlier.covering)
    counts["rows_already_listed"] = listed
    counts["rows_contact_changed"] = max(changed, _changed_since(affected_list, whole))
    counts["people_withdrawn"] = people_leaving(whole=[found.pk for found in whole])
    end_leaving(affected_list)
    end_whole(whole)
    AffectedList.objects.filter(pk__in=[found.pk for found in whole]).update(
        state=ListState.WITHDRAWN
    )
    return counts


def _counted_when_read(affected_list: AffectedList) -> dict[str, Any]:
    names = ("members", "members_with_email", "members_with_phone", "members_without_contact")
    return {name: getattr(affected_list, name) for name in names}


def _changed_since(affected_list: AffectedList, whole: Sequence[AffectedList]) -> int:
    """Return the changed contacts as the report counted them, where nobody is compared again."""
    reports = ListReport.objects.filter(pk=affected_list.pk).values_list("changed", flat=True)
    return (reports.first() or 0) if whole else 0


def _take_out(affected_list: AffectedList) -> dict[str, Any]:
    """End the listings of the people named; nothing else is kept of them."""
    withdrawn = people_leaving()
    end_leaving(affected_list)
    drop_table(affected_list.pk)
    destroy_data_keys(affected_list)
    return {"people_withdrawn": withdrawn}


def announce_listings(affected_list: AffectedList, *, gone: Sequence[int] = ()) -> None:
    """Have the figures and messages of the insurer's people brought in step with the marks.

    `gone` are the lists that left whole (`end_whole`): their marks say who counted there until
    then, and are forgotten.
    """
    lists = AffectedList.objects.that_stand_by_person().filter(
        breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id, purged_at=None
    )
    count_marks(list_ids=list(lists.values_list("pk", flat=True)))
    listings_changed.send(
        sender=AffectedList,
        breach_id=affected_list.breach_id,
        insurer_id=affected_list.insurer_id,
        gone=gone,
    )
    ListingMark.objects.filter(list_id__in=gone).delete()
