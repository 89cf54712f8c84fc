"""How fast a list is compared with earlier ones, and published: `make bench-comparison ROWS=…`.

Lists are made by SQL, as a reading leaves them, so that only comparing is timed. The floor of
each comparison is one join of the two tables on the fingerprint that counts what it finds; the
floor of a report without earlier lists is one scan of its index alone.
"""

import argparse
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.figures import note, say, say_machine
from benchmarks.ingest import MILLION, organisation
from benchmarks.stage import Stage, servers

if TYPE_CHECKING:
    from insurers.models import AffectedList, Breach, Insurer

# Of ten people, nine stay and one is another; one in fifty of those who stay changes its address;
# every third shares its address with the one before.
MEMBERS = """
INSERT INTO {table} (list_id, ordinal, key_version, contact_flags, name_tag, fingerprint,
    email_fingerprint, phone_fingerprint, contact)
SELECT {list}, n + 1, 1, 0, 1 + n %% 1000000, md5((n + {shift} * (n %% 10 = 0)::int)::text)::uuid,
    md5('e' || n - (n %% 3 = 1)::int || CASE WHEN n %% 50 = 1 THEN {shift} ELSE 0 END)::uuid,
    CASE WHEN n %% 10 > 2 THEN md5('p' || n)::uuid END,
    decode(repeat(md5(n::text), 4), 'hex')
FROM generate_series(1, {rows}) AS n ORDER BY n
"""
COUNTS = """
SELECT count(*), count(email_fingerprint), count(phone_fingerprint),
    count(*) FILTER (WHERE email_fingerprint IS NULL AND phone_fingerprint IS NULL)
FROM {table}
"""
COUNTED = ("members", "members_with_email", "members_with_phone", "members_without_contact")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=MILLION)
    rows = parser.parse_args().rows
    say_machine()
    with servers() as stage:
        first_list(stage, rows)
        for effect in ("add", "replace", "withdraw"):
            for is_in_use in (False, True):
                later_list(stage, rows, effect, is_in_use=is_in_use)


def first_list(stage: Stage, rows: int) -> None:
    """Measure a list that nothing comes before."""
    place = Place(*organisation("first"))
    found = place.make_list(rows)
    floor = seconds(stage, f"SELECT count(*) FROM {place.table(found)}", only_index=True)
    with timed() as report:
        place.report(found)
    beyond = (report.seconds - floor) * MILLION / rows
    say("report without earlier lists, beyond its floor", beyond, "s/M", target=0.2, at_most=True)
    with timed() as published:
        place.publish(found)
    say("publish add, no earlier list", published.seconds, "s", target=1, at_most=True)


def later_list(stage: Stage, rows: int, effect: str, *, is_in_use: bool) -> None:
    """Measure a list of the same people, one in ten apart, after one that is in use or not."""
    from insurers.models import AffectedList

    place = Place(*organisation(f"{effect}-{is_in_use}"))
    earlier = place.make_list(rows)
    place.report(earlier)
    place.publish(earlier)
    AffectedList.objects.filter(pk=earlier.pk).update(is_in_use=is_in_use)
    later = place.make_list(rows, effect=effect, shift=100 * MILLION)
    floor = seconds(
        stage,
        f"SELECT count(*) FROM {place.table(earlier)} JOIN {place.table(later)}"
        " USING (fingerprint)",
    )
    name = effect + (", list in use" if is_in_use else "")
    with timed() as report:
        place.report(later)
    say(f"compare {name}", report.seconds, "s", floor=floor, target=3, at_most=True)
    with timed() as published:
        place.publish(later)
    say(f"publish {name}", published.seconds * MILLION / rows, "s/M", target=10, at_most=True)
    if effect == "add" and is_in_use:
        error_lines(later)
        report_page(later)


def error_lines(found: "AffectedList") -> None:
    """Say how fast the error file leaves, and how much memory it takes."""
    from insurers.lists.error_file import error_file

    tracemalloc.start()
    for _piece in error_file(found):
        pass
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    say("memory of an error file", memory / 2**20, "MB", target=20, at_most=True)
    lines = 0
    with timed() as written:
        for piece in error_file(found):
            lines += piece.count("\n")
    say("error file", lines / written.seconds, "rows/s")


def report_page(found: "AffectedList") -> None:
    """Say how long the list's page takes, for somebody who prepares."""
    from benchmarks.pages import seconds_to_open

    say("report page", 1000 * seconds_to_open(found), "ms", target=100, at_most=True)


@dataclass
class Place:
    """A breach and an insurer, and what happens to its lists."""

    breach: "Breach"
    insurer: "Insurer"

    def make_list(self, rows: int, *, effect: str = "add", shift: int = 0) -> "AffectedList":
        """Make a list whose people are read, indexed and counted."""
        from django.db import connection
        from django.utils import timezone

        from insurers.lists.fingerprint_keys import pin_keys
        from insurers.lists.tables import indexes_built, make_table, table_name
        from insurers.models import AffectedList, ListState, Operator, Population

        note(f"making a list of {rows}")
        found = AffectedList.objects.create(
            breach=self.breach,
            insurer=self.insurer,
            population=Population.objects.get(code="insured_people"),
            effect=effect,
            state=ListState.REVIEW,
            upload_id=uuid4(),
            chunk_count=0,
            size_bytes=1,
            rows=rows,
            uploaded_at=timezone.now(),
        )
        found.operators.set(Operator.objects.all())
        pin_keys(affected_list=found, now=timezone.now())
        make_table(found.pk)
        with connection.cursor() as cursor:
            cursor.execute(
                MEMBERS.format(
                    table=table_name(found.pk), list=found.pk, rows=rows, shift=shift
                ).replace("%%", "%")
            )
        with indexes_built(found.pk), connection.cursor() as cursor:
            cursor.execute(COUNTS.format(table=table_name(found.pk)))
            counts = dict(zip(COUNTED, cursor.fetchone() or (), strict=True))
        AffectedList.objects.filter(pk=found.pk).update(**counts)
        found.refresh_from_db()
        return found

    def table(self, found: "AffectedList") -> str:
        from insurers.lists.tables import table_name

        return table_name(found.pk)

    def report(self, found: "AffectedList") -> None:
        from django.db import transaction

        from insurers.lists.repeats import Shared
        from insurers.lists.report import write_report

        with transaction.atomic():
            write_report(list_id=found.pk, counts=vars(found), shared=Shared(0, 0))

    def publish(self, found: "AffectedList") -> None:
        from django.utils import timezone

        from insurers.lists.acceptance import accept

        accept(affected_list=found, decided_by=None, now=timezone.now())


@dataclass
class Clock:
    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    """Time the block."""
    clock, started = Clock(), time.monotonic()
    yield clock
    clock.seconds = time.monotonic() - started


def seconds(stage: Stage, statement: str, *, only_index: bool = False) -> float:
    """Return the seconds of a statement, the best of three, with memory for a join."""
    best = float("inf")
    with stage.superuser() as conn:
        conn.execute("SET work_mem = '256MB'")
        conn.execute(f"SET enable_seqscan = {'off' if only_index else 'on'}")
        for _ in range(3):
            with timed() as clock:
                conn.execute(statement).fetchall()
            best = min(best, clock.seconds)
    return best


if __name__ == "__main__":
    main()
