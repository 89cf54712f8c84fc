"""The table of faults. Each is a function of a run: it lets some messages leave, then strikes."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from notifications.campaigns.stopping import cancel_campaign, pause_campaign, resume_paused
from notifications.models import State
from notifications.sending.doubts import DoubtPolicy
from tests import cast
from tests.faults.sending import inside
from tests.faults.sending.killing import kill_at_random, kill_in_every_phase
from tests.faults.sending.mail_server import Act, Behaviour, Moment, Step
from tests.faults.sending.run import Run
from tests.faults.sending.workers import CONNECTIONS, WORKERS, Works

IN_HAND = WORKERS * CONNECTIONS  # what all workers together may leave in doubt
AT_MOST = 2.0  # seconds until a stop takes effect
HOUR = 3600


@dataclass(frozen=True)
class Fault:
    """A fault, and what is done with messages in doubt.

    It gets the full size divided by `part`, or `least` messages where that would be over too
    soon; `prepare` is called before the campaign is approved.
    """

    name: str
    strike: Callable[[Run], None]
    in_doubt: DoubtPolicy = DoubtPolicy.FLAG
    part: int = 10
    least: int = 100
    prepare: Callable[[Works], None] = lambda works: None


def redis_flushed(run: Run) -> None:
    run.until_taken(0.3)
    with run.strike():
        run.works.servers.flush_redis()


def redis_killed(run: Run) -> None:
    run.until_taken(0.3)
    with run.strike():
        run.works.servers.kill_redis()


def postgres_restarted(run: Run) -> None:
    run.until_taken(0.3)
    with run.strike(doubts=IN_HAND):
        run.works.servers.restart_postgres()


def postgres_stopped_at_once(run: Run) -> None:
    run.until_taken(0.3)
    with run.strike(doubts=IN_HAND):
        run.works.servers.stop_postgres_at_once()


def server_answers(answer: str, *steps: Step) -> Callable[[Run], None]:
    """Return the fault of a server that answers so to everybody, for a while."""

    def strike(run: Run) -> None:
        _misbehave(run, lambda moment: answer.encode() if moment.step in steps else None)

    return strike


def server_refuses(answer: str, step: Step) -> Callable[[Run], None]:
    """Return the fault of a server that answers so whenever it meets one recipient in twenty."""

    def refuses(moment: Moment) -> bytes | None:
        number = moment.recipient.partition("@")[0].removeprefix("p")
        is_met = moment.step is step and number.isdigit() and int(number) % 20 == 7
        return answer.encode() if is_met else None

    def strike(run: Run) -> None:
        with run.works.mail.behaving(refuses), run.strike():
            run.finish()
        assert len(run.works.mail.refused) == len(range(7, run.count, 20))

    return strike


def server_breaks_off(step: Step, *, times: int) -> Callable[[Run], None]:
    """Return the fault of a server that closes so many connections at that step."""

    def strike(run: Run) -> None:
        left = iter(range(times))

        def breaks_off(moment: Moment) -> Act | None:
            return Act.DROP if moment.step is step and next(left, None) is not None else None

        run.until_taken(0.4)
        before = run.works.mail.dropped
        with run.works.mail.behaving(breaks_off), run.strike(doubts=times):
            run.wait_for(lambda: run.works.mail.dropped == before + times, "the breaks")

    return strike


def server_hangs(run: Run) -> None:
    """It takes messages and gives no answer, for longer than a worker waits.

    At full size to all; of a small campaign, a connection has all messages, and one is enough.
    """
    hung = 1 if run.is_small else IN_HAND
    left = iter(range(hung if run.is_small else run.count))

    def hangs(moment: Moment) -> Act | None:
        return Act.HOLD if moment.step is Step.END and next(left, None) is not None else None

    run.until_taken(0.4)
    with run.strike(doubts=hung), run.works.mail.behaving(hangs):
        run.wait_for(lambda: run.works.mail.held, "a message without an answer")
        run.wait_for(
            lambda: len(inside.unanswered(run.campaign)) == hung, "the end of a worker's wait"
        )
        run.let_pass(0.0 if run.is_small else 10.0)
    doubted = inside.unanswered(run.campaign)
    run.finish()
    found = [one for one in inside.messages_of(run.campaign) if one.message_id in doubted]
    assert len(found) == hung
    assert all(one.state == State.ACCEPTED and one.is_resent for one in found), found
    times = Counter(one.message_id for one in run.taken)
    assert {times[one] for one in doubted} == {2}


def server_is_slow(run: Run) -> None:
    _misbehave(run, lambda moment: 0.2 if moment.step in (Step.RCPT, Step.END) else None)


def beat_killed(run: Run) -> None:
    """Nothing is queued by anybody: not a message leaves until beat is back."""
    run.sweeps = False
    with run.strike():
        run.works.servers.flush_redis()
        run.let_pass(1.0 if run.is_small else 10.0)
        assert not run.taken
        run.works.broker.start_beat()
    run.finish()


def two_beats(run: Run) -> None:
    """Both queue the sweep, and nobody else does, while messages leave."""
    stacks = [worker.stack for worker in run.works.workers]
    pace, sweeps = run.works.mail.pace, run.sweeps
    run.works.mail.pace = 30 * IN_HAND / run.count
    with run.strike():
        run.until_taken(0.01)
        run.sweeps = False
        before = [stack.queued_by_beat(inside.SWEEP) for stack in stacks]
        for stack, number in zip(stacks, before, strict=True):
            run.wait_for(
                lambda s=stack, n=number: s.queued_by_beat(inside.SWEEP) > n,  # type: ignore[misc]
                "a sweep of each beat",
            )
        assert len(run.taken) < run.count
        run.sweeps, run.works.mail.pace = sweeps, pace
        run.finish()
        assert all(stack.beat_lives for stack in stacks)
    stacks[1].kill_beat()


def tasks_delivered_thrice(run: Run) -> None:
    for _ in range(3):
        run.works.broker.send(inside.START, campaign_id=run.campaign.pk)
    for share in (0.0, 0.2, 0.4, 0.6):
        run.until_taken(share)
        with run.strike():
            for slot, ticket in inside.tickets():
                for _ in range(3):
                    run.works.broker.send(inside.DISPATCH, slot=slot, ticket=ticket)
                    run.works.broker.send(inside.SWEEP)


def paused_and_resumed(run: Run) -> None:
    run.until_taken(0.3)
    pause_campaign(campaign_id=run.campaign.pk, person_id=cast.paule().pk, now=timezone.now())
    with run.strike():
        run.let_pass(AT_MOST)
        left = len(run.taken)
        run.let_pass(AT_MOST)
        assert len(run.taken) == left < run.count
        run.wait_for(lambda: not inside.being_sent(run.campaign), "the batches in hand")
        assert inside.accepted(run.campaign) == left
    resumed_at = time.time()
    resume_paused(campaign_id=run.campaign.pk, person_id=cast.paule().pk, now=timezone.now())
    run.works.broker.send(inside.SWEEP)  # as the page does
    run.wait_for(lambda: len(run.taken) > left, "a message after the pause")
    assert run.taken[left].at < resumed_at + AT_MOST


def cancelled(run: Run) -> None:
    run.until_taken(0.3)
    cancel_campaign(campaign_id=run.campaign.pk, approver_id=cast.armand().pk, now=timezone.now())
    cancelled_at = time.time()
    run.finish()
    run.let_pass(max(0.0, 2 * AT_MOST - (time.time() - cancelled_at)))
    assert run.taken[-1].at < cancelled_at + AT_MOST
    assert len(run.taken) < run.count


def clock_stepped(run: Run) -> None:
    """One worker's clock jumps an hour ahead, and back, while the other's is right."""
    right = run.works.workers[0]
    right.freeze()  # until the other one is at work
    pace = run.works.mail.pace
    # The step is seen within a second or two: not all may have left.
    run.works.mail.pace = max(20 * pace, 0.01)
    run.until_taken(0.1)
    with run.strike():
        run.works.step_clock(HOUR)
    run.wait_for(lambda: _is_ahead(run), "a record of the hour to come")
    run.works.mail.pace = 3 * pace
    right.thaw()
    run.until_taken(0.6)
    with run.strike():
        run.works.step_clock(0)
    run.finish()
    run.works.mail.pace = pace


def disk_of_logs_full(run: Run) -> None:
    """Both workers were started where each line of their logs fails; one is killed there."""
    run.until_taken(0.4)
    with run.strike(doubts=CONNECTIONS):
        run.kill(run.works.workers[0])


def _misbehave(run: Run, behave: Behaviour) -> None:
    met: list[Moment] = []

    def noted(moment: Moment) -> bytes | float | Act | None:
        found = behave(moment)
        if found is not None:
            met.append(moment)
        return found

    run.until_taken(0.3)
    with run.strike(), run.works.mail.behaving(noted):
        run.let_pass(0.5 if run.is_small else 3.0)
        run.wait_for(lambda: met, "a message that the server treats so")


def _is_ahead(run: Run) -> bool:
    return inside.latest_event(run.campaign) > time.time() + HOUR / 2


FAULTS = (
    Fault("SIGKILL of workers", kill_in_every_phase, part=1),
    Fault("SIGKILL of workers, doubts sent again", kill_at_random, DoubtPolicy.RETRY),
    Fault("Redis flushed", redis_flushed),
    Fault("Redis killed and started empty", redis_killed),
    Fault("PostgreSQL restarted, fast", postgres_restarted),
    Fault("PostgreSQL restarted, immediate", postgres_stopped_at_once),
    Fault("SMTP 421", server_answers("421 4.3.2 closing", Step.RCPT)),
    Fault("SMTP 450", server_answers("450 4.2.0 mailbox busy", Step.RCPT)),
    Fault("SMTP 452", server_answers("452 4.3.1 no room", Step.END)),
    Fault("SMTP 550", server_refuses("550 5.1.1 nobody", Step.RCPT)),
    Fault("SMTP 554", server_refuses("554 5.7.1 not wanted", Step.END)),
    Fault("SMTP broken off before DATA", server_breaks_off(Step.RCPT, times=2)),
    Fault("SMTP broken off during DATA", server_breaks_off(Step.CONTENT, times=2)),
    Fault("SMTP broken off after the final dot", server_breaks_off(Step.END, times=2)),
    Fault(
        "SMTP broken off after the final dot, doubts sent again",
        server_breaks_off(Step.END, times=2),
        DoubtPolicy.RETRY,
    ),
    Fault("SMTP hanging, doubts sent again", server_hangs, DoubtPolicy.RETRY),
    Fault("SMTP slow", server_is_slow),
    Fault(
        "beat killed, Redis flushed",
        beat_killed,
        prepare=lambda works: works.broker.kill_beat(),
    ),
    Fault(
        "two beats at once",
        two_beats,
        prepare=lambda works: works.workers[1].stack.start_beat(),
    ),
    Fault("the same tasks delivered three times", tasks_delivered_thrice),
    Fault("paused and resumed", paused_and_resumed),
    Fault("cancelled", cancelled),
    Fault(
        "a clock stepped by an hour",
        clock_stepped,
        least=200,
        prepare=lambda works: works.give_own_clock(works.workers[1]),
    ),
    Fault(
        "disk of logs full, SIGKILL",
        disk_of_logs_full,
        prepare=lambda works: works.fill_the_disk_of_logs(),
    ),
)
