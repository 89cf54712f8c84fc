"""Read an uploaded list: from sealed pieces to a table of members that awaits a decision.

One worker reads a list, holding its lock. Rows go in by slices, each with its progress in
one transaction; nobody sees them, since the table is not a partition yet. A worker that is
killed leaves the list `ingesting` without a lock: the sweep has it read again from the
start, into a new table, under a new data key.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from audit.trail import SYSTEM, account, insurer_scope, record
from insurers.lists.contacts import new_sealer
from insurers.lists.fingerprints import address_fingerprints, member_fingerprints
from insurers.lists.headers import Layout, read_layout
from insurers.lists.locks import list_lock
from insurers.lists.member_rows import Fault, MemberRows
from insurers.lists.nir import ColumnWatch
from insurers.lists.problems import Refusal
from insurers.lists.reading import Survey, Table, survey
from insurers.lists.refusal import FileRefusedError
from insurers.lists.refusing import erase_refused, refuse_list
from insurers.lists.states import WrongStateError, move
from insurers.lists.tables import (
    copy_members,
    count_members,
    index_table,
    make_table,
    merge_repeated_members,
    note_faults,
)
from insurers.lists.uploads import SealedUpload, UploadDamagedError, clear_chunks
from insurers.models import (
    AffectedList,
    Breach,
    Insurer,
    ListState,
    Operator,
    Population,
    Severity,
)

SLICE_ROWS = 10_000
MAX_ATTEMPTS = 10

Report = Callable[[int], None]


class OperatorsNotAffiliatedError(Exception):
    """The list names no operator, or one that the insurer or the breach has no part with."""


def operators_for(*, breach: Breach, insurer: Insurer) -> list[Operator]:
    """Return the operators of the breach that the insurer was affiliated to."""
    return list(
        Operator.objects.filter(affiliations__insurer=insurer, breach_parts__breach=breach)
        .distinct()
        .order_by("name")
    )


def register_list(
    *,
    breach: Breach,
    insurer: Insurer,
    operators: Iterable[Operator],
    population: Population,
    upload: SealedUpload,
    uploaded_by: AbstractBaseUser | None,
    now: datetime,
) -> AffectedList:
    """Record a sealed upload as a list in state `uploaded`; the caller has it read.

    `uploaded_by` is None for a file taken from the command line. Raises
    OperatorsNotAffiliatedError.
    """
    operators = list(operators)
    possible = {operator.pk for operator in operators_for(breach=breach, insurer=insurer)}
    if not operators or not {operator.pk for operator in operators} <= possible:
        raise OperatorsNotAffiliatedError
    with transaction.atomic():
        affected_list = AffectedList.objects.create(
            breach=breach,
            insurer=insurer,
            population=population,
            state=ListState.UPLOADED,
            upload_id=upload.upload_id,
            chunk_count=upload.chunk_count,
            size_bytes=upload.size_bytes,
            uploaded_by_id=uploaded_by.pk if uploaded_by else None,
            uploaded_at=now,
        )
        affected_list.operators.set(operators)
        record(
            action="list.uploaded",
            scope=insurer_scope(insurer.pk),
            actor=account(uploaded_by.pk) if uploaded_by else SYSTEM,
            subject=f"list:{affected_list.pk}",
            detail={"size_bytes": upload.size_bytes},
        )
    return affected_list


def ingest_list(
    *, list_id: int, now: datetime, wait: bool = False, report: Report | None = None
) -> None:
    """Read a list into `review`, or refuse it (worker only).

    Does nothing where the list is read already or another worker reads it (`wait` for it).
    `report` is told the number of bytes read so far.
    """
    with list_lock(list_id, wait=wait) as held:
        affected_list = _claim(list_id) if held else None
        if affected_list is None:
            return
        try:
            _read(affected_list, now, report or _silent)
        except FileRefusedError as refusal:
            refuse_list(
                affected_list=affected_list,
                code=refusal.code,
                now=now,
                row=refusal.row,
                column=refusal.column,
            )
            erase_refused(affected_list=affected_list)


def _silent(bytes_read: int) -> None:
    pass


def _claim(list_id: int) -> AffectedList | None:
    try:
        move(
            list_id=list_id,
            to=ListState.INGESTING,
            attempt=F("attempt") + 1,
            bytes_read=0,
            rows=0,
            rows_rejected=0,
        )
    except WrongStateError:
        return None
    return AffectedList.objects.get(pk=list_id)


def _read(affected_list: AffectedList, now: datetime, report: Report) -> None:
    started = time.monotonic()
    if affected_list.attempt > MAX_ATTEMPTS:
        raise FileRefusedError(Refusal.READING_FAILED)
    try:
        found = survey(clear_chunks(affected_list))
        _keep_hash(affected_list, found)
        progress = _copy_rows(affected_list, found, now, report)
    except UploadDamagedError as error:
        raise FileRefusedError(Refusal.UPLOAD_DAMAGED) from error
    _finish(affected_list, progress, started)


def _keep_hash(affected_list: AffectedList, found: Survey) -> None:
    affected_list.sha256 = found.sha256
    try:
        with transaction.atomic():
            affected_list.save(update_fields=["sha256"])
    except IntegrityError as error:
        raise FileRefusedError(Refusal.ALREADY_UPLOADED) from error
    if found.refusal is not None:
        raise found.refusal


@dataclass
class _Progress:
    """What was read so far, and the slice that is not stored yet."""

    layout: Layout
    watch: ColumnWatch
    rows: int = 0
    rejected: int = 0
    first_rejection: Fault | None = None
    members: list[bytes] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add(self, member: bytes | None, faults: list[Fault]) -> None:
        self.rows += 1
        self.faults += faults
        if member is not None:
            self.members.append(member)
            return
        self.rejected += 1
        if self.first_rejection is None:
            self.first_rejection = next(f for f in faults if f.severity == Severity.REJECTED)


def _copy_rows(
    affected_list: AffectedList, found: Survey, now: datetime, report: Report
) -> _Progress:
    """Copy every usable row into the list's own table; raise FileRefusedError."""
    table = Table(clear_chunks(affected_list), encoding=found.encoding)
    layout = read_layout(table.header)
    progress = _Progress(layout, ColumnWatch.over(layout.width))
    with transaction.atomic():
        make_table(affected_list.pk)
        affected_list.problems.all().delete()
    taker = MemberRows(
        list_id=affected_list.pk,
        layout=layout,
        today=timezone.localdate(now),
        members=member_fingerprints(
            breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id
        ),
        addresses=address_fingerprints(insurer_id=affected_list.insurer_id),
        sealer=new_sealer(affected_list),
    )
    for row, cells in table.rows():
        progress.watch.see(cells[: layout.width])
        progress.add(*taker.take(row, cells))
        if progress.rows % SLICE_ROWS == 0:
            _store_slice(affected_list, progress, table.bytes_read())
            report(table.bytes_read())
    _store_slice(affected_list, progress, table.bytes_read())
    report(table.bytes_read())
    return progress


