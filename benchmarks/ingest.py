"""How fast a list is read: `make bench-ingest ROWS=5000000`.

From a closed file (sealed, on disk) to an accepted list that look-ups find, by real Celery
workers on production settings. The floor is `COPY … BINARY` of the same rows, fingerprinted
and sealed already, into the same kind of table, its indexes built and the partition attached.

National size, and its memory against that of five million, by `make bench-ingest ROWS=33000000
ARGS='--no-peers --memory-of 5000000'`: half an hour and 40 GB of disk.
"""

import argparse
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import note, say, say_machine
from benchmarks.memory import MemoryWatch
from benchmarks.stage import Stage, processor_seconds, servers, wait_until, workers

if TYPE_CHECKING:
    from insurers.models import AffectedList, Breach, Insurer

PROCESSES = 2
MILLION = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5 * MILLION)
    parser.add_argument("--no-peers", action="store_true", help="the portal and its floor only")
    parser.add_argument(
        "--memory-of",
        type=int,
        metavar="ROWS",
        help="read so many rows first, by other workers, and compare the memory with theirs",
    )
    parser.add_argument(
        "--recorded-memory", type=float, metavar="MB", help="compare with this peak instead"
    )
    options = parser.parse_args()
    say_machine()
    with servers() as stage:
        from benchmarks import peers

        usual = (options.recorded_memory or 0) * 2**20
        if options.memory_of:
            usual = measured(stage, "usual", rows=options.memory_of).memory
        file = stage.folder / "members.csv"
        run = measured(stage, "measured", rows=options.rows)
        found = lookup(run.affected_list, file)
        rate = options.rows / run.seconds
        before = processor_seconds(stage.cluster.process.pid)
        floor_seconds = floor(stage, run.affected_list)
        floor_used = processor_seconds(stage.cluster.process.pid) - before
        floor_rate = run.affected_list.members / floor_seconds
        say("rows ingested", rate, "rows/s", floor=floor_rate, target=0.45)
        for name, seconds in run.phases.items():
            say(f"time {name}", seconds, "s")
        # These hardly move with what else the machine does, as rates do.
        say("processor time, workers", run.workers_used, "s")
        say("processor time, PostgreSQL", run.servers_used, "s", floor=floor_used)
        say("member found by a look-up", float(found), "member", target=1)
        say_memory(run, usual)
        if run.first and run.last and options.rows > 2 * MILLION:
            say("last million", run.last, "s", peer=run.first, target=1.3, at_most=True)
        size_by_member(stage, run.affected_list)
        report_page(run.affected_list)
        if not options.no_peers:
            peers.measure(stage, rate)


@dataclass
class Run:
    """One list, taken from a closed file to accepted."""

    affected_list: "AffectedList"
    seconds: float
    phases: dict[str, float]
    memory: int
    fifths: tuple[float, float] | None
    """Of a worker's memory, while it read: the second and the last."""
    first: float = 0.0
    last: float = 0.0
    workers_used: float = 0.0
    servers_used: float = 0.0
    """Seconds of processor time."""
    samples: list[tuple[float, int]] = field(default_factory=list)


def measured(stage: Stage, name: str, *, rows: int) -> Run:
    """Take a file of so many rows, by workers of its own; `members.csv` stays."""
    from benchmarks.members import write_members

    file, warm = stage.folder / "members.csv", stage.folder / "warm.csv"
    note(f"writing {rows} rows")
    write_members(file, rows=rows)
    write_members(warm, rows=20_000, seed=1)
    with workers(stage, processes=PROCESSES) as worker:
        # The workers start, connect and load polars before anything is timed.
        take(warm, *organisation(f"warm-{name}"), worker.pid)
        pids = worker.pid, stage.cluster.process.pid
        before = [processor_seconds(pid) for pid in pids]
        run = take(file, *organisation(name), worker.pid)
        run.workers_used, run.servers_used = (
            processor_seconds(pid) - used for pid, used in zip(pids, before, strict=True)
        )
        return run


def say_memory(run: Run, usual: float) -> None:
    """Say a worker's memory, whether it grew, and against `usual` bytes of a shorter file."""
    say("memory of a worker", run.memory / 2**20, "MB", target=300, at_most=True)
    if run.fifths:
        second, last = (mean / 2**20 for mean in run.fifths)
        say(
            "memory flat: RSS in the last fifth over the second fifth",
            last,
            "MB",
            peer=second,
            target=1.2,
            at_most=True,
        )
    if usual:
        say(
            "peak memory against a shorter file",
            run.memory / 2**20,
            "MB",
            peer=usual / 2**20,
            target=1.2,
            at_most=True,
        )


def organisation(name: str) -> "tuple[Breach, Insurer]":
    """Make a breach, and a fictional insurer that it touches."""
    from insurers.models import (
        Affiliation,
        Breach,
        BreachOperator,
        Insurer,
        Operator,
        Population,
        Source,
    )

    operator, _ = Operator.objects.get_or_create(code="alphapay", defaults={"name": "Alphapay"})
    breach = Breach.objects.create(
        slug=name, name_fr=name, name_en=name, announced_date=date(2026, 1, 1)
    )
    BreachOperator.objects.create(breach=breach, operator=operator)
    insurer = Insurer.objects.create(slug=name, name=f"Mutuelle fictive {name}", is_demo=True)
    source, _ = Source.objects.get_or_create(
        url="https://journal.example.fr/", defaults={"publisher": "Journal"}
    )
    Affiliation.objects.create(insurer=insurer, operator=operator, source=source)
    Population.objects.get_or_create(
        code="insured_people", defaults={"label_fr": "Assurés", "label_en": "Insured people"}
    )
    return breach, insurer


