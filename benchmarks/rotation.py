"""How fast a breach's key is rotated and a list purged, against COPY of the same table.

python -m benchmarks.rotation [--rows ROWS]     a PostgreSQL and a Redis of its own
"""

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.figures import note, say, say_machine
from benchmarks.stage import Stage, servers

if TYPE_CHECKING:
    from insurers.models import AffectedList

MILLION = 1_000_000
TOLD_SHARE = 5  # one person in so many has a claim, and a message
# The longest sealed contact among 5,000 fictional members (56 bytes is their mean): every member
# here has a name, an e-mail address and a mobile number.
CONTACT_BYTES = 83

FILL = """
INSERT INTO members.list_1
    (list_id, ordinal, key_version, contact_flags, name_tag, fingerprint, email_fingerprint,
     phone_fingerprint, contact)
SELECT 1, n, 1, 0, n, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
    substring(decode(repeat(md5(n::text), 6), 'hex') FOR {contact})
FROM generate_series(2, %s + 1) AS n
"""
TOLD = """
INSERT INTO notifications_told (breach_id, insurer_id, operator_id, fingerprint, name_tag,
    key_version, campaign_id, list_id, ordinal)
SELECT l.breach_id, l.insurer_id, o.operator_id, m.fingerprint, m.name_tag, m.key_version, 1, 1,
    m.ordinal
FROM members.affected_member m JOIN insurers_affectedlist l ON l.id = m.list_id
    JOIN insurers_affectedlist_operators o ON o.affectedlist_id = l.id
WHERE m.ordinal %% %s = 0
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5 * MILLION)
    options = parser.parse_args()
    say_machine()
    with servers() as stage:
        note(f"filling a list of {options.rows} members")
        measure(stage, accepted_list(options.rows), options.rows)


def measure(stage: Stage, affected_list: "AffectedList", rows: int) -> None:
    """Print each figure."""
    from django.utils import timezone

    from insurers.lists.purging import purge_contacts, purge_list, run_purge
    from insurers.lists.rotation import announce_key, start_wrapping, wrap_breach
    from insurers.models import AffectedList, ListState

    floor = rows / timed(lambda: copy_out_and_in(affected_list.pk))
    say("member, table and indexes", bytes_a_member(rows), "B", target=240, at_most=True)

    def rotate() -> float:
        key = announce_key(breach=affected_list.breach, now=timezone.now())
        start_wrapping(key=key, now=timezone.now())  # Waits for workers: not counted.
        return timed(lambda: wrap_breach(breach_id=affected_list.breach_id, now=timezone.now()))

    seconds = rotate()
    say("fingerprints wrapped", rows / seconds, "rows/s", target=300_000)
    say("fingerprints wrapped, against COPY", rows / seconds, "rows/s", floor=floor)
    told = fill_told(stage)
    # What is left of the second rotation once its lists are taken off is who was told.
    say("claims wrapped", told / max(rotate() - seconds, 0.001), "rows/s")
    AffectedList.objects.filter(pk=affected_list.pk).update(state=ListState.WITHDRAWN)

    def purge(ask: Callable[..., Any]) -> None:
        asked = ask(affected_list=affected_list, requested_by=None, now=timezone.now())
        run_purge(purge_id=asked.pk, now=timezone.now())

    say("contacts purged", timed(lambda: purge(purge_contacts)), "s")
    say("member without contacts", bytes_a_member(rows), "B", target=120, at_most=True)
    say("list purged", timed(lambda: purge(purge_list)), "s", target=2, at_most=True)


def bytes_a_member(members: int) -> float:
    """Return what a member of the list takes, table and indexes together."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('members.list_1')")
        (size,) = cursor.fetchone() or (0,)
    return float(size) / members


def timed(step: Callable[[], object]) -> float:
    """Return the seconds that a step takes."""
    start = time.monotonic()
    step()
    return time.monotonic() - start


def accepted_list(rows: int) -> "AffectedList":
    """Make an accepted list of so many members, keys and all, without reading a file."""
    from django.db import connection
    from django.utils import timezone

    from benchmarks.ingest import organisation
    from insurers.lists.contacts import make_data_key
    from insurers.lists.fingerprint_keys import pin_keys
    from insurers.lists.ingestion import operators_for
    from insurers.lists.tables import attach_table, indexes_built, make_table
    from insurers.models import AffectedList, ListState, Population

    breach, insurer = organisation("rotation")
    affected_list = AffectedList.objects.create(
        id=1,
        breach=breach,
        insurer=insurer,
        population=Population.objects.get(code="insured_people"),
        state=ListState.ACCEPTED,
        upload_id="00000000-0000-0000-0000-000000000001",
        chunk_count=0,
        size_bytes=0,
        attempt=1,
        uploaded_at=timezone.now(),
        members=rows,
    )
    affected_list.operators.set(operators_for(breach=breach, insurer=insurer))
    pin_keys(affected_list=affected_list, now=timezone.now())
    make_data_key(affected_list)
    make_table(1)
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(contact=CONTACT_BYTES), [rows])
    with indexes_built(1):
        pass
    attach_table(1)
    return affected_list


def fill_told(stage: Stage) -> int:
    """Claim one person in TOLD_SHARE; return how many."""
    with stage.superuser() as conn, conn.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # No campaign is needed.
        cursor.execute(TOLD, [TOLD_SHARE])
        return cursor.rowcount


def copy_out_and_in(list_id: int) -> None:
    """The floor: the same rows out and into a table like it by COPY, indexed, nothing changed."""
    from django.db import connection, transaction

    from insurers.lists.memory import memory_to_build
    from insurers.lists.tables import build_indexes, table_name

    table = table_name(list_id)
    reader = connection.copy()
    reader.ensure_connection()
    with transaction.atomic(), connection.cursor() as cursor, reader.cursor() as source:
        cursor.execute(f"CREATE TABLE {table}_floor (LIKE {table})")
        out = source.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)")
        into = cursor.copy(f"COPY {table}_floor FROM STDIN (FORMAT BINARY, FREEZE)")
        with out, into as copy:
            take, batch = reader.connection.pgconn.get_copy_data, list[Any]()
            size, row = take(0)
            while size > 0:
                batch.append(row)
                if len(batch) == 128:
                    copy.write(b"".join(batch))
                    batch.clear()
                size, row = take(0)
            copy.write(b"".join(batch))
        with memory_to_build(cursor):
            build_indexes(f"{table}_floor")
        cursor.execute(f"DROP TABLE {table}_floor")
    reader.close()


if __name__ == "__main__":
    main()
