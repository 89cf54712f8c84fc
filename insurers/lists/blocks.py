"""Read a list's blocks: any worker takes the next one, and stores it in one transaction.

A worker that is killed takes nothing with it: its transaction is undone, and the block is
read again by another, under another nonce.
"""

from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from insurers.lists.contacts import contact_sealer
from insurers.lists.fingerprints import address_fingerprints, member_fingerprints
from insurers.lists.member_rows import MemberRows, Taken
from insurers.lists.nir import ColumnWatch, check_share
from insurers.lists.parsing import parse_block
from insurers.lists.preparing import Text
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from insurers.lists.tables import copy_members, note_faults
from insurers.lists.uploads import clear_range
from insurers.models import AffectedList, ListBlock, ListState

MAX_ATTEMPTS = 10


class NoLongerReadError(Exception):
    """The list was refused, or is read anew, since this worker took it up."""


@dataclass(frozen=True)
class _Claim:
    block: ListBlock
    attempt: int


class BlockReader:
    """Reads blocks of one reading of one list, one after the other."""

    def __init__(self, affected_list: AffectedList) -> None:
        self._list = affected_list
        self._text = Text.from_json(affected_list.text or {})
        self._rows = MemberRows(
            list_id=affected_list.pk,
            layout=self._text.layout,
            today=timezone.localdate(affected_list.uploaded_at),
            members=member_fingerprints(
                breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id
            ),
            addresses=address_fingerprints(insurer_id=affected_list.insurer_id),
        )

    def read_next(self) -> bool:
        """Read a block that nobody reads; return False where there is none.

        Raises FileRefusedError, IrregularTextError, UploadDamagedError, and NoLongerReadError.
        """
        claim = _claim(self._list.pk)
        if claim is None:
            return False
        if claim.attempt > MAX_ATTEMPTS:
            raise FileRefusedError(Refusal.READING_FAILED)
        with transaction.atomic():
            if _is_held(claim):
                self._store(claim)
        return True

    def _store(self, claim: _Claim) -> None:
        block, text = claim.block, self._text
        content = clear_range(text.upload_id, block.start, block.end)
        if text.encoding not in ("utf-8", "utf-8-sig"):
            content = content.decode(text.encoding).encode()
        cells = parse_block(
            content,
            delimiter=text.delimiter,
            width=text.layout.width,
            first_row=block.first_row,
            records=block.records,
        )
        watch = ColumnWatch.over(text.layout.width)
        watch.see_block(cells.columns)
        check_share(watch, text.layout, at_least=100)
        sealer = contact_sealer(self._list, attempt=claim.attempt)
        taken = self._rows.take(cells, sealer)
        copy_members(self._list.pk, taken.members)
        note_faults(self._list.pk, taken.faults)
        ListBlock.objects.filter(pk=block.pk).update(
            is_read=True, nir_watch=[watch.filled, watch.suspect]
        )
        self._count(block, taken)

    def _count(self, block: ListBlock, taken: Taken) -> None:
        """Show the progress; last in the transaction, since other workers wait for this row."""
        counted = AffectedList.objects.filter(
            pk=self._list.pk, state=ListState.INGESTING, attempt=self._list.attempt
        ).update(
            bytes_read=F("bytes_read") + block.end - block.start,
            rows=F("rows") + taken.rows,
            rows_rejected=F("rows_rejected") + taken.rejected,
        )
        if not counted:
            raise NoLongerReadError


_CLAIM = """
UPDATE insurers_listblock SET attempts = attempts + 1 WHERE id = (
    SELECT id FROM insurers_listblock WHERE list_id = %s AND NOT is_read
    ORDER BY attempts, number LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id, attempts
"""


def _claim(list_id: int) -> _Claim | None:
    """Number a reading of the next block, for good: what it seals has nonces of its own."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [list_id])
        found = cursor.fetchone()
    return _Claim(ListBlock.objects.get(pk=found[0]), found[1]) if found else None


def _is_held(claim: _Claim) -> bool:
    """Lock the block for the transaction, unless another worker numbered a later reading."""
    return (
        ListBlock.objects.select_for_update(skip_locked=True)
        .filter(pk=claim.block.pk, is_read=False, attempts=claim.attempt)
        .exists()
    )


def all_read(list_id: int) -> bool:
    """Whether no block is left to read."""
    return not ListBlock.objects.filter(list_id=list_id, is_read=False).exists()
