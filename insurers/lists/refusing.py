"""Refuse a list: nothing remains of it but its hash and counts."""

import contextlib
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.trail import SYSTEM, account, insurer_scope, record
from insurers.lists.contacts import destroy_data_keys
from insurers.lists.problems import Explanation, Refusal, explain_refusal
from insurers.lists.states import AWAITING, WrongStateError, move
from insurers.lists.tables import drop_table
from insurers.lists.uploads import erase_upload
from insurers.models import AffectedList, ListReport, ListState

UNDECIDED_FOR = timedelta(days=14)


def refuse_list(
    *,
    affected_list: AffectedList,
    code: Refusal,
    now: datetime,
    decided_by: AbstractBaseUser | None = None,
    row: int | None = None,
    column: str = "",
    problem: str = "",
) -> None:
    """Refuse a list, or raise WrongStateError; a worker then erases what it left.

    Staff may refuse what they were asked to decide, the portal what it could not read.
    """
    with transaction.atomic():
        move(
            list_id=affected_list.pk,
            to=ListState.REFUSED,
            sources=AWAITING if decided_by else None,
            refusal_code=code.value,
            refusal_row=row,
            refusal_column=column,
            refusal_problem=problem,
            sha256=affected_list.sha256,
            decided_by_id=decided_by.pk if decided_by else None,
            decided_at=now,
        )
        record(
            action="list.refused",
            scope=insurer_scope(affected_list.insurer_id),
            actor=account(decided_by.pk) if decided_by else SYSTEM,
            subject=f"list:{affected_list.pk}",
            detail={"code": code.value, "row": row, "column": column, "problem": problem},
        )


def erase_refused(*, affected_list: AffectedList) -> None:
    """Erase members, data keys, problems, columns and upload of a refused list (worker only).

    Can be killed and run again: `chunk_count` goes to 0 once all is gone.
    """
    drop_table(affected_list.pk)
    affected_list.blocks.all().delete()
    destroy_data_keys(affected_list)
    affected_list.problems.all().delete()
    affected_list.columns.all().delete()
    ListReport.objects.filter(affected_list=affected_list).delete()
    forget_upload(affected_list=affected_list)


def forget_upload(*, affected_list: AffectedList) -> None:
    """Erase the sealed file of a list that is decided, and the shapes of its values."""
    erase_upload(affected_list.upload_id)
    affected_list.columns.update(shapes=[])
    AffectedList.objects.filter(pk=affected_list.pk).update(chunk_count=0)


def refuse_undecided(*, now: datetime) -> list[int]:
    """Refuse the lists that nobody decided for 14 days; return their ids."""
    late = AffectedList.objects.filter(state__in=AWAITING, uploaded_at__lt=now - UNDECIDED_FOR)
    refused = []
    for affected_list in late:
        # Somebody may decide at this very moment.
        with contextlib.suppress(WrongStateError):
            refuse_list(affected_list=affected_list, code=Refusal.UNDECIDED, now=now)
            refused.append(affected_list.pk)
    return refused


def why_refused(affected_list: AffectedList) -> Explanation | None:
    """Return what was wrong with a refused list and what to do, or None for another list."""
    if affected_list.state != ListState.REFUSED:
        return None
    code = Refusal(affected_list.refusal_code)
    return explain_refusal(
        code,
        row=affected_list.refusal_row,
        column=affected_list.refusal_column,
        problem=affected_list.refusal_problem,
        earlier=_earlier(affected_list) if code == Refusal.ALREADY_UPLOADED else "",
    )


def _earlier(affected_list: AffectedList) -> str:
    """Name the list that the same file made before, where it still stands."""
    same = AffectedList.objects.filter(
        breach=affected_list.breach_id,
        insurer=affected_list.insurer_id,
        operator_ids=affected_list.operator_ids,
        sha256=affected_list.sha256,
        effect=affected_list.effect,
    )
    first = same.exclude(state__in=(ListState.REFUSED, ListState.WITHDRAWN)).first()
    if first is None:
        return ""
    return _(" : c’est la liste n° %(number)s, du %(date)s") % {
        "number": first.pk,
        "date": f"{timezone.localtime(first.uploaded_at):%d/%m/%Y}",
    }
