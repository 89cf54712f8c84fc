"""Answer questions, and send the answers beside: one process, so that nobody waits for the other.

Every connection that sends is a thread of its own, with a message in hand of its own: so many are
in doubt when the process is killed. One that a server keeps waiting is left behind: it ends by
itself, and meanwhile nobody else waits for that server.
"""

import time
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

from django.conf import settings
from django.db import connection

from notifications.models import Channel
from notifications.replies.answering import answer_questions, questions_due
from notifications.replies.sending import (
    LOOKED_EVERY,
    SENT_BY,
    ListsInHand,
    replies_due,
    send_replies,
)

CONNECTIONS = 4
GRACE = 1.0  # seconds in which a connection ends that nothing holds up


def serve(*, seconds: float) -> bool:
    """Answer and send for about `seconds`; return whether more is to be done now."""
    at_most = min(CONNECTIONS, settings.SENDING_CONNECTIONS)
    busy = questions_due(at_most=at_most) + replies_due(at_most=at_most)
    if not busy:
        return False
    lists, is_answered, end = ListsInHand(), Event(), time.monotonic() + seconds
    pool = ThreadPoolExecutor(at_most)
    sending = [
        pool.submit(_send_beside, number, seconds, lists, is_answered)
        for number in range(min(busy, at_most))
    ]
    try:
        answer_questions(seconds=seconds)
        is_answered.set()
        while wait(sending, LOOKED_EVERY).not_done and time.monotonic() < end:
            answer_questions(seconds=end - time.monotonic())
    finally:
        is_answered.set()
        pool.shutdown(wait=False)
        ended = wait(sending, GRACE).done
    remains = [connection_ended.result() for connection_ended in ended]
    return any(remains) or (time.monotonic() > end and questions_due(at_most=1) > 0)


def _send_beside(number: int, seconds: float, lists: ListsInHand, is_answered: Event) -> bool:
    try:
        return send_replies(
            seconds=seconds,
            # A provider of SMS may admit one connection.
            channels=(Channel.EMAIL,) if number else SENT_BY,
            lists=lists,
            more_come=lambda: not is_answered.is_set(),
        )
    finally:
        connection.close()  # This thread's own.
