"""Bring the fingerprints of a list under a newer key version: HMAC(Kn, …), without identifiers.

Rows go out of the old table and into the new one as COPY's binary rows; only the version and
the fingerprint change. One connection reads while the other writes.
"""

import struct
from collections.abc import Iterator
from uuid import UUID

from django.db import connections
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn

from insurers.lists.byte_columns import split
from insurers.lists.copy_format import COPY_END, COPY_START
from insurers.lists.fingerprint_keys import (
    UnknownKeyVersionError,
    breach_key_name,
    version_for_new_rows,
)
from insurers.lists.fingerprints import (
    FINGERPRINT_BYTES,
    MemberFingerprints,
    member_fingerprints,
)
from insurers.lists.locks import fingerprints_stand_still
from insurers.lists.rewriting import rewrite_table
from insurers.lists.tables import member_columns
from insurers.models import AffectedList, FingerprintKey, KeyState

_HASHED_ROWS = 4096  # at once: a column is hashed quickly where it is long
_BATCH_ROWS = 128  # about 24 KB: libpq takes small pieces twice as fast as large ones
# A row begins with its number of fields, then version and fingerprint, each after its length.
_BEGINNING = struct.Struct(">hihi")
_FINGERPRINT = _BEGINNING.size
_REST = _FINGERPRINT + FINGERPRINT_BYTES
_END = -1  # what libpq answers after the last row


class ReadingInterruptedError(Exception):
    """PostgreSQL stopped giving the rows of a table."""


def fingerprints_agree(*, breach_id: int, insurer_id: UUID) -> bool:
    """Whether all fingerprints of an insurer in a breach are of one version, until commit.

    Ask before comparing those of different rows, in the same transaction; where the answer is
    no, a rotation is under way: try again later (the sweeps do).
    """
    if not fingerprints_stand_still(breach_id, insurer_id):
        return False
    wrapping = FingerprintKey.objects.filter(breach_id=breach_id, state=KeyState.WRAPPING).first()
    return wrapping is None or str(insurer_id) in wrapping.insurers_done


def is_comparable(affected_list: AffectedList) -> bool:
    """Whether a list that was brought up to date can be compared with others, until commit."""
    return (
        fingerprints_agree(breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id)
        and version_for_new_rows(affected_list.breach_id) == affected_list.key_version
    )


def bring_up_to_date(affected_list: AffectedList) -> None:
    """Wrap a list's fingerprints up to the version of new rows (worker only, under its lock)."""
    members = member_fingerprints(
        breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id
    )
    wrap_list(affected_list, members)


def wrap_list(affected_list: AffectedList, members: MemberFingerprints) -> None:
    """Wrap a list up to the version of `members`; nothing happens where that is done.

    Raises UnknownKeyVersionError where the list is of a version newer than any key.
    """
    version = affected_list.key_version
    if version > members.version:
        raise UnknownKeyVersionError(breach_key_name(affected_list.breach_id, version))
    if version == members.version:
        return

    def note_version() -> None:
        AffectedList.objects.filter(pk=affected_list.pk).update(key_version=members.version)

    rewrite_table(
        affected_list.pk,
        fill=lambda old, new: _copy_wrapped(affected_list, members, old, new),
        then=note_version,
    )
    affected_list.key_version = members.version


def _copy_wrapped(
    affected_list: AffectedList, members: MemberFingerprints, old: str, new: str
) -> None:
    version = affected_list.key_version
    _refuse_other_versions(affected_list, old)
    columns = _columns()
    writer = connections["default"]
    reader = writer.copy()
    try:
        reader.ensure_connection()
        pgconn = reader.connection.pgconn
        out = f"COPY {old} ({columns}) TO STDOUT (FORMAT BINARY)"
        # Frozen rows are written once; no vacuum has to look at them again.
        into = f"COPY {new} ({columns}) FROM STDIN (FORMAT BINARY, FREEZE)"
        with writer.wrap_database_errors, writer.cursor() as cursor, cursor.copy(into) as copy:
            copy.write(COPY_START)
            for batch in _wrapped(pgconn, out, members, version):
                copy.write(batch)
            copy.write(COPY_END)
    finally:
        reader.close()


def _refuse_other_versions(affected_list: AffectedList, table: str) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            f"SELECT key_version FROM {table} WHERE key_version <> %s LIMIT 1",
            [affected_list.key_version],
        )
        if (other := cursor.fetchone()) is not None:
            raise UnknownKeyVersionError(breach_key_name(affected_list.breach_id, other[0]))


def _columns() -> str:
    """Return all columns, the two that change first."""
    changing = ["key_version", "fingerprint"]
    return ", ".join(changing + [name for name in member_columns() if name not in changing])


def _wrapped(
    pgconn: PGconn, statement: str, members: MemberFingerprints, version: int
) -> Iterator[bytes]:
    """Yield the rows of a binary COPY under the newest version, many at a time.

    Rows are taken from libpq itself, several times quicker than psycopg gives them.
    """
    if pgconn.exec_(statement.encode()).status != ExecStatus.COPY_OUT:
        raise ReadingInterruptedError
    beginning = _BEGINNING.pack(len(member_columns()), 2, members.version, 16)
    take, rows = pgconn.get_copy_data, list[memoryview]()
    size, row = take(0)
    row = row[len(COPY_START) :]
    while size > 0:
        if len(row) > len(COPY_END):
            rows.append(row)
            if len(rows) == _HASHED_ROWS:
                yield from _batches(beginning, rows, members, version)
                rows.clear()
        size, row = take(0)
    result = pgconn.get_result()
    if size != _END or result is None or result.status != ExecStatus.COMMAND_OK:
        raise ReadingInterruptedError
    yield from _batches(beginning, rows, members, version)


def _batches(
    beginning: bytes, rows: list[memoryview], members: MemberFingerprints, version: int
) -> Iterator[bytes]:
    old = b"".join([row[_FINGERPRINT:_REST] for row in rows])
    new = split(members.wrap(old, version=version), FINGERPRINT_BYTES)
    parts: list[bytes | memoryview] = []
    for row, fingerprint in zip(rows, new, strict=True):
        parts += (beginning, fingerprint, row[_REST:])
    size = 3 * _BATCH_ROWS
    for start in range(0, len(parts), size):
        yield b"".join(parts[start : start + size])
