"""Read an uploaded list: from sealed pieces to a table of members that awaits a decision.

One worker prepares the list, holding its lock: hash, columns, blocks. Then any number of
workers read blocks side by side, and whoever finds none left finishes: repeated members are
merged, indexes built, people counted. Nobody sees the rows, since the table is not a
partition yet. A worker that is killed leaves its block to the others; the sweep takes up a
list that no worker holds.
"""

import contextlib
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import F, Sum
from django.utils import timezone

from audit.trail import actor_of, insurer_scope, record
from insurers.lists.blocks import BlockReader, NoLongerReadError, all_read
from insurers.lists.columns import settle_columns
from insurers.lists.contacts import make_data_key
from insurers.lists.fingerprint_keys import pin_keys
from insurers.lists.locks import list_lock
from insurers.lists.nir import ColumnWatch, check_share
from insurers.lists.parsing import IrregularTextError
from insurers.lists.preparing import Text, survey_file
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from insurers.lists.refusing import erase_refused, refuse_list
from insurers.lists.repeats import (
    Merged,
    merge_repeated_members,
    note_repeated_rows,
    shared_addresses,
)
from insurers.lists.report import write_report
from insurers.lists.states import READING, WrongStateError, move
from insurers.lists.tables import indexes_built, make_table
from insurers.lists.uploads import SealedUpload, UploadDamagedError
from insurers.lists.wrapping import bring_up_to_date, is_comparable
from insurers.models import (
    AffectedList,
    ApiToken,
    Breach,
    Insurer,
    ListBlock,
    ListEffect,
    ListState,
    Operator,
    Population,
    Severity,
)

MAX_ATTEMPTS = 10
REWRITE = {"rewrite": True}
"""In the place of a list's text: the file must be written again to be cut."""

Report = Callable[[int], None]


class OperatorsNotAffiliatedError(Exception):
    """The list names no operator, or one that the insurer or the breach has no part with."""


def operators_for(*, breach: Breach, insurer: Insurer) -> list[Operator]:
    """Return the operators of the breach that the insurer was affiliated to; none once closed."""
    if breach.is_closed(timezone.localdate()):
        return []
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
    uploaded_with: ApiToken | None = None,
    expected_sha256: bytes | None = None,
    effect: ListEffect = ListEffect.ADD,
    corrects: AffectedList | None = None,
) -> AffectedList:
    """Record a sealed upload as a list in state `uploaded`; the caller has it read.

    A person uploaded it, or a program with its token, or neither: the command line. The worker
    refuses a file that is not the one of `expected_sha256`. `effect` says what accepting it
    will do to earlier lists, `corrects` whose rejected rows it brings again, corrected.
    Raises OperatorsNotAffiliatedError.
    """
    operators = list(operators)
    possible = {operator.pk for operator in operators_for(breach=breach, insurer=insurer)}
    if not operators or not {operator.pk for operator in operators} <= possible:
        raise OperatorsNotAffiliatedError
    with transaction.atomic():
        affected_list = AffectedList.objects.create(
            breach=breach,
            insurer=insurer,
            operator_ids=sorted({operator.pk for operator in operators}),
            population=population,
            effect=effect,
            corrects=corrects,
            state=ListState.UPLOADED,
            upload_id=upload.upload_id,
            chunk_count=upload.chunk_count,
            size_bytes=upload.size_bytes,
            expected_sha256=expected_sha256,
            uploaded_by_id=uploaded_by.pk if uploaded_by else None,
            uploaded_with=uploaded_with,
            uploaded_at=now,
        )
        affected_list.operators.set(operators)
        record(
            action="list.uploaded",
            scope=insurer_scope(insurer.pk),
            actor=actor_of(
                account_id=uploaded_by.pk if uploaded_by else None,
                token_id=uploaded_with.pk if uploaded_with else None,
            ),
            subject=f"list:{affected_list.pk}",
            detail={
                "size_bytes": upload.size_bytes,
                "effect": effect.value,
                "corrects": corrects.pk if corrects else None,
            },
        )
    return affected_list


def prepare_list(*, list_id: int, now: datetime, wait: bool = False) -> bool:
    """Make a list ready to be read block by block (worker only); return whether this call did.

    A file that cannot be taken is refused. Nothing happens where the list is prepared, or
    another worker is at it (`wait` for it).
    """
    with list_lock(list_id, wait=wait) as held:
        affected_list = _claim(list_id, now) if held else None
        if affected_list is None:
            return False
        try:
            return _prepare(affected_list, now)
        except FileRefusedError as refusal:
            _refuse(affected_list, refusal, now)
            erase_refused(affected_list=affected_list)
            return False