def take(file: Path, breach: "Breach", insurer: "Insurer", worker: int) -> Run:
    """Take a file to an accepted list by the worker, and watch it."""
    from django.utils import timezone

    from insurers.lists.acceptance import decide_to_accept
    from insurers.lists.ingestion import operators_for, register_list
    from insurers.lists.uploads import seal_file
    from insurers.models import AffectedList, ListState, Population
    from insurers.tasks import accept_list, ingest_list

    upload = seal_file(file)
    note(f"{file.name}: {file.stat().st_size / 2**20:.0f} MB, sealed")
    started = time.monotonic()
    affected_list = register_list(
        breach=breach,
        insurer=insurer,
        operators=operators_for(breach=breach, insurer=insurer),
        population=Population.objects.get(code="insured_people"),
        upload=upload,
        uploaded_by=None,
        now=timezone.now(),
    )
    ingest_list.delay(list_id=affected_list.pk)
    samples: list[tuple[float, int]] = []
    marks: dict[str, float] = {}

    def reached(state: ListState) -> bool:
        affected_list.refresh_from_db()
        assert affected_list.state != ListState.REFUSED, affected_list.refusal_code
        now = time.monotonic() - started
        samples.append((now, affected_list.rows))
        if affected_list.text and "prepared" not in marks:
            marks["prepared"] = now
        if (
            affected_list.text
            and affected_list.rows
            and affected_list.bytes_read >= (affected_list.text["size_bytes"])
        ):
            marks.setdefault("read", now)
        return AffectedList.objects.filter(pk=affected_list.pk, state=state).exists()

    with MemoryWatch(worker) as memory:
        wait_until(lambda: reached(ListState.REVIEW), seconds=3600)
        marks["in review"] = time.monotonic() - started
        decide_to_accept(affected_list=affected_list, decided_by=None, now=timezone.now())
        accept_list.delay(list_id=affected_list.pk)
        wait_until(lambda: reached(ListState.ACCEPTED), seconds=3600)
        seconds = time.monotonic() - started
    run = Run(
        affected_list,
        seconds,
        marks | {"accepted": seconds},
        memory.peak,
        memory.fifths(until=marks.get("read", seconds)),
        samples=samples,
    )
    rows = affected_list.rows
    run.first = _time_at(samples, MILLION) - _time_at(samples, 1)
    run.last = _time_at(samples, rows) - _time_at(samples, rows - MILLION)
    return run


def _time_at(samples: list[tuple[float, int]], rows: int) -> float:
    """Return when so many rows were read, between two samples by their share."""
    before = (0.0, 0)
    for at, count in samples:
        if count >= rows:
            if count == before[1]:
                return at
            share = (rows - before[1]) / (count - before[1])
            return before[0] + share * (at - before[0])
        before = (at, count)
    return before[0]


def lookup(affected_list: "AffectedList", file: Path) -> int:
    """Return how many members a look-up finds for the first row of the file."""
    from insurers.lists.finding import find_member
    from insurers.lists.identifiers import birth_date, member_number

    with file.open(encoding="utf-8") as rows:
        next(rows)
        number, _last, _first, born, *_ = next(rows).split(";")
    found = find_member(
        breach_id=affected_list.breach_id,
        insurer_id=affected_list.insurer_id,
        identifier=member_number(number),
        birth_date=birth_date(born, date(2026, 1, 1)),
    )
    return sum(place.list_id == affected_list.pk for place in found)


def floor(stage: Stage, affected_list: "AffectedList") -> float:
    """Return the seconds that COPY, indexes and ATTACH take for the same rows."""
    table, copied = f"members.list_{affected_list.pk:d}", stage.folder / "rows.copy"
    with stage.superuser() as conn, conn.cursor() as cursor:
        cursor.execute("SET search_path = public, members")
        with (
            copied.open("wb") as file,
            cursor.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as out,
        ):
            for piece in out:
                file.write(piece)
        cursor.execute(
            "CREATE TABLE members.floor_parent (LIKE members.affected_member INCLUDING ALL)"
            " PARTITION BY LIST (list_id)"
        )
        cursor.execute("CHECKPOINT")
        started = time.monotonic()
        cursor.execute(
            "CREATE TABLE members.floor (LIKE members.affected_member,"
            f" CHECK (list_id = {affected_list.pk:d}))"
        )
        with (
            copied.open("rb") as file,
            cursor.copy("COPY members.floor FROM STDIN (FORMAT BINARY)") as into,
        ):
            while piece := file.read(2**18):
                into.write(piece)
        cursor.execute("ALTER TABLE members.floor ADD PRIMARY KEY (list_id, ordinal)")
        cursor.execute("CREATE INDEX ON members.floor (fingerprint)")
        cursor.execute(
            "ALTER TABLE members.floor_parent ATTACH PARTITION members.floor"
            f" FOR VALUES IN ({affected_list.pk:d})"
        )
        seconds = time.monotonic() - started
        cursor.execute("DROP TABLE members.floor_parent")
    copied.unlink()
    return seconds


def size_by_member(stage: Stage, affected_list: "AffectedList") -> None:
    """Say how many bytes a member takes, indexes included."""
    with stage.superuser() as conn:
        row = conn.execute(
            f"SELECT pg_total_relation_size('members.list_{affected_list.pk:d}')"
        ).fetchone()
    assert row is not None
    say("size of a member", row[0] / affected_list.members, "bytes", target=240, at_most=True)


def report_page(affected_list: "AffectedList") -> None:
    """Say how long the list's page takes, for somebody who prepares."""
    from benchmarks.pages import seconds_to_open

    say("report page", 1000 * seconds_to_open(affected_list), "ms", target=100, at_most=True)


if __name__ == "__main__":
    main()
