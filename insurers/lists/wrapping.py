"""Bring the fingerprints of a list under a newer key version: HMAC(Kn, …), without identifiers.

Rows are read by column, and come back with other fingerprints, as `COPY` takes them: PostgreSQL
takes three times as long to write the rows of an `INSERT … SELECT`. One connection reads the next
ones while the other writes. Contacts stay sealed.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from uuid import UUID

import numpy as np
from django.db import connection
from psycopg import Cursor

from insurers.lists.copy_format import MemberColumns, rows_with
from insurers.lists.fingerprint_keys import (
    UnknownKeyVersionError,
    breach_key_name,
    version_for_new_rows,
)
from insurers.lists.fingerprints import (
    Addresses,
    MemberFingerprints,
    member_fingerprints,
)
from insurers.lists.locks import fingerprints_stand_still
from insurers.lists.rewriting import rewrite_table
from insurers.lists.tables import rows_copied
from insurers.models import AffectedList, FingerprintKey, KeyState

_PAGES = 500  # of 8 KB at once, some 20,000 members: a column is hashed quickly where it is long
_HAS_EMAIL, _HAS_PHONE = 256, 512  # beside the bits of contact_flags
_READ = f"""
SELECT max(key_version) FILTER (WHERE key_version <> %s),
    string_agg(int4send(ordinal), ''), string_agg(int4send(name_tag), ''),
    string_agg(int4send(contact_flags
        | CASE WHEN email_fingerprint IS NULL THEN 0 ELSE {_HAS_EMAIL} END
        | CASE WHEN phone_fingerprint IS NULL THEN 0 ELSE {_HAS_PHONE} END), ''),
    string_agg(uuid_send(fingerprint), ''), string_agg(uuid_send(email_fingerprint), ''),
    string_agg(uuid_send(phone_fingerprint), ''),
    string_agg(int4send(coalesce(octet_length(contact), 0)), ''), string_agg(contact, '')
FROM {{table}} WHERE ctid >= %s::tid AND ctid < %s::tid
"""


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
    with ThreadPoolExecutor(max_workers=1) as thread, rows_copied(new) as copy:
        try:
            for rows in _ahead(thread, _wrapped(affected_list, members, old)):
                copy.write(rows)
        finally:
            thread.submit(_close_connection)


def _close_connection() -> None:
    connection.close()  # Each thread has its own.


def _ahead(thread: Executor, pieces: Iterator[memoryview]) -> Iterator[memoryview]:
    """Yield what an iterator yields, whose next value is made in a thread meanwhile."""
    later = thread.submit(next, pieces, None)
    while (piece := later.result()) is not None:
        later = thread.submit(next, pieces, None)
        yield piece


def _wrapped(
    affected_list: AffectedList, members: MemberFingerprints, table: str
) -> Iterator[memoryview]:
    """Yield the table's rows for COPY, by stretches of pages: an index may not be there yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s) / current_setting('block_size')::int", [table])
        (pages,) = cursor.fetchone()
    # Django's own cursors know no binary results, half as long.
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        for first in range(0, pages, _PAGES):
            stretch = (affected_list.key_version, f"({first},0)", f"({first + _PAGES},0)")
            cursor.execute(_READ.format(table=table), stretch, binary=True)
            found = cursor.fetchone()
            assert found is not None
            other_version, *columns = found
            if other_version is not None:
                raise UnknownKeyVersionError(
                    breach_key_name(affected_list.breach_id, other_version)
                )
            if any(columns):
                yield _rows(affected_list, members, *(value or b"" for value in columns))


def _rows(
    affected_list: AffectedList,
    members: MemberFingerprints,
    ordinals: bytes,
    tags: bytes,
    flags: bytes,
    fingerprints: bytes,
    emails: bytes,
    phones: bytes,
    sizes: bytes,
    contacts: bytes,
) -> memoryview:
    found = np.frombuffer(flags, ">i4")
    columns = MemberColumns(
        ordinals=np.frombuffer(ordinals, ">i4"),
        flags=(found & 255).astype(np.uint8),
        tags=np.frombuffer(tags, ">u4"),
        fingerprints=members.wrap(fingerprints, version=affected_list.key_version),
        emails=Addresses(found & _HAS_EMAIL > 0, emails),
        phones=Addresses(found & _HAS_PHONE > 0, phones),
    )
    return rows_with(
        contacts,
        np.frombuffer(sizes, ">i4").astype(np.int64),
        columns,
        list_id=affected_list.pk,
        key_version=members.version,
    )