def read_list(
    *, list_id: int, now: datetime, seconds: float | None = None, report: Report | None = None
) -> bool:
    """Read blocks of a prepared list, then finish it (worker only); return whether some remain.

    Stops after `seconds`. `report` is told the number of bytes read so far by all workers.
    """
    affected_list = _prepared(list_id)
    if affected_list is None:
        return False
    try:
        if _read_blocks(affected_list, seconds, report):
            return True
        return _finish(affected_list)
    except FileRefusedError as refusal:
        _refuse_and_erase(affected_list, refusal, now)
    except IrregularTextError:
        _ask_to_prepare(affected_list, REWRITE)
        return True
    except NoLongerReadError:
        pass
    return False


def ingest_list(
    *, list_id: int, now: datetime, wait: bool = False, report: Report | None = None
) -> None:
    """Prepare a list and read it to its end, with whoever else is at it (worker only)."""
    prepare_list(list_id=list_id, now=now, wait=wait)
    while read_list(list_id=list_id, now=now, report=report):
        prepare_list(list_id=list_id, now=now, wait=wait)


def _is_prepared(affected_list: AffectedList) -> bool:
    return "columns" in (affected_list.text or {})


def _prepared(list_id: int) -> AffectedList | None:
    found = AffectedList.objects.filter(pk=list_id, state=ListState.INGESTING).first()
    return found if found is not None and _is_prepared(found) else None


def _claim(list_id: int, now: datetime) -> AffectedList | None:
    unread = AffectedList.objects.filter(pk=list_id, state__in=READING).first()
    if unread is None or (unread.state == ListState.INGESTING and _is_prepared(unread)):
        return None
    move(
        list_id=list_id,
        to=ListState.INGESTING,
        attempt=F("attempt") + 1,
        finish_attempt=0,
        reading_at=now,
        text=REWRITE if unread.text == REWRITE else None,
        bytes_read=0,
        rows=0,
        rows_rejected=0,
    )
    return AffectedList.objects.get(pk=list_id)


def _prepare(affected_list: AffectedList, now: datetime) -> bool:
    """Cut the list's text into blocks; return False where people must name its columns first."""
    if affected_list.attempt > MAX_ATTEMPTS:
        raise FileRefusedError(Refusal.READING_FAILED)
    try:
        survey = survey_file(affected_list, rewrite=affected_list.text == REWRITE)
    except UploadDamagedError as error:
        raise FileRefusedError(Refusal.UPLOAD_DAMAGED) from error
    finally:
        _keep_hash(affected_list)
    layout = settle_columns(
        affected_list=affected_list,
        header=survey.header.cells,
        first_rows=survey.header.first_rows,
    )
    if layout is None:
        return False
    text = Text(
        survey.upload_id, survey.size_bytes, survey.encoding, survey.header.delimiter, layout
    )
    pin_keys(affected_list=affected_list, now=now)
    make_data_key(affected_list)
    with transaction.atomic():
        make_table(affected_list.pk)
        affected_list.problems.all().delete()
        affected_list.blocks.all().delete()
        ListBlock.objects.bulk_create(
            ListBlock(
                list=affected_list,
                number=number,
                start=block.start,
                end=block.end,
                first_row=block.first_row,
                records=block.records,
            )
            for number, block in enumerate(survey.blocks)
        )
        affected_list.text = text.to_json()
        affected_list.bytes_read = survey.header.end
        affected_list.save(update_fields=["text", "bytes_read"])
    return True


def _keep_hash(affected_list: AffectedList) -> None:
    if affected_list.sha256 is None:
        return
    expected = affected_list.expected_sha256
    if expected is not None and bytes(expected) != bytes(affected_list.sha256):
        raise FileRefusedError(Refusal.UPLOAD_DAMAGED)
    try:
        with transaction.atomic():
            affected_list.save(update_fields=["sha256", "hidden_rows", "first_hidden_rows"])
    except IntegrityError as error:
        raise FileRefusedError(Refusal.ALREADY_UPLOADED) from error


def _read_blocks(affected_list: AffectedList, seconds: float | None, report: Report | None) -> bool:
    """Read until no block is free, or the time is over; return whether blocks remain."""
    started = time.monotonic()
    with list_lock(affected_list.pk, shared=True) as held:
        # It may have been prepared anew before the lock was had: its text is another then.
        current = _prepared(affected_list.pk) if held else None
        if current is None or current.attempt != affected_list.attempt:
            return False  # Somebody finishes or prepares it, or will.
        reader = BlockReader(current)
        try:
            while reader.read_next():
                if report is not None:
                    affected_list.refresh_from_db(fields=["bytes_read"])
                    report(affected_list.bytes_read)
                if seconds is not None and time.monotonic() - started > seconds:
                    return True
        except UploadDamagedError as error:
            raise FileRefusedError(Refusal.UPLOAD_DAMAGED) from error
    return False


