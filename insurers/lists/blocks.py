"""Read a list's blocks: any worker takes the next one, and stores it in one transaction.

A worker that is killed takes nothing with it: its transaction is undone, its lock is freed,
and the block is read again by another, under another nonce.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from insurers.lists.contacts import contact_sealer
from insurers.lists.fingerprints import address_fingerprints, member_fingerprints
from insurers.lists.locks import block_lock
from insurers.lists.member_rows import MemberRows, Taken
from insurers.lists.nir import ColumnWatch, check_share
from insurers.lists.parsing import parse_block
from insurers.lists.preparing import Text
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from insurers.lists.repeats import keep_hashes
from insurers.lists.tables import note_faults, rows_copied, table_name
from insurers.lists.uploads import clear_range
from insurers.models import AffectedList, ListBlock, ListState

LOOKED_AT = 64  # blocks that a worker tries, more than there are workers
MAX_ATTEMPTS = 10


class NoLongerReadError(Exception):
    """The list was refused, or is read anew, since this worker took it up."""


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
                breach_id=affected_list.breach_id,
                insurer_id=affected_list.insurer_id,
                version=affected_list.key_version,
            ),
            addresses=address_fingerprints(
                insurer_id=affected_list.insurer_id, number=affected_list.address_key
            ),
        )

    def read_next(self) -> bool:
        """Read a block that nobody reads; return False where there is none.

        Raises FileRefusedError, IrregularTextError, UploadDamagedError, and NoLongerReadError.
        """
        unread = ListBlock.objects.filter(list_id=self._list.pk, is_read=False)
        for block in unread.order_by("attempts", "number")[:LOOKED_AT]:
            with block_lock(block.pk) as held:
                if held and _number_reading(block):
                    self._read(block)
                    return True
        return False

    def _read(self, block: ListBlock) -> None:
        if block.attempts > MAX_ATTEMPTS:
            raise FileRefusedError(Refusal.READING_FAILED)
        with _committed_at_leisure():
            self._store(block)

    def _store(self, block: ListBlock) -> None:
        text = self._text
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
        sealer = contact_sealer(self._list, attempt=block.attempts)
        taken = self._rows.take(cells, sealer)
        with rows_copied(table_name(self._list.pk)) as copy:
            copy.write(taken.members)
        note_faults(self._list.pk, taken.faults)
        ListBlock.objects.filter(pk=block.pk).update(
            is_read=True,
            nir_watch=[watch.filled, watch.suspect],
            policyholders=taken.policyholders,
            dependants=taken.dependants,
            **taken.counts,
        )
        keep_hashes(block, members=taken.member_hashes, addresses=taken.address_hashes)
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


@contextmanager
def _committed_at_leisure() -> Iterator[None]:
    """Commit without waiting for the disk; if the server fails first, it was not done."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        yield


def _number_reading(block: ListBlock) -> bool:
    """Give a reading of a block its number; return False where the block is read already.

    Each reading has its own nonces. The number is committed before anything is sealed under it,
    and the log is written in order: what was sealed is never on disk without its number.
    """
    with _committed_at_leisure():
        unread = ListBlock.objects.filter(pk=block.pk, is_read=False)
        if not unread.update(attempts=F("attempts") + 1):
            return False
    block.refresh_from_db(fields=["attempts"])
    return True


def all_read(list_id: int) -> bool:
    """Whether no block is left to read."""
    return not ListBlock.objects.filter(list_id=list_id, is_read=False).exists()
