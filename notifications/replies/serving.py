"""Answer questions, and send the answers beside: one process, so that nobody waits for the other.

Every connection that sends is a thread of its own, with a message in hand of its own: so many are
in doubt when the process is killed.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from django.conf import settings
from django.db import connection

from notifications.models import Channel
from notifications.replies.answering import answer_questions, questions_due
from notifications.replies.sending import SENT_BY, ListsInHand, replies_due, send_replies

CONNECTIONS = 4


def serve(*, seconds: float) -> bool:
    """Answer and send for about `seconds`; return whether more is to be done now."""
    at_most = min(CONNECTIONS, settings.SENDING_CONNECTIONS)
    busy = questions_due(at_most=at_most) + replies_due(at_most=at_most)
    if not busy:
        return False
    lists, is_answered, end = ListsInHand(), Event(), time.monotonic() + seconds
    with ThreadPoolExecutor(at_most) as pool:
        sending = [
            pool.submit(_send_beside, number, seconds, lists, is_answered)
            for number in range(min(busy, at_most))
        ]
        try:
            answer_questions(seconds=seconds)
        finally:
            is_answered.set()
        remains = [connection_ended.result() for connection_ended in sending]
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
