"""How fast messages leave: `make bench-dispatch N=100000`.

From a campaign's outbox to every outcome recorded, by real Celery workers on production settings
and a durable PostgreSQL, over SMTP to a sink that offers PIPELINING. A connection whose every
outcome is on disk before its next message leaves cannot be faster than the disk: how often a
second that can be flushed is said too.

The floor is a loop of `smtplib.sendmail` over prebuilt bytes on one connection. The peers send the
same message to the same sink, in the same run: Django on one connection (it records nothing), one
Celery task per message, django-post_office. They are compared with two worker processes, and those
that can have two processes too. Beyond some thousands a peer is as fast as before: each sends
`--peer-messages` at the most, and a ratio is of messages a second.
"""

import argparse
import os
import smtplib
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.campaign import campaign_of, letter_of, recorded
from benchmarks.figures import note, say, say_machine
from benchmarks.letter import SENDER, VARIABLE, Letter, address, keep
from benchmarks.memory import resident
from benchmarks.outbox import processor_seconds
from benchmarks.sink import sink
from benchmarks.stage import DATABASE, Stage, servers, wait_until, workers
from benchmarks.stage import processor_seconds as seconds_of

if TYPE_CHECKING:
    from notifications.models import Campaign

WARM = 300
MEMORY_FROM = 10_000
PEERS = (
    ("django", "against EmailMultiAlternatives on one connection", 5.0),
    ("tasks", "against one Celery task per message", 12.0),
    ("post_office", "against django-post_office", 2.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100_000, help="messages")
    parser.add_argument("--no-peers", action="store_true", help="the portal and its floor only")
    parser.add_argument("--peer-messages", type=int, default=10_000, help="at most, of each peer")
    parser.add_argument("--profile", action="store_true", help="where one process's time goes")
    parser.add_argument("--connections", type=int, default=8, help="of each worker process")
    options = parser.parse_args()
    os.environ["SENDING_CONNECTIONS"] = str(options.connections)
    say_machine()
    with sink() as port:
        os.environ |= {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(port)}
        with servers() as stage:
            if options.profile:
                profile(options.n)
                return
            two = measure(stage, port, options.n)
            if not options.no_peers:
                against_peers(stage, two, min(options.n, options.peer_messages))


def measure(stage: Stage, port: int, count: int) -> float:
    """Say the portal's figures; return the messages a second of two processes."""
    letter = letter_of(campaign_of("letter", 1))
    keep(letter, stage.folder)
    say("size of the message", len(letter.wire), "bytes")
    say("flushes of the disk, one after another", flushes(stage), "flushes/s")
    base = floor(letter, port, count)
    one = portal(stage, count, processes=1)
    say("one worker process", one, "messages/s", floor=base, target=0.9)
    two = portal(stage, count, processes=2)
    say("two worker processes", two, "messages/s", floor=base, target=2)
    return two


def against_peers(stage: Stage, rate: float, count: int) -> None:
    """Say how the rate compares to each peer's, over so many messages of its own."""
    prepare_peers(stage)
    say("messages that each peer sends", count, "messages")
    for name, figure, target in PEERS:
        say(figure, rate, "messages/s", peer=peer(stage, name, count), target=target)


def floor(letter: Letter, port: int, count: int) -> float:
    """Return the messages a second of a bare loop, on one connection."""
    content = letter.wire.encode()
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.ehlo()
        started = time.monotonic()
        for number in range(count):
            server.sendmail(SENDER, [address(number)], content)
        return count / (time.monotonic() - started)


def flushes(stage: Stage) -> float:
    """Return how often a second a page reaches the disk: what bounds one durable connection."""
    page, times = bytes(8192), 300
    with (stage.folder / "flushed").open("wb", buffering=0) as file:
        started = time.monotonic()
        for _ in range(times):
            file.seek(0)
            file.write(page)
            os.fdatasync(file.fileno())
        return times / (time.monotonic() - started)


def portal(stage: Stage, count: int, *, processes: int) -> float:
    """Return the messages a second of a campaign, and say how its workers' memory went."""
    with workers(stage, processes=processes) as worker:
        # They start and connect before anything is timed.
        sent(campaign_of(f"warm-{processes}", WARM), WARM, worker.pid)
        campaign = campaign_of(f"measured-{processes}", count)
        started, worked = time.monotonic(), seconds_of(worker.pid)
        busy = stage.processor_seconds()
        held = sent(campaign, count, worker.pid)
        seconds, worked = time.monotonic() - started, seconds_of(worker.pid) - worked
        busy = stage.processor_seconds() - busy
    for whose, used in ((f"{processes} processes", worked), ("PostgreSQL", busy)):
        say(f"processor time of {whose}", 1000 * used / count, "ms/message")
    note(f"{processes} processes: {seconds:.1f} s")
    early = [most for done, most in held if done >= MEMORY_FROM]
    if early:
        say(
            f"memory of {processes} processes, at the end over that at {MEMORY_FROM} messages",
            held[-1][1] / 2**20,
            "MB",
            peer=early[0] / 2**20,
            target=1.1,
            at_most=True,
        )
    else:
        say(f"memory of {processes} processes, the largest", held[-1][1] / 2**20, "MB")
    return count / seconds


def sent(campaign: "Campaign", count: int, worker: int) -> list[tuple[int, int]]:
    """Have a campaign sent; return, over time, what was recorded and the largest worker's bytes."""
    from notifications.tasks import wake_dispatchers

    held: list[tuple[int, int]] = []

    def is_done() -> bool:
        held.append((recorded(campaign), max(resident(worker).values(), default=0)))
        return held[-1][0] >= count

    wake_dispatchers()
    wait_until(is_done, seconds=60 + count / 50)
    return held


def prepare_peers(stage: Stage) -> None:
    """Make the database of the peers, beside the portal's on the same server."""
    with stage.cluster.connect() as conn:
        conn.execute("CREATE DATABASE peers")
    superuser = f"postgresql://postgres@/{DATABASE}?host={stage.cluster.sockets}"
    stage.roles["BENCH_DATABASE"] = superuser.replace(f"/{DATABASE}?", "/peers?")
    stage.roles["DJANGO_SETTINGS_MODULE"] = "benchmarks.mailing.settings"
    stage.roles[VARIABLE] = os.environ[VARIABLE]
    migrate = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "-v", "0"]
    subprocess.run(migrate, check=True, env=stage.roles)


def peer(stage: Stage, name: str, count: int) -> float:
    """Return the messages a second of a peer."""
    command = [sys.executable, "-m", "benchmarks.mailing.peers", name, str(count)]

    def rate() -> float:
        done = subprocess.run(command, check=True, env=stage.roles, stdout=subprocess.PIPE)
        return count / float(done.stdout)

    if name != "tasks":
        return rate()
    with workers(stage, app="benchmarks.mailing.tasks", queues="one_by_one"):
        return rate()


def profile(count: int) -> None:
    """Send in this process, and print where its time goes."""
    import cProfile
    import pstats

    from notifications.sending.dispatch import dispatch_campaign

    campaign = campaign_of("profiled", count)
    profiler, before, started = cProfile.Profile(), processor_seconds(), time.monotonic()
    profiler.enable()
    while recorded(campaign) < count:
        dispatch_campaign(campaign_id=campaign.pk, seconds=5)
    profiler.disable()
    say("of which PostgreSQL was busy", 1000 * (processor_seconds() - before) / count, "ms/message")
    say("one process, under the profiler", count / (time.monotonic() - started), "messages/s")
    pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumtime").print_stats(50)


if __name__ == "__main__":
    main()
