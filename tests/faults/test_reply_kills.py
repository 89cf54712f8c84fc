"""Answers to people's questions: workers killed, two at once, a server that says nothing."""

import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from notifications.models import Channel, Reply, SealedQuestion, State
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
    mail.holds_from = 2  # It answers the first: only then are there more connections.
    stack.start_worker()
    stack.send(TASK)
    stack.wait_for(lambda: mail.held == CONNECTIONS, what="a message on each connection")
    stack.kill_worker()
    mail.holds_from, mail.holding = None, False
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


def test_a_server_that_says_nothing_holds_up_nobody_else(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> None:
    name, sms = f"reply_silence_{os.getpid()}", tmp_path / "sms"
    environment = {
        "SMS_PROVIDER": "folder",
        "SMS_SENDER": "PORTAIL",
        "SMS_OUTBOX_DIR": str(sms),
    }
    in_hand = Reply.objects.filter(state=State.SENDING)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        django_db_blocker.unblock(),
        own_database(name, tmp_path),
    ):
        stack = Stack(
            tmp_path,
            name=name,
            redis_db=10,
            smtp_port=silent.getsockname()[1],
            queues="reply",
            processes=1,
            environment=environment,
        )
        try:
            by_mail = [member(n, email=f"p{n}@example.fr") for n in range(8)]
            accepted_list([*by_mail, member(8, mobile="0639980008")])
            stack.start_worker()
            for number in range(8):
                ask(question(number), now=timezone.now())
            stack.send(TASK)
            stack.wait_for(in_hand.exists, what="a message that the server keeps waiting")
            begun = time.monotonic()
            ask(question(8), now=timezone.now())
            stack.send(TASK)
            stack.wait_for(lambda: sms.is_dir() and any(sms.iterdir()), what="the SMS")
            assert time.monotonic() - begun < 15  # The server is waited for longer.
            # Whoever is told by SMS may be noted a moment after the SMS.
            assert in_hand.filter(channels__0=Channel.EMAIL).count() == 1
        finally:
            stack.stop()
