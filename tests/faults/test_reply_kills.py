"""Answers to people's questions: a worker that is killed, and two that work at once."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from notifications.models import Reply, SealedQuestion, State
from notifications.replies.questions import ask
from notifications.replies.serving import CONNECTIONS
from tests.faults.stack import Stack, own_database
from tests.notifications.replies.asking import question
from tests.notifications.story import accepted_list, member
from tests.smtp import Recorder, smtp_server

TASK = "notifications.tasks.answer"
PEOPLE = 40


@pytest.fixture
def mail() -> Iterator[Recorder]:
    with smtp_server() as recorder:
        yield recorder


@pytest.fixture
def stack(
    tmp_path: Path, mail: Recorder, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    name = f"reply_kills_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        stack = Stack(tmp_path, name=name, redis_db=10, smtp_port=mail.port, queues="reply")
        try:
            yield stack
        finally:
            stack.stop()


def people_ask(*, times: int = 1) -> set[str]:
    """Have everybody listed ask; return their addresses."""
    accepted_list([member(n, email=f"p{n}@example.fr") for n in range(PEOPLE)])
    for _ in range(times):
        for number in range(PEOPLE):
            ask(question(number), now=timezone.now())
    return {f"p{number}@example.fr" for number in range(PEOPLE)}


def test_a_kill_leaves_a_message_in_doubt_for_each_connection_and_answers_nobody_twice(
    stack: Stack, mail: Recorder
) -> None:
    people = people_ask()
    mail.holding = True
    stack.start_worker()
    stack.send(TASK)
    stack.wait_for(lambda: mail.held == CONNECTIONS, what="a message on each connection")
    stack.kill_worker()
    mail.holding = False
    stack.forget_tasks()
    in_hand = Reply.objects.filter(state=State.SENDING)
    assert in_hand.count() == CONNECTIONS

    stack.start_worker()
    in_hand.update(due_at=timezone.now() - timedelta(seconds=1))  # Ten minutes later.
    stack.send(TASK)
    settled = Reply.objects.filter(state__in=(State.ACCEPTED, State.UNCERTAIN))
    stack.wait_for(lambda: settled.count() == PEOPLE, what="an outcome for everybody")
    assert settled.filter(state=State.UNCERTAIN).count() == CONNECTIONS
    assert not SealedQuestion.objects.exists()
    assert set(mail.recipients) == people
    assert set(Counter(mail.recipients).values()) == {1}


def test_two_workers_answer_each_person_once(stack: Stack, mail: Recorder) -> None:
    people = people_ask(times=3)
    stack.start_worker()  # It has two processes.
    for _ in range(6):
        stack.send(TASK)
    sent = Reply.objects.filter(state=State.ACCEPTED)
    stack.wait_for(lambda: sent.count() == PEOPLE, what="an answer to everybody")
    stack.wait_for(lambda: not stack.has_waiting("reply"), what="an empty queue")
    assert not SealedQuestion.objects.exists()
    assert Reply.objects.count() == PEOPLE
    assert sorted(mail.recipients) == sorted(people)
