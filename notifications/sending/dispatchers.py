"""Send over several connections of a worker process at once.

Each has a lease and a message in hand of its own, so a killed process leaves at most so many in
doubt; one thread serves them all (`notifications/cooperation.py`), and what their servers took is
written to disk for all of them together.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial

from django.db import connection
from django.utils import timezone

from notifications.cooperation import run_together
from notifications.sending.acceptances import apply_acceptances
from notifications.sending.batches import Crew, Speeds
from notifications.sending.dispatch import dispatch
from notifications.sending.recorder import Recorder

COUNTED_EVERY = 1.0  # seconds


def dispatch_by_turns(*, seconds: float, connections: int, speeds: Speeds | None = None) -> bool:
    """Send for all campaigns for about `seconds`; return whether messages remain due now.

    `speeds` are what earlier calls of this process have seen: batches are as long from the start.
    """
    with _recorder() as recorder, ThreadPoolExecutor(1) as pool:
        crew = Crew(recorder, Speeds() if speeds is None else speeds)
        sending = pool.submit(_dispatch_beside, seconds, connections, crew)
        while wait([sending], timeout=COUNTED_EVERY).not_done:
            # A server that makes the next message wait does not hide what became of this one.
            for batch_id in recorder.batches_to_apply():
                apply_acceptances(batch_id=batch_id, now=timezone.now())
        return sending.result()


def _dispatch_beside(seconds: float, connections: int, crew: Crew) -> bool:
    one = partial(dispatch, seconds=seconds, crew=crew)
    try:
        return any(run_together([one] * connections))
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
