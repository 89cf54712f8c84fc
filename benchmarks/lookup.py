"""How long finding one person takes as lists grow: `make bench-lookup` (ROWS=33000000).

Rows have random fingerprints, but for some people whose own are among them. Each look-up is the
worker's: fingerprints of every key version, one indexed query. Both lists take turns.
"""

import argparse
import random
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.figures import note, say, say_machine
from benchmarks.stage import servers

if TYPE_CHECKING:
    from insurers.models import AffectedList

FEW = 1_000_000
KNOWN = 2_000
TIMES = 4_000
BORN = "1980-03-12"
SLICE = 1_000_000

# One in so many rows is somebody known: they lie all over the table.
FILL = """
INSERT INTO {table} (list_id, ordinal, key_version, contact_flags, name_tag, fingerprint,
    email_fingerprint, contact)
SELECT %(list)s, n, 1, 0, n, coalesce(
        CASE WHEN n %% %(every)s = 0 THEN (%(known)s::uuid[])[n / %(every)s] END, gen_random_uuid()
    ),
    gen_random_uuid(), decode(repeat('00', 72), 'hex')
FROM generate_series(%(first)s::int, %(last)s::int) AS n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=33_000_000)
    options = parser.parse_args()
    say_machine()
    with servers() as stage:
        lists = {rows: filled(rows) for rows in (FEW, options.rows)}
        with stage.superuser() as conn:
            conn.execute("VACUUM ANALYZE members.affected_member")
        took: dict[int, list[float]] = {rows: [] for rows in lists}
        for rows, found in lists.items():
            look_up(found, took=[], times=KNOWN)  # What is read for the first time.
            note(f"{rows} rows are warm")
        for _ in range(4):
            for rows, found in lists.items():
                look_up(found, took=took[rows], times=TIMES // 4)
        few, many = (1000 * statistics.median(took[rows]) for rows in (FEW, options.rows))
        say(f"look-up among {FEW} rows, median", few, "ms")
        say(
            f"look-up among {options.rows} rows, median",
            many,
            "ms",
            floor=few,
            target=1.3,
            at_most=True,
        )
        few, many = (
            1000 * statistics.quantiles(took[rows], n=100)[98] for rows in (FEW, options.rows)
        )
        say(f"look-up among {options.rows} rows, 99th percentile", many, "ms", floor=few)


def filled(rows: int) -> "AffectedList":
    """Return an accepted list of so many members."""
    from functools import partial

    from benchmarks.outbox import approved_campaign

    note(f"writing {rows} members")
    campaign = approved_campaign(rows, name=f"lookup-{rows}", fill=partial(fill, rows=rows))
    return campaign.affected_list


def fill(found: "AffectedList", *, rows: int) -> None:
    """Write the members of a list, known people among them."""
    from django.db import connection
    from django.utils import timezone

    from insurers.lists.byte_columns import split
    from insurers.lists.fingerprint_keys import pin_keys
    from insurers.lists.fingerprints import FINGERPRINT_BYTES, member_fingerprints
    from insurers.lists.tables import table_name

    pin_keys(affected_list=found, now=timezone.now())
    members = member_fingerprints(breach_id=found.breach_id, insurer_id=found.insurer_id)
    people = [(number(n), BORN, "") for n in range(KNOWN)]
    known = [one.hex() for one in split(members.all_versions(people)[0], FINGERPRINT_BYTES)]
    every = rows // KNOWN
    statement = FILL.format(table=table_name(found.pk))
    with connection.cursor() as cursor:
        for first in range(1, rows + 1, SLICE):
            values = {"list": found.pk, "first": first, "last": min(first + SLICE - 1, rows)}
            cursor.execute(statement, values | {"known": known, "every": every})


def number(n: int) -> str:
    """Return a member number."""
    return f"{n:09d}"


def look_up(found: "AffectedList", *, took: list[float], times: int) -> None:
    """Find people of a list in any order, and note how long each took."""
    from insurers.lists.finding import find_member

    chance = random.Random(7)
    for n in chance.sample(range(KNOWN), min(times, KNOWN)):
        started = time.perf_counter()
        places = find_member(
            breach_id=found.breach_id,
            insurer_id=found.insurer_id,
            identifier=number(n),
            birth_date=BORN,
        )
        took.append(time.perf_counter() - started)
        assert [place.list_id for place in places] == [found.pk], places


if __name__ == "__main__":
    main()
