"""How long questions wait while a campaign is being sent: `make bench-reply` (RATE=300 SECONDS=60).

So many questions a second are sealed and inserted as the web process does, every second one about
somebody who is listed. One worker answers them, another sends a campaign meanwhile, both to a sink.
"""

import argparse
import os
import statistics
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from benchmarks.campaign import campaign_of, recorded
from benchmarks.figures import note, say, say_machine
from benchmarks.ingest import organisation
from benchmarks.memory import MemoryWatch
from benchmarks.sink import sink
from benchmarks.stage import Stage, processor_seconds, servers, wait_until, workers

if TYPE_CHECKING:
    from insurers.models import AffectedList

HEADER = "Numéro adhérent;Date de naissance;Nom;Prénom;Courriel"
BULK_A_SECOND = 2_000  # more than a worker sends here: it must last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=300, help="questions a second")
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    say_machine()
    with sink() as port:
        os.environ |= {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(port)}
        with servers() as stage:
            measure(stage, rate=options.rate, seconds=options.seconds)


def measure(stage: Stage, *, rate: int, seconds: int) -> None:
    """Ask for so long, and say how long people waited."""
    from notifications.models import Reply, State, TakenQuestion
    from notifications.tasks import wake_dispatchers

    total = rate * seconds
    note(f"writing {total // 2} people, and a campaign")
    listed = listed_people(stage.folder / "people.csv", total // 2)
    campaign = campaign_of("bulk", BULK_A_SECOND * seconds)
    with (
        workers(stage, processes=1, queues="dispatch,default", name="bulk"),
        workers(stage, processes=1, queues="reply", name="reply") as answering,
        ticking(),
        MemoryWatch(answering.pid) as memory,
    ):
        wake_dispatchers()
        wait_until(lambda: recorded(campaign) > 0, seconds=120)
        # Nobody of the list; the worker has started once it has taken this one.
        ask_everybody(listed, rate=rate, total=1)
        wait_until(TakenQuestion.objects.exists, seconds=120)
        before, started = recorded(campaign), time.monotonic()
        used = processor_seconds(answering.pid)
        asked = ask_everybody(listed, rate=rate, total=total)
        spent = time.monotonic() - started
        sent_meanwhile = recorded(campaign) - before
        wait_until(lambda: TakenQuestion.objects.count() > total, seconds=60)
        done = Reply.objects.filter(state=State.ACCEPTED)
        with suppress(TimeoutError):
            wait_until(lambda: done.count() >= total // 2, seconds=60)
        used = processor_seconds(answering.pid) - used
    assert sent_meanwhile < BULK_A_SECOND * seconds, "the campaign ended before the questions"
    taken = dict(TakenQuestion.objects.values_list("pk", "taken_at"))
    waited = [
        (taken[number] - at).total_seconds() for number, at in asked.items() if number in taken
    ]
    answered = [
        (sent_at - asked_at).total_seconds()
        for sent_at, asked_at in done.values_list("sent_at", "asked_at")
        if sent_at is not None
    ]
    say("questions a second", total / spent, "1/s", target=0.98 * rate)
    say("messages of the campaign meanwhile", sent_meanwhile / spent, "messages/s")
    say("questions taken", len(waited), "questions", floor=total, target=1)
    say("answers accepted", len(answered), "answers", floor=total // 2, target=1)
    say("the answering process uses, a question", 1000 * used / total, "ms of a processor")
    say("a question waits, median", statistics.median(waited), "s")
    slowest = statistics.quantiles(waited, n=100)[98]
    say("a question waits, 99th percentile", slowest, "s", target=5, at_most=True)
    slowest = statistics.quantiles(answered, n=100)[98]
    say("until the mail server has the answer, 99th percentile", slowest, "s")
    fifths = memory.fifths(until=spent)
    if fifths:
        second, last = (mean / 2**20 for mean in fifths)
        say("memory: last fifth over the second", last, "MB", peer=second, target=1.1, at_most=True)


def listed_people(path: Path, count: int) -> "AffectedList":
    """Return an accepted list of so many people, each with an address."""
    from django.utils import timezone

    from insurers.lists.acceptance import accept
    from insurers.lists.ingestion import ingest_list, operators_for, register_list
    from insurers.lists.uploads import seal_file
    from insurers.models import Population

    rows = (f"{n:09d};12/03/1980;Fictif;Camille;personne.{n}@example.fr" for n in range(count))
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    breach, insurer = organisation("asked")
    found = register_list(
        breach=breach,
        insurer=insurer,
        operators=operators_for(breach=breach, insurer=insurer),
        population=Population.objects.get(code="insured_people"),
        upload=seal_file(path),
        uploaded_by=None,
        now=timezone.now(),
    )
    ingest_list(list_id=found.pk, now=timezone.now())
    found.refresh_from_db()
    accept(affected_list=found, decided_by=None, now=timezone.now())
    return found


def ask_everybody(listed: "AffectedList", *, rate: int, total: int) -> dict[UUID, datetime]:
    """Ask at an even pace; return when each question was asked."""
    from django.utils import timezone

    from notifications.replies.questions import Question, ask, new_code

    asked: dict[UUID, datetime] = {}
    start = time.monotonic()
    for n in range(total):
        time.sleep(max(0.0, start + n / rate - time.monotonic()))
        question = Question(
            insurer_id=listed.insurer_id,
            member_number=f"{n // 2:09d}",
            birth_date="1980-03-12" if n % 2 else "1981-03-12",
            birth_rank="",
            language="fr",
            code=new_code(),
        )
        asked[question.number] = timezone.now()
        ask(question, now=asked[question.number])
    return asked


class ticking:  # noqa: N801 (used as a function is)
    """Queue what beat queues every second, for the block."""

    def __enter__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _tick(self) -> None:
        from notifications.tasks import answer

        while not self._over.wait(1.0):
            answer.apply_async(expires=5)


if __name__ == "__main__":
    main()
