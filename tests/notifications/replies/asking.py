"""Short cuts: a question about somebody of `tests.notifications.story`."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from notifications.replies.answering import answer_questions
from notifications.replies.questions import Question, ask, new_code
from tests import cast
from tests.conftest import as_role


def question(number: int, **other: Any) -> Question:
    """Return a question about member `number` of the Phare."""
    given: dict[str, Any] = {
        "insurer_id": cast.phare().pk,
        "member_number": f"{number:09d}",
        "birth_date": "1980-03-12",
        "birth_rank": "",
        "language": "fr",
        "code": new_code(),
    }
    return Question(**given | other)


def asked(number: int, *, now: datetime | None = None, **other: Any) -> Question:
    """Ask it, as the web process does."""
    wanted = question(number, **other)
    with as_role("web"):
        ask(wanted, now=now or timezone.now())
    return wanted


def answer() -> int:
    """Have the worker take what was asked."""
    with as_role("worker"):
        return answer_questions(seconds=5)


def rows() -> list[tuple[Any, ...]]:
    """Return the sealed questions as they stand in the table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, sealed, due_at FROM notifications_sealedquestion")
        return list(cursor.fetchall())