def _store_slice(affected_list: AffectedList, progress: _Progress, bytes_read: int) -> None:
    # Judged before anything of the slice is stored.
    nirs = progress.watch.column_of_nirs()
    if nirs is not None and not settings.NIR_ALLOWED:
        column = progress.layout.column_name(nirs)
        raise FileRefusedError(Refusal.NIR_COLUMN, column=column)
    with transaction.atomic():
        copy_members(affected_list.pk, progress.members)
        note_faults(affected_list.pk, progress.faults)
        move(
            list_id=affected_list.pk,
            to=ListState.INGESTING,
            sources=(ListState.INGESTING,),
            bytes_read=bytes_read,
            rows=progress.rows,
            rows_rejected=progress.rejected,
        )
    progress.members.clear()
    progress.faults.clear()


def _finish(affected_list: AffectedList, progress: _Progress, started: float) -> None:
    """Merge, index and count the members, and ask for a decision, in one transaction."""
    if not progress.rows:
        raise FileRefusedError(Refusal.NO_ROWS)
    if first := progress.first_rejection if progress.rows == progress.rejected else None:
        raise FileRefusedError(Refusal.NO_VALID_ROW, row=first.row, column=first.column)
    with transaction.atomic():
        duplicate, conflicting = merge_repeated_members(affected_list.pk)
        index_table(affected_list.pk)
        counts = count_members(affected_list.pk)
        move(
            list_id=affected_list.pk,
            to=ListState.REVIEW,
            rows_duplicate=duplicate,
            rows_conflicting=conflicting,
            ingest_seconds=time.monotonic() - started,
            **counts,
        )
        record(
            action="list.ingested",
            scope=insurer_scope(affected_list.insurer_id),
            subject=f"list:{affected_list.pk}",
            detail={
                "sha256": bytes(affected_list.sha256 or b"").hex(),
                "rows": progress.rows,
                "rejected": progress.rejected,
                "members": counts["members"],
            },
        )
