"""How long the register's pages take as notifications grow: `make bench-register`.

One breach of 400 insurers with a campaign each, told over twelve days; 33,000,000 notifications
against 100,000. Tallies, lists and campaigns are written as rows, as many as sending so many
messages leaves (hours, shards, channels, states); notifications and events are not, since no page
reads them: PostgreSQL's own counters of reads of these tables must stay still, or the benchmark
fails. Pages are asked of Django itself, as an auditor with a mandate over all insurers, and as the
web role. Both sizes take turns. What a page takes of the processors says more where others work.
"""

import argparse
import os
import statistics
import time
from dataclasses import asdict
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import note, say, say_machine
from benchmarks.stage import Stage, servers

if TYPE_CHECKING:
    from insurers.models import Breach

INSURERS = 400
FEW, MANY = 100_000, 33_000_000
TIMES = 30
AT_MOST_MS = 60
UNREAD = ("notifications_notification", "notifications_deliveryevent", "affected_member")

# What sending leaves: each hour each shard took messages out of a state and into the next.
TALLIES = """
INSERT INTO notifications_tally (campaign_id, insurer_id, channel, state, reason, hour_at, shard,
    people, messages, uncounted)
SELECT campaign.id, campaign.insurer_id, way.channel, way.state, way.reason,
    %(start)s::timestamptz + make_interval(hours => hour), shard,
    way.sign * %(each)s, way.sign * %(each)s, 0
FROM notifications_campaign AS campaign
CROSS JOIN generate_series(0, %(hours)s - 1) AS hour
CROSS JOIN generate_series(0, %(shards)s - 1) AS shard
CROSS JOIN (VALUES ('email', 'pending', '', -4), ('email', 'sending', '', 0),
    ('email', 'accepted', '', 1), ('email', 'delivered', '', 2),
    ('email', 'bounced', 'smtp-550', 1)) AS way (channel, state, reason, sign)
WHERE campaign.breach_id = %(breach)s
"""
OUTBOX = """
INSERT INTO notifications_tally (campaign_id, insurer_id, channel, state, reason, hour_at, shard,
    people, messages, uncounted)
SELECT id, insurer_id, way.channel, way.state, way.reason, %(start)s::timestamptz, 8,
    way.people, way.people, 0
FROM notifications_campaign
CROSS JOIN (VALUES ('email', 'pending', '', %(sent)s::bigint),
    ('', 'unreachable', 'no_contact', %(rest)s::bigint)) AS way (channel, state, reason, people)
WHERE breach_id = %(breach)s
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notifications", type=int, default=MANY)
    options = parser.parse_args()
    say_machine()
    with servers() as stage:
        breaches = {
            FEW: written(FEW, hours=6, shards=1),
            options.notifications: written(options.notifications, hours=12 * 12, shards=8),
        }
        summed_up()
        with stage.superuser() as conn:
            conn.execute("VACUUM ANALYZE")
        before = reads(stage)
        measure(stage, breaches, options.notifications)
        after = reads(stage)
    assert before == after, f"a page read {after} of messages, {before} before"
    say("rows of messages and events read", 0, "rows", target=0, at_most=True)


def written(people: int, *, hours: int, shards: int) -> "Breach":
    """Write a breach whose 400 insurers told their part of so many people."""
    from django.db import connection
    from django.utils import timezone

    from insurers.models import Affiliation, Breach, BreachOperator, Operator, Source

    note(f"writing the tallies of {people} notifications")
    breach = Breach.objects.create(slug=f"bench-{people}", name_fr="Essai", name_en="Trial")
    operator = Operator.objects.get_or_create(code="bench", defaults={"name": "Bench"})[0]
    BreachOperator.objects.create(breach=breach, operator=operator)
    source = Source.objects.get_or_create(url="https://example.fr/", publisher="Essai")[0]
    insurers = bench_insurers()
    Affiliation.objects.bulk_create(
        [Affiliation(insurer=one, operator=operator, source=source) for one in insurers],
        ignore_conflicts=True,
    )
    campaigns(breach, insurers, people // INSURERS)
    each = people // INSURERS // (4 * hours * shards)
    start = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(days=30)
    values: dict[str, Any] = {"breach": breach.pk, "start": start, "hours": hours}
    values |= {"shards": shards, "each": each, "sent": each * 4 * hours * shards}
    values["rest"] = people // INSURERS - values["sent"]
    with connection.cursor() as cursor:
        cursor.execute(OUTBOX, values)
        cursor.execute(TALLIES, values)
        note(f"{cursor.rowcount} tallies")
    return breach


def bench_insurers() -> list[Any]:
    """Return the insurers, made once for both sizes."""
    from insurers.models import Insurer

    if not Insurer.objects.filter(slug__startswith="bench-").exists():
        Insurer.objects.bulk_create(
            Insurer(slug=f"bench-{n}", name=f"Mutuelle {n:03d}") for n in range(INSURERS)
        )
    return list(Insurer.objects.filter(slug__startswith="bench-"))


def campaigns(breach: "Breach", insurers: list[Any], people: int) -> None:
    """Write a declaration, an accepted list and a campaign that ended for each insurer."""
    from uuid import uuid4

    from django.utils import timezone

    from breachportal.models import User
    from insurers.models import AffectedList, Declaration, Population
    from notifications.models import Campaign, CampaignState, Notice, NoticeVersion
    from notifications.notices.content import NoticeContent

    now = timezone.now()
    aware = now - timedelta(days=31)
    population = Population.objects.get_or_create(code="insured_people")[0]
    paule, armand = (
        User.objects.get_or_create(email=f"{name}@example.fr")[0] for name in ("paule", "armand")
    )
    Declaration.objects.bulk_create(
        Declaration(
            breach=breach,
            insurer=one,
            is_concerned=True,
            awareness_at=aware,
            declared_by=paule,
            declared_at=now,
        )
        for one in insurers
    )
    lists = AffectedList.objects.bulk_create(
        AffectedList(
            breach=breach,
            insurer=one,
            population=population,
            state="accepted",
            upload_id=uuid4(),
            chunk_count=1,
            size_bytes=1,
            rows=people,
            members=people,
            sha256=uuid4().bytes,
            uploaded_at=now,
            decided_at=now,
        )
        for one in insurers
    )
    notice = Notice.objects.create(
        breach=breach, insurer=insurers[0], population=population, created_by=paule, created_at=now
    )
    version = NoticeVersion.objects.create(
        notice=notice,
        number=1,
        content=asdict(NoticeContent()),
        sha256=b"",
        edited_by=paule,
        edited_at=now,
    )
    Campaign.objects.bulk_create(
        Campaign(
            breach=breach,
            insurer=found.insurer,
            notice_version=version,
            affected_list=found,
            plan={"channels": ["email"]},
            sha256=b"",
            state=CampaignState.FINISHED,
            submitted_by=paule,
            submitted_at=now,
            approved_by=armand,
            approved_at=now,
            first_message_at=aware,
            last_message_at=now,
            finished_at=now,
        )
        for found in lists
    )


def summed_up() -> None:
    """Mark everything as changed, as the trigger does, and sum it up as the worker does."""
    from django.utils import timezone

    from notifications.models import Campaign, TallyChange
    from notifications.register.summing import sum_up

    TallyChange.objects.bulk_create(
        TallyChange(campaign_id=pk, shard=0) for pk in Campaign.objects.values_list("pk", flat=True)
    )
    started = time.perf_counter()
    done = sum_up(now=timezone.now())
    say(f"summing up {done} insurers, each", 1000 * (time.perf_counter() - started) / done, "ms")


def reads(stage: Stage) -> list[tuple[Any, ...]]:
    """Return how many rows PostgreSQL has read of each table that no page may read."""
    tell_counts()
    with stage.superuser() as conn:
        return conn.execute(
            "SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)"
            " FROM pg_stat_user_tables WHERE relname = ANY (%s) ORDER BY 1",
            [list(UNREAD)],
        ).fetchall()


def tell_counts() -> None:
    """Have the connection that asked the pages tell its counts, which it else keeps for later."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")


