"""Measure the rotation of a breach's key and the purges, against COPY of the same table.

python -m benchmarks.rotation [ROWS]     starts servers of its own; prints a JSON object a line
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from breachportal.embedded.postgres import start_cluster
from breachportal.embedded.redis import start_redis
from breachportal.embedded.state import generate_secrets

DATABASE = "bench"
ROWS = 5_000_000
TOLD_SHARE = 5  # one person in so many was told already
# The longest sealed contact among 5,000 fictional members (55 bytes is their mean): every member
# here has a name, an e-mail address and a mobile number.
CONTACT_BYTES = 82

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
SELECT l.breach_id, l.insurer_id, o.operator_id, m.fingerprint, m.name_tag, 1, 1, 1, m.ordinal
FROM affected_member m JOIN insurers_affectedlist l ON l.id = m.list_id
    JOIN insurers_affectedlist_operators o ON o.affectedlist_id = l.id
WHERE m.ordinal %% %s = 0
"""


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    # A cluster that survives a power cut, as in production: tests have one that does not.
    cluster = start_cluster(folder / "servers", runtime=folder)
    redis = start_redis(folder / "servers", runtime=folder)
    try:
        cluster.provision(DATABASE)
        _prepare_django(folder, cluster.sockets)
        measure(rows)
    finally:
        redis.stop()
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _prepare_django(folder: Path, sockets: Path) -> None:
    os.environ |= generate_secrets() | {
        "DJANGO_SETTINGS_MODULE": "breachportal.settings",
        "PORTAL_ROLE": "worker",
        "PORTAL_DEMO": "1",
        "PORTAL_URL": "http://localhost",
        "DATABASE_URL_WORKER": f"postgresql://postgres@/{DATABASE}?host={sockets}",
        "DATABASE_URL_OWNER": f"postgresql://breachportal_owner@/{DATABASE}?host={sockets}",
        "REDIS_URL": f"unix://{folder}/redis.sock?db=0",
        "UPLOAD_DIR": str(folder / "uploads"),
        "KEY_STORE_DIR": str(folder / "keys"),
    }
    command = [sys.executable, "manage.py", "migrate", "-v", "0"]
    subprocess.run(command, check=True, env=os.environ | {"PORTAL_ROLE": "owner"})
    import django

    django.setup()


def measure(rows: int) -> None:
    """Make a list of so many members and print each figure."""
    from django.db import connection
    from django.utils import timezone

    from insurers.lists.purging import purge_contacts, purge_list, run_purge
    from insurers.lists.rotation import announce_key, start_wrapping, wrap_breach

    affected_list = _accepted_list(rows)
    floor = rows / timed(lambda: _copy_out_and_in(affected_list.pk))
    say(figure="member_bytes", value=bytes_a_member(1, rows), unit="B", target=240, at_most=True)

    def rotate() -> None:
        key = announce_key(breach=affected_list.breach, now=timezone.now())
        start_wrapping(key=key, now=timezone.now())
        assert wrap_breach(breach_id=affected_list.breach_id, now=timezone.now())

    speed = rows / timed(rotate)
    say(
        figure="rotation",
        value=speed,
        unit="rows/s",
        floor=floor,
        ratio=speed / floor,
        target=300_000,
    )
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # No campaign is needed.
        cursor.execute(TOLD.replace("1, 1, 1, m.ordinal", "2, 1, 1, m.ordinal"), [TOLD_SHARE])
        told = cursor.rowcount
        cursor.execute("RESET session_replication_role")
    speed = told / timed(rotate, without=rows / speed)
    say(figure="rotation_of_told", value=speed, unit="rows/s")

    def purge(ask: Callable[..., Any]) -> None:
        asked = ask(affected_list=affected_list, requested_by=None, now=timezone.now())
        run_purge(purge_id=asked.pk, now=timezone.now())

    say(figure="purge_of_contacts", value=timed(lambda: purge(purge_contacts)), unit="s")
    say(
        figure="member_bytes_after_purge",
        value=bytes_a_member(1, rows),
        unit="B",
        target=120,
        at_most=True,
    )
    say(
        figure="purge_of_list",
        value=timed(lambda: purge(purge_list)),
        unit="s",
        target=2,
        at_most=True,
    )


def bytes_a_member(list_id: int, members: int) -> float:
    """Return what a member of a list takes, table and indexes together."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s)", [f"members.list_{list_id:d}"])
        (size,) = cursor.fetchone() or (0,)
    return float(size) / members


def timed(step: Callable[[], None], *, without: float = 0.0) -> float:
    """Return the seconds that a step takes, less a part that is known."""
    start = time.monotonic()
    step()
    return time.monotonic() - start - without


def say(**figure: Any) -> None:
    print(
        json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in figure.items()}),
        flush=True,
    )


def _accepted_list(rows: int) -> Any:
    from django.db import connection
    from django.utils import timezone

    from insurers.lists.fingerprint_keys import make_keys
    from insurers.lists.tables import attach_table, index_table, make_table
    from insurers.models import AffectedList
    from tests import cast

    affected_list = AffectedList.objects.create(
        id=1,
        breach=cast.breach(),
        insurer=cast.phare(),
        population=cast.insured_people(),
        state="accepted",
        upload_id="00000000-0000-0000-0000-000000000001",
        chunk_count=0,
        size_bytes=0,
        attempt=1,
        uploaded_at=timezone.now(),
        members=rows,
    )
    affected_list.operators.set([cast.operator()])
    make_keys(
        breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id, now=timezone.now()
    )
    make_table(1)
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(contact=CONTACT_BYTES), [rows])
    index_table(1)
    attach_table(1)
    return affected_list


def _copy_out_and_in(list_id: int) -> None:
    """The floor: the same rows out and into a table like it by COPY, indexed, nothing changed."""
    from django.db import connection, transaction

    from insurers.lists.tables import build_indexes, table_name

    table = table_name(list_id)
    reader = connection.copy()
    reader.ensure_connection()
    with transaction.atomic(), connection.cursor() as cursor, reader.cursor() as source:
        cursor.execute(f"CREATE TABLE {table}_floor (LIKE {table})")
        out = source.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)")
        into = cursor.copy(f"COPY {table}_floor FROM STDIN (FORMAT BINARY, FREEZE)")
        with out as rows, into as copy:
            pgconn = reader.connection.pgconn
            batch: list[Any] = []
            while (row := pgconn.get_copy_data(0))[0] > 0:
                batch.append(row[1])
                if len(batch) == 128:
                    copy.write(b"".join(batch))
                    batch.clear()
            copy.write(b"".join(batch))
            assert rows
        build_indexes(f"{table}_floor")
        cursor.execute(f"DROP TABLE {table}_floor")
    reader.close()


if __name__ == "__main__":
    main()
