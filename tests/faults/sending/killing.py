"""SIGKILL of workers at random moments, and as often as asked in each phase of sending."""

from collections import Counter
from contextlib import ExitStack

from tests.faults.sending.mail_server import Act, Moment, Step
from tests.faults.sending.run import Run, say
from tests.faults.sending.workers import CONNECTIONS, Worker

KILLS = {True: 8, False: 20}  # small, full
LEAST = {True: 1, False: 3}  # in each of PHASES
PHASES = ("leasing", "sending", "recording", "closing")


def kill_in_every_phase(run: Run) -> None:
    """Kill at random while enough kills remain for the phases that lack some; then kill there."""
    kills, least = KILLS[run.is_small], LEAST[run.is_small]
    latest = 0.4 if run.is_small else 0.8
    marks = sorted(run.random.uniform(0.02, latest) for _ in range(kills))
    seen: Counter[str] = Counter()
    for phase in ("building", "leasing"):
        _kill_at_gate(run, phase, seen)
    _kill_twice_in_recovery(run, marks[3], seen)
    run.until_taken(marks[4])
    _kill_at_gate(run, "counting", seen)
    for number in range(5, kills):
        run.until_taken(marks[number])
        lacking = [phase for phase in PHASES for _ in range(least - seen[phase])]
        if lacking and (run.is_small or kills - number <= len(lacking)):
            _kill_at_gate(run, lacking[0], seen)
        else:
            _kill_at_random(run, seen)
    say(f"phases of {kills} kills, a connection each: {dict(seen)}")
    assert all(seen[phase] >= least for phase in PHASES), seen


def kill_at_random(run: Run) -> None:
    """Kill in the two phases that leave doubts, and some times at random."""
    seen: Counter[str] = Counter()
    for phase, mark in (("sending", 0.1), ("recording", 0.3)):
        run.until_taken(mark)
        _kill_at_gate(run, phase, seen)
    for mark in (0.5,) if run.is_small else (0.5, 0.6, 0.7):
        run.until_taken(mark)
        _kill_at_random(run, seen)


def _kill_at_random(run: Run, seen: Counter[str]) -> None:
    worker = run.random.choice(run.wait_for(lambda: _at_work(run), "a worker"))
    with run.strike(doubts=CONNECTIONS):
        worker.freeze()
        phases = run.works.phases_of(worker)
        _end(run, worker, "")
    _note(worker, phases, seen)


def _kill_at_gate(run: Run, phase: str, seen: Counter[str]) -> None:
    """Keep a worker in a phase and kill it there."""
    with ExitStack() as gate:
        if phase == "sending":
            gate.enter_context(run.works.mail.behaving(_hold))
            run.wait_for(lambda: run.works.mail.held, "a message without an answer")
            worker = run.works.workers[run.works.mail.held[0]]
            with run.strike(doubts=CONNECTIONS):
                _end(run, worker, phase)
            _note(worker, [phase], seen)
        else:
            gate.enter_context(run.works.gates.closed(phase))
            _kill_before_gate(run, phase, seen)


def _kill_before_gate(run: Run, phase: str, seen: Counter[str]) -> None:
    """Kill whoever comes first to a closed gate, and have PostgreSQL see that it is gone."""
    run.wait_for(lambda: run.works.gates.first_before(phase), phase)
    name = run.works.gates.first_before(phase)
    worker = next(worker for worker in run.works.workers if worker.name == name)
    with run.strike(doubts=CONNECTIONS):
        _end(run, worker, phase)
        run.works.gates.end_connections_before(phase, of=worker.name)
    _note(worker, [phase], seen)


def _kill_twice_in_recovery(run: Run, mark: float, seen: Counter[str]) -> None:
    """Kill a worker that has a batch, then whoever takes up what it left."""
    run.until_taken(mark)
    with run.works.gates.closed("recovering"):
        _kill_at_gate(run, "sending", seen)
        _kill_before_gate(run, "recovering", seen)


def _at_work(run: Run) -> list[Worker]:
    """Return the workers that are back from the last kill."""
    return [worker for worker in run.works.workers if run.works.phases_of(worker)]


def _end(run: Run, worker: Worker, phase: str) -> None:
    """Kill the process that sends; or all of the worker, which takes longer to come back."""
    run.kill(
        worker,
        is_whole=phase == "building" or (not run.is_small and run.random.random() < 0.5),
    )


def _hold(moment: Moment) -> Act | None:
    return Act.HOLD if moment.step is Step.END else None


def _note(worker: Worker, phases: list[str], seen: Counter[str]) -> None:
    say(f"SIGKILL of {worker.name}: {', '.join(sorted(phases)) or 'not connected'}")
    seen.update(set(phases))
