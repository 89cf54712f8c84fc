"""How many pages a second the portal serves, each against as many constant bytes.

`make bench-web` (needs wrk). Both views run behind the same middleware on the same granian server
with production settings; runs of the two take turns, so that what else the machine does weighs on
both. Requests come from all over the address space, through a proxy, so that limits by network are
counted and refuse nobody. `ARGS=--seconds 10` makes each run longer.
"""

import argparse
import http.client
import io
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.response import addinfourl

from benchmarks.figures import note, say, say_machine
from benchmarks.stage import Stage, servers

ROUNDS = 3
CONNECTIONS = (16, 64)
SLOWEST = 3.0  # times the constant view's 99th percentile
HOST = "portail.example.fr"
FORM = "application/x-www-form-urlencoded"
INSURERS = 420  # used one of the two operators
NAMES = 2000
ALIKE = 2000  # questions of each kind
SCRIPT = """
wrk.method = "{method}"
wrk.body = "{body}"
{headers}
request = function()
    wrk.headers["X-Forwarded-For"] = string.format(
        "%d.%d.%d.7", math.random(11, 99), math.random(0, 255), math.random(0, 255))
    return wrk.format()
end
done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format("RESULT %f %f %d %d\\n", summary.requests / (summary.duration / 1e6),
        latency:percentile(99) / 1000, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Case:
    """A request, and the share of the constant view's rate that it must reach."""

    figure: str
    path: str
    target: float
    method: str = "GET"
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Run:
    rate: float
    slowest_ms: float


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed (Debian: apt-get install wrk).", file=sys.stderr)
        return 1
    say_machine()
    with servers() as stage:
        reference = fill()
        with web(stage) as port:
            for case in cases(port, reference):
                measure(case, port=port, seconds=options.seconds, folder=stage.folder)
            say_alike(port, listed_person(stage))
        say_search()
    return 0


def fill() -> str:
    """Load the directory and enough names, and send one message; return its reference."""
    from django.core.management import call_command
    from django.utils import timezone

    from benchmarks.campaign import campaign_of
    from notifications.channels import Outcome
    from notifications.models import Channel, Notification, State
    from notifications.references import derive
    from notifications.sending.leases import claim_batch
    from notifications.sending.outcomes import record_outcome

    call_command("load_directory", stdout=io.StringIO())
    add_insurers(INSURERS)
    campaign, now = campaign_of("verification", 1), timezone.now()
    message = Notification.objects.get(campaign=campaign).pk
    batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=now)
    assert batch is not None
    record_outcome(batch_id=batch, outcome=Outcome(message, State.ACCEPTED, "smtp-250"), now=now)
    return derive(message)


def add_insurers(total: int) -> None:
    """Fill the directory up to so many insurers."""
    from insurers.models import Insurer

    present = Insurer.objects.count()
    more = range(present, total)
    Insurer.objects.bulk_create(
        [Insurer(slug=f"organisme-{n}", name=f"Organisme fictif {n}", is_demo=True) for n in more]
    )


def say_search() -> None:
    """Print how long a search among all names takes in the process."""
    add_insurers(NAMES)
    from lookup.search import search_insurers

    typed = ("mutuel general", "organisme fictif 77", "harmoni", "mgen", "zzzz", "asurance")
    search_insurers("mgen")
    took = []
    for _ in range(50):
        for words in typed:
            start = time.perf_counter()
            search_insurers(words)
            took.append(time.perf_counter() - start)
    say(
        f"search among {NAMES} names, median",
        1000 * statistics.median(took),
        "ms",
        target=2,
        at_most=True,
    )


def cases(port: int, reference: str) -> Iterator[Case]:
    """Yield what people do, with the target of each."""
    page = "/organismes/harmonie-mutuelle/"
    ours = (("Sec-Fetch-Site", "same-origin"), ("Content-Type", FORM))
    yield Case("insurer page", page, 0.50)
    etag = _get(port, page).headers["ETag"]
    yield Case("insurer page, not modified", page, 0.60, headers=(("If-None-Match", etag),))
    yield Case("directory search", "/?q=mutuelle+generale", 0.30)
    asked = {
        "insurer": "harmonie-mutuelle",
        "member_number": "000000007",
        "birth_date": "12/03/1980",
        "birth_rank": "",
    }
    yield Case("personal check", "/suis-je-concerne/", 0.25, "POST", urlencode(asked), headers=ours)
    typed = urlencode({"reference": reference})
    yield Case("verification of a reference", "/verifier/", 0.25, "POST", typed, headers=ours)