def _finish(affected_list: AffectedList) -> bool:
    """Merge, index and count the members, and ask for a decision, in one transaction.

    Return whether the file must be prepared and read anew instead.
    """
    with list_lock(affected_list.pk) as held:
        if not held or not all_read(affected_list.pk):
            return False  # Others still read: the last one finishes.
        fresh = AffectedList.objects.get(pk=affected_list.pk)
        if (fresh.state, fresh.attempt) != (ListState.INGESTING, affected_list.attempt):
            return False
        if fresh.blocks.filter(member_hashes=None).exists():
            _ask_to_prepare(fresh, None)  # Read by a release that kept no hashes.
            return True
        _judge(fresh)
        _count_finish(fresh)
        bring_up_to_date(fresh)
        with indexes_built(fresh.pk):
            note_repeated_rows(fresh)
        with transaction.atomic():
            if is_comparable(fresh):
                _complete(fresh)
            else:  # The key is being rotated: the sweep tries again, as often as that takes.
                AffectedList.objects.filter(pk=fresh.pk).update(finish_attempt=0)
    return False


def _count_finish(affected_list: AffectedList) -> None:
    """Note a try before it is made, or raise FileRefusedError where they are too many."""
    if affected_list.finish_attempt >= MAX_ATTEMPTS:
        raise FileRefusedError(Refusal.READING_FAILED)
    AffectedList.objects.filter(pk=affected_list.pk).update(finish_attempt=F("finish_attempt") + 1)


def _judge(affected_list: AffectedList) -> None:
    """Raise FileRefusedError where the file as a whole cannot be taken."""
    layout = Text.from_json(affected_list.text or {}).layout
    watch = ColumnWatch.over(layout.width)
    for seen in affected_list.blocks.values_list("nir_watch", flat=True):
        filled, suspect = seen or ([], [])
        watch.add(ColumnWatch(filled, suspect))
    check_share(watch, layout)
    if not affected_list.rows:
        raise FileRefusedError(Refusal.NO_ROWS)
    if affected_list.rows == affected_list.rows_rejected:
        first = affected_list.problems.filter(severity=Severity.REJECTED).order_by("row", "pk")[0]
        raise FileRefusedError(
            Refusal.NO_VALID_ROW, row=first.row, column=first.column, problem=first.code
        )


def _complete(affected_list: AffectedList) -> None:
    merged = merge_repeated_members(affected_list)
    counts = _counts(affected_list, merged)
    write_report(list_id=affected_list.pk, counts=counts, shared=shared_addresses(affected_list))
    affected_list.blocks.all().delete()
    started = affected_list.reading_at or timezone.now()
    move(
        list_id=affected_list.pk,
        to=ListState.REVIEW,
        rows_duplicate=merged.duplicate,
        rows_conflicting=merged.conflicting,
        ingest_seconds=(timezone.now() - started).total_seconds(),
        **counts,
    )
    record(
        action="list.ingested",
        scope=insurer_scope(affected_list.insurer_id),
        subject=f"list:{affected_list.pk}",
        detail={
            "sha256": bytes(affected_list.sha256 or b"").hex(),
            "rows": affected_list.rows,
            "rejected": affected_list.rows_rejected,
            "members": counts["members"],
        },
    )


def _counts(affected_list: AffectedList, merged: Merged) -> dict[str, Any]:
    """Return the counts of the members that stay, named like the fields of AffectedList."""
    read = affected_list.blocks.aggregate(*map(Sum, ("members", "emails", "phones", "unreachable")))
    return {
        "members": read["members__sum"] - merged.duplicate - merged.conflicting,
        "members_with_email": read["emails__sum"] - merged.with_email,
        "members_with_phone": read["phones__sum"] - merged.with_phone,
        "members_without_contact": read["unreachable__sum"] - merged.without_contact,
    }


def _refuse_and_erase(
    affected_list: AffectedList, refusal: FileRefusedError, now: datetime
) -> None:
    """Refuse the list that workers read; they find out at their next block, and leave."""
    with contextlib.suppress(WrongStateError):  # Another worker may have refused it.
        _refuse(affected_list, refusal, now)
    with list_lock(affected_list.pk, wait=True):
        erase_refused(affected_list=affected_list)


def _refuse(affected_list: AffectedList, refusal: FileRefusedError, now: datetime) -> None:
    refuse_list(
        affected_list=affected_list,
        code=refusal.code,
        now=now,
        row=refusal.row,
        column=refusal.column,
        problem=refusal.problem,
    )


def _ask_to_prepare(affected_list: AffectedList, text: dict[str, bool] | None) -> None:
    """Have the file prepared anew; as regular CSV if its quotes were not what they seemed."""
    AffectedList.objects.filter(
        pk=affected_list.pk, state=ListState.INGESTING, attempt=affected_list.attempt
    ).update(text=text)
