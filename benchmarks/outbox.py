"""How fast an outbox is made: `make bench-outbox N=1000000`.

From an approved campaign over a list of N members to an outbox that can be sent: claims, one
message per address, families merged, everybody else counted by reason, the events and tallies.
The members are written straight into PostgreSQL: reading lists has a benchmark of its own. The
floor is what cannot be avoided: INSERT … SELECT of as many messages, links and claims, into
tables with the same indexes.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks.figures import note, say, say_machine
from benchmarks.stage import Stage, servers

if TYPE_CHECKING:
    from insurers.models import AffectedList
    from notifications.models import Campaign

SECONDS_A_MILLION = 12.0

# Families share an address, a few have none, a few a mobile only, one address is crowded.
MEMBERS = """
INSERT INTO {table} (list_id, ordinal, key_version, contact_flags, name_tag, fingerprint,
    email_fingerprint, phone_fingerprint, contact)
SELECT %(list)s, n, 1, CASE WHEN n %% 97 = 0 THEN 1 ELSE 0 END, n,
    md5('member' || %(list)s || ':' || n)::uuid,
    CASE WHEN n %% 12 = 0 OR n %% 97 = 0 THEN NULL
         WHEN n %% 10000 < 12 THEN md5('crowd' || n / 10000)::uuid
         WHEN n %% 10 < 3 THEN md5('family' || n / 10)::uuid
         ELSE md5('email' || n)::uuid END,
    CASE WHEN n %% 3 = 0 THEN md5('phone' || n)::uuid END,
    decode(repeat('00', 120), 'hex')
FROM generate_series(1, %(rows)s) AS n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1_000_000, help="members")
    parser.add_argument("--profile", action="store_true", help="time of each statement, on stderr")
    parser.add_argument("--new-server", action="store_true", help="PostgreSQL's log has no files")
    options = parser.parse_args()
    say_machine()
    with servers() as stage:
        from django.utils import timezone

        from notifications.models import Notification
        from notifications.outbox.building import build_outbox
        from notifications.register.figures import campaign_figures

        note(f"writing {options.n} members")
        campaign = approved_campaign(options.n)
        if not options.new_server:
            stage.fill_log()
        with profiled() if options.profile else nullcontext():
            before, started = stage.processor_seconds(), time.monotonic()
            assert build_outbox(campaign_id=campaign.pk, now=timezone.now())
            seconds, busy = time.monotonic() - started, stage.processor_seconds() - before
        campaign.refresh_from_db()
        figures = campaign_figures(campaign)
        assert figures.adds_up, figures
        floor_seconds = floor(stage, campaign)
        target = SECONDS_A_MILLION * options.n / 1_000_000
        say(
            "members in an outbox",
            options.n / seconds,
            "members/s",
            floor=options.n / floor_seconds,
        )
        say("time to make the outbox", seconds, "s", target=target, at_most=True)
        say("of which PostgreSQL was busy", busy, "s")
        say("messages made", Notification.objects.count(), "messages")


def approved_campaign(
    rows: int,
    *,
    name: str = "outbox",
    fill: "Callable[[AffectedList], None] | None" = None,
    content: dict[str, Any] | None = None,
    channels: Sequence[str] = ("email", "sms"),
) -> "Campaign":
    """Make an accepted list of so many members, and a campaign over it that is approved.

    `fill` writes the members into the list's table; without it they are many and have no contact
    that can be opened.
    """
    from django.utils import timezone

    from benchmarks.ingest import organisation
    from breachportal.models import User
    from insurers.lists.tables import attach_table, indexes_built, make_table
    from insurers.models import AffectedList, ListState, Operator, Population
    from notifications.models import Campaign, CampaignState, Notice, NoticeVersion

    now = timezone.now()
    breach, insurer = organisation(name)
    population = Population.objects.get(code="insured_people")
    preparer, approver = (
        User.objects.create_user(f"{who}.{name}@example.fr", "", name=who)
        for who in ("paule", "armand")
    )
    found = AffectedList.objects.create(
        breach=breach,
        insurer=insurer,
        population=population,
        state=ListState.ACCEPTED,
        upload_id=uuid4(),
        chunk_count=0,
        size_bytes=0,
        members=rows,
        uploaded_at=now,
        decided_at=now,
    )
    found.operators.add(Operator.objects.get(code="alphapay"))
    make_table(found.pk)
    (fill or numbered_members)(found)
    with indexes_built(found.pk):
        pass
    attach_table(found.pk)
    notice = Notice.objects.create(
        breach=breach, insurer=insurer, population=population, created_by=preparer, created_at=now
    )
    version = NoticeVersion.objects.create(
        notice=notice,
        number=1,
        content=content or {},
        sha256=b"",
        edited_by=preparer,
        edited_at=now,
    )
    return Campaign.objects.create(
        insurer=insurer,
        breach=breach,
        notice_version=version,
        affected_list=found,
        plan={"channels": list(channels)},
        sha256=b"",
        state=CampaignState.APPROVED,
        submitted_by=preparer,
        submitted_at=now,
        approved_by=approver,
        approved_at=now,
    )


def numbered_members(found: "AffectedList") -> None:
    """Write the members of a list, by the number that it says it has."""
    from django.db import connection

    from insurers.lists.tables import table_name

    with connection.cursor() as cursor:
        statement = MEMBERS.format(table=table_name(found.pk))
        cursor.execute(statement, {"list": found.pk, "rows": found.members})


def floor(stage: Stage, campaign: "Campaign") -> float:
    """Return the seconds that the rows of the outbox alone take, copied into empty tables."""
    tables = ("notification", "notificationmember", "told")
    with stage.superuser() as conn, conn.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        for table in tables:
            cursor.execute(f"CREATE TABLE floor_{table} (LIKE notifications_{table} INCLUDING ALL)")
        started = time.monotonic()
        for table in tables:
            cursor.execute(f"INSERT INTO floor_{table} SELECT * FROM notifications_{table}")
        return time.monotonic() - started


@contextmanager
def profiled() -> Iterator[None]:
    """Say on stderr how long each long statement takes, by the clock and of a processor."""
    from django.db import connection
    from django.db.backends.signals import connection_created

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        before, started = processor_seconds(), time.monotonic()
        try:
            return execute(sql, params, many, context)
        finally:
            seconds, busy = time.monotonic() - started, processor_seconds() - before
            if seconds > 0.05:
                note(f"{seconds:7.2f} s  {busy:7.2f} s  {' '.join(sql.split())[:100]}")

    def install(connection: Any, **kwargs: Any) -> None:
        connection.execute_wrappers.append(watch)

    connection.close()  # The next one is watched, and any other.
    connection_created.connect(install)
    try:
        yield
    finally:
        connection_created.disconnect(install)


def processor_seconds() -> float:
    """Return what PostgreSQL has used of a processor for this connection."""
    from django.db import connection

    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
