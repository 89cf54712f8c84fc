"""One campaign under one fault: start it, strike, wait for its end, and judge what is left."""

import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeVar

from django.db import Error

from notifications.models import Campaign, State
from tests.faults.sending import inside
from tests.faults.sending.mail_server import Taken
from tests.faults.sending.workers import CONNECTIONS, Worker, Works

Found = TypeVar("Found")

ADDRESS = re.compile(r"\bp\d+@")  # of whom the tests write to
SWEPT = 0.5  # seconds between two sweeps of a run that does not wait for beat's


@dataclass(frozen=True)
class Row:
    """What a fault left: one line of the table."""

    fault: str
    messages: int
    lost: int
    duplicates: int
    uncertain: int
    seconds: float | None
    """Until messages left again after the fault was over, the longest of its strikes."""
    sent_again: int = 0
    """Uncertain messages that the policy had sent once more, which may have arrived twice."""

    def __str__(self) -> str:
        again = f", sent again {self.sent_again}" if self.sent_again else ""
        recovered = "" if self.seconds is None else f", recovered in {self.seconds:.1f} s"
        return (
            f"{self.fault}: messages {self.messages}, lost {self.lost},"
            f" duplicates {self.duplicates}, uncertain {self.uncertain}{again}{recovered}"
        )


def say(text: str) -> None:
    """Tell whoever watches."""
    sys.stderr.write(f"{text}\n")


def recovery(times: list[float], strikes: list[tuple[float, float]]) -> float | None:
    """Return the longest time without a message once a strike (begin, end) was over."""
    if not strikes:
        return None
    ends = [*(began for began, _ in strikes[1:]), *times[-1:]]
    longest = 0.0
    for (_, over), until in zip(strikes, ends, strict=True):
        marks = [over, *(at for at in times if over < at <= until)]
        longest = max([longest, *(b - a for a, b in pairwise(marks))])
    return longest


class Run:
    """A campaign that is being sent; a fault is a function of it."""

    def __init__(self, works: Works, campaign: Campaign, *, count: int, is_small: bool) -> None:
        self.works, self.campaign, self.count, self.is_small = works, campaign, count, is_small
        self.random = random.Random(count)
        self.doubts = 0
        """How many messages the fault may leave in doubt."""
        self.sweeps = is_small
        """Whether the sweep is sent oftener than beat does, and no sender rests."""
        self._first = len(works.mail.taken)
        self._strikes: list[tuple[float, float]] = []
        self._swept = 0.0
        self._kills: list[frozenset[int]] = []  # the batches that each left

    @property
    def taken(self) -> list[Taken]:
        """What the mail server took since the campaign was approved."""
        return self.works.mail.taken[self._first :]

    def until_taken(self, share: float) -> None:
        """Wait until so much of the campaign has left."""
        mark = self._first + int(self.count * share)
        self.wait_for(lambda: len(self.works.mail.taken) >= mark, f"{share:.0%} of the messages")

    def wait_for(self, condition: Callable[[], Found], what: str, *, every: float = 0.02) -> Found:
        """Wait until a condition holds and return what it found; else say what was going on."""
        deadline = time.monotonic() + 90 + self.count / 20
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come; {self._told()}")
            self._sweep()
            time.sleep(every)
        return found

    def let_pass(self, seconds: float) -> None:
        """Let a fault last."""
        until = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() > until, "the end of a fault")

    @contextmanager
    def strike(self, *, doubts: int = 0) -> Iterator[None]:
        """The fault lasts as long as the block, and may leave so many messages in doubt."""
        began = time.time()
        self.doubts += doubts
        yield
        self._strikes.append((began, time.time()))

    def kill(self, worker: Worker, *, is_whole: bool = False) -> None:
        """SIGKILL the process that sends, or all of a worker; note the batches that it had."""
        worker.freeze()
        # What an earlier kill left belongs to that one, whoever was recovering it.
        left = self.works.leases_of(worker).difference(*self._kills)
        self._kills.append(left)
        if is_whole:
            worker.kill()
        else:
            worker.kill_child()

    def _count_doubts(self) -> None:
        """Assert of each kill: one message in doubt a connection at most; and nobody else's are.

        Before the time of any doubt has come: those that are sent again have another batch.
        """
        if not self._kills:
            return
        for left in self._kills:
            self.wait_for(partial(inside.are_ended, left), "the end of what a kill left")
        doubts = [[inside.in_doubt(batch) for batch in sorted(left)] for left in self._kills]
        say(f"in doubt by batch, of each kill: {doubts}")
        assert all(sum(of_kill) <= CONNECTIONS for of_kill in doubts), doubts
        assert all(of_batch <= 1 for of_kill in doubts for of_batch in of_kill), doubts
        assert sum(map(sum, doubts)) == inside.uncertain(self.campaign), doubts
        self._kills = []

    def finish(self) -> None:
        """Wait for the end; retries and doubts need not wait for their time."""
        self._count_doubts()

        def is_over() -> bool:
            if inside.has_ended(self.campaign):
                return True
            inside.bring_forward(self.campaign)
            return False

        self.wait_for(is_over, "the end of the campaign", every=0.1)
        self.campaign.refresh_from_db()

    def judge(self, fault: str) -> Row:
        """Count what the fault left, and assert what no fault may change."""
        messages = inside.messages_of(self.campaign)
        taken = Counter(message.message_id for message in self.taken)
        assert set(taken) <= {message.message_id for message in messages}, "of another campaign"
        assert len(messages) == self.count
        inside.check_books(self.campaign)
        lost = unmarked = duplicates = again = uncertain = failed = 0
        for message in messages:
            times = taken[message.message_id]
            lost += message.state == State.ACCEPTED and not times
            unmarked += bool(times) and message.state not in (State.ACCEPTED, State.UNCERTAIN)
            duplicates += max(0, times - 1 - message.is_resent)
            again += message.is_resent
            uncertain += message.state == State.UNCERTAIN
            failed += inside.is_failure(message.state)
        refused = {message.recipient for message in self.taken} & self.works.mail.refused
        assert not unmarked, f"{unmarked} messages left and are not said to have"
        assert not refused, "taken although refused for good"
        assert failed == len(self.works.mail.refused)
        assert uncertain + again <= self.doubts, (uncertain, again, self.doubts)
        assert not any(ADDRESS.search(log) for log in self._logs()), "an address in a log"
        seconds = recovery([message.at for message in self.taken], self._strikes)
        return Row(fault, self.count, lost, duplicates, uncertain, seconds, again)

    def _sweep(self) -> None:
        if not self.sweeps or time.monotonic() - self._swept < SWEPT:
            return
        # Each sweep makes the tickets of those before it worthless: none may come too early.
        if not self.works.broker.has_waiting(*inside.QUEUES):
            self.works.broker.send(inside.SWEEP)
        inside.end_rests()
        self._swept = time.monotonic()

    def _logs(self) -> list[str]:
        logs = [worker.stack.log for worker in self.works.workers]
        return [log.read_text(errors="replace") for log in logs if log.is_file()]

    def _told(self) -> str:
        try:
            states = Counter(message.state for message in inside.messages_of(self.campaign))
        except Error:
            return "PostgreSQL does not answer"
        self.campaign.refresh_from_db()
        ends = "\n".join(log[-3000:] for log in self._logs())
        return f"{self.campaign.state} {self.campaign.halt_reason} {dict(states)}\n{ends}"