def read_in_all(stage: Stage) -> int:
    """Return how many rows of any table of the portal PostgreSQL has read."""
    tell_counts()
    with stage.superuser() as conn:
        row = conn.execute(
            "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))"
            " FROM pg_stat_user_tables"
        ).fetchone()
        return int(row[0]) if row else 0


def measure(stage: Stage, breaches: dict[int, "Breach"], most: int) -> None:
    """Ask each page of both sizes in turns, and say the medians and the rows read."""
    from django.conf import settings
    from django.db import connection
    from django.test import Client

    from breachportal import environment

    import_module("breachportal.wsgi")  # It collects garbage as the web process does.

    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    signed_in(client, list(breaches.values()))
    # What answers is the web role, under row-level security.
    connection.close()
    connection.settings_dict.update(environment.database(os.environ["DATABASE_URL_WEB"]))
    pages = {
        "the breaches": "/registre/",
        "a breach": "/registre/{slug}/",
        "a breach, sorted, last page": "/registre/{slug}/?tri=-told&page=16",
        "an insurer": "/registre/{slug}/bench-7/",
        "a record": "/registre/{slug}/bench-7/article-33/",
    }
    for name, address in pages.items():
        took: dict[int, list[float]] = {people: [] for people in breaches}
        spent: dict[int, list[float]] = {people: [] for people in breaches}
        for turn in range(TIMES + 3):
            for people, breach in breaches.items():
                started, used = time.perf_counter(), processor_ms()
                answer = client.get(address.format(slug=breach.slug), secure=True)
                if turn >= 3:
                    took[people].append(1000 * (time.perf_counter() - started))
                    spent[people].append(processor_ms() - used)
                assert answer.status_code == 200, (address, answer.status_code)
        few, many = (statistics.median(took[people]) for people in (FEW, most))
        say(f"{name}, {most} notifications, median", many, "ms", target=AT_MOST_MS, at_most=True)
        say(f"{name}, against {FEW}", many, "ms", floor=few, target=1.5, at_most=True)
        say(f"{name}, of the processors, least", min(spent[most]), "ms", floor=min(spent[FEW]))
        before = read_in_all(stage)
        client.get(address.format(slug=breaches[most].slug), secure=True)
        say(f"{name}, rows read", read_in_all(stage) - before, "rows")


def processor_ms() -> float:
    """Return what this process and its connection's server have used: others' work counts not."""
    from django.db import connection

    connection.ensure_connection()
    server = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    return 1000 * time.process_time() + int(server.split()[0]) / 1e6


def signed_in(client: Any, breaches: list["Breach"]) -> None:
    """Sign in as an auditor whose mandate has both breaches and all insurers."""
    from datetime import date

    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
    from django.utils import timezone

    from breachportal.models import User
    from insurers.models import Mandate

    aude = User.objects.create(email="aude@example.fr", name="Aude")
    TOTP.activate(aude, generate_totp_secret())
    mandate = Mandate.objects.create(
        user=aude, until_date=date(2099, 12, 31), created_at=timezone.now()
    )
    mandate.breaches.set(breaches)
    mandate.insurers.set(bench_insurers())
    client.force_login(aude, backend="allauth.account.auth_backends.AuthenticationBackend")


if __name__ == "__main__":
    main()
