"""Send over several connections of a worker process at once.

Each has a lease and a message in hand of its own, so a killed process leaves at most so many in
doubt; what their servers took is written to disk for all of them together.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from django.db import connection
from django.utils import timezone

from notifications.sending.acceptances import apply_acceptances
from notifications.sending.dispatch import Letterheads, dispatch
from notifications.sending.recorder import Recorder

COUNTED_EVERY = 1.0  # seconds


def dispatch_by_turns(*, seconds: float, connections: int) -> bool:
    """Send for all campaigns for about `seconds`; return whether messages remain due now."""
    letterheads = Letterheads()
    with _recorder() as recorder, ThreadPoolExecutor(connections) as pool:
        ends = [
            pool.submit(_dispatch_beside, seconds, recorder, letterheads)
            for _ in range(connections)
        ]
        running = set(ends)
        while running:
            _ended, running = wait(running, timeout=COUNTED_EVERY)
            # A server that makes the next message wait does not hide what became of this one.
            for batch_id in recorder.batches_to_apply():
                apply_acceptances(batch_id=batch_id, now=timezone.now())
        remains = [end.result() for end in ends]
    return any(remains)


def _dispatch_beside(seconds: float, recorder: Recorder, letterheads: Letterheads) -> bool:
    try:
        return dispatch(seconds=seconds, recorder=recorder, letterheads=letterheads)
    finally:
        connection.close()  # This thread's own.


@contextmanager
def _recorder() -> Iterator[Recorder]:
    """Open a database connection that all threads share, for the block."""
    database = connection.copy()
    database.inc_thread_sharing()
    try:
        yield Recorder(database)
    finally:
        database.close()