def measure(case: Case, *, port: int, seconds: int, folder: Path) -> None:
    """Print a case's rate and slowness, each against the constant view's in the same minute."""
    size = _size(case, port)
    constant = Case("constant", f"/constant/{size}/", 0)
    for connections in CONNECTIONS:
        runs: dict[str, list[Run]] = {"case": [], "constant": []}
        for _ in range(ROUNDS):
            for name, what in (("case", case), ("constant", constant)):
                runs[name].append(
                    wrk(what, port=port, connections=connections, seconds=seconds, folder=folder)
                )
        rate, floor = (statistics.median(run.rate for run in runs[n]) for n in runs)
        figure = f"{case.figure}, {connections} connections"
        say(figure, rate, "1/s", floor=floor, target=case.target)
        slow, usual = (statistics.median(run.slowest_ms for run in runs[n]) for n in runs)
        target = SLOWEST if connections == CONNECTIONS[0] else None
        say(
            f"{figure}, 99th percentile",
            slow,
            "ms",
            floor=usual,
            target=target,
            at_most=True,
        )


def wrk(case: Case, *, port: int, connections: int, seconds: int, folder: Path) -> Run:
    headers = {"Host": HOST, "X-Forwarded-Proto": "https", **dict(case.headers)}
    lines = "\n".join(f"wrk.headers['{name}'] = '{value}'" for name, value in headers.items())
    script = folder / "request.lua"
    script.write_text(SCRIPT.format(method=case.method, body=case.body, headers=lines))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    address = f"http://127.0.0.1:{port}{case.path}"
    done = subprocess.run([*command, address], capture_output=True, text=True, check=True)
    found = re.search(r"RESULT (\S+) (\S+) (\d+) (\d+)", done.stdout)
    assert found is not None, done.stdout
    if int(found[3]) or int(found[4]):
        raise SystemExit(f"{case.figure}: {found[3]} wrong answers, {found[4]} errors")
    return Run(rate=float(found[1]), slowest_ms=float(found[2]))


def listed_person(stage: Stage) -> dict[str, str]:
    """Return what somebody types who is on an accepted list."""
    from benchmarks.reply import listed_people

    found = listed_people(stage.folder / "people.csv", 1_000)
    return {"insurer": found.insurer.slug, "member_number": "000000007", "birth_date": "12/03/1980"}


def say_alike(port: int, listed: dict[str, str]) -> None:
    """Print how far apart the times of found and not found people are.

    As Kolmogorov and Smirnov's distance, against the largest among random halves of people of one
    kind. Questions of both kinds take turns on one connection, in any order.
    """
    chance = random.Random(7)
    kinds = {"found": listed, "not found": listed | {"member_number": "999999997"}}
    order = [kind for kind in kinds for _ in range(2 * ALIKE)]
    chance.shuffle(order)
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    headers = {
        "Host": HOST,
        "X-Forwarded-Proto": "https",
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": FORM,
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    sizes = set()
    for kind in order:
        body = urlencode(kinds[kind])
        started = time.perf_counter()
        connection.request("POST", "/suis-je-concerne/", body, headers)
        answer = connection.getresponse()
        sizes.add((answer.status, len(answer.read())))
        took[kind].append(time.perf_counter() - started)
    connection.close()
    say("statuses and sizes of answers", len(sizes), "kinds", target=1, at_most=True)
    usual = []
    for times in took.values():
        for _ in range(50):
            chance.shuffle(times)
            usual.append(distance(times[:ALIKE], times[ALIKE:]))
    say(
        "distance between found and not found",
        distance(took["found"][:ALIKE], took["not found"][:ALIKE]),
        "",
        floor=max(usual),
        target=1,
        at_most=True,
    )


def distance(one: list[float], other: list[float]) -> float:
    """Return the largest difference between two distributions (Kolmogorov and Smirnov's)."""
    one, other = sorted(one), sorted(other)
    return max(
        abs(bisect_right(one, at) / len(one) - bisect_right(other, at) / len(other))
        for at in (*one, *other)
    )


@contextmanager
def web(stage: Stage) -> Iterator[int]:
    """Run the portal as in production, two processes, with the constant view beside it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = stage.roles | {
        "PORTAL_ROLE": "web",
        "DJANGO_SETTINGS_MODULE": "benchmarks.web_settings",
        "PERSONAL_CHECKS_PER_MINUTE": "100000000",
        "TRUSTED_PROXY_COUNT": "1",
    }
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--no-access-log"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "2", "--blocking-threads", "8"),
        "breachportal.wsgi:application",
    ]
    with (stage.folder / "web.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                _get(port, "/")
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    note((stage.folder / "web.log").read_text()[-3000:])
                    raise
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _get(port: int, path: str) -> addinfourl:
    headers = {"Host": HOST, "X-Forwarded-Proto": "https"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    answer: addinfourl = urllib.request.urlopen(request, timeout=10)  # noqa: S310
    return answer


def _size(case: Case, port: int) -> int:
    """Return how many bytes the body of an answer has."""
    headers = {"Host": HOST, "X-Forwarded-Proto": "https", **dict(case.headers)}
    body = case.body.encode() if case.method == "POST" else None
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{case.path}", data=body, headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return len(answer.read())
    except urllib.error.HTTPError as error:
        if error.code == 304:
            return 0
        raise


if __name__ == "__main__":
    sys.exit(main())
