"""SIGKILL of a real worker while it writes to people who wait."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from insurers.models import ImpactReport, Insurer
from lookup.models import Ending, WaitingAddress, WaitingTally
from lookup.waiting.links import confirm
from lookup.waiting.requests import ask_to_be_told
from tests import cast
from tests.faults.stack import Stack, own_database
from tests.lookup.test_waiting_messages import links_in
from tests.smtp import Recorder, smtp_server

TASK = "lookup.tasks.write_to_waiting"
PEOPLE = 5


@pytest.fixture
def mail() -> Iterator[Recorder]:
    with smtp_server() as recorder:
        yield recorder


@pytest.fixture
def stack(
    tmp_path: Path, mail: Recorder, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    name = f"waiting_kills_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        stack = Stack(tmp_path, name=name, redis_db=12, smtp_port=mail.port)
        try:
            yield stack
        finally:
            stack.stop()


def killed_in_the_middle(stack: Stack, mail: Recorder) -> None:
    """Kill a worker that has a message with the server, then let another one finish."""
    mail.holding = True
    stack.start_worker()
    stack.send(TASK)
    stack.wait_for(lambda: mail.held, what="a message with the server")
    assert WaitingAddress.objects.exclude(taken_up_at=None).count() == 1
    stack.kill_worker()
    mail.holding = False
    stack.forget_tasks()
    stack.start_worker()


def test_nobody_is_lost_and_one_message_at_most_is_in_doubt(stack: Stack, mail: Recorder) -> None:
    cache.clear()
    sable = Insurer.objects.create(slug="sable", name="Mutuelle du Sable (fictive)")
    people = {f"n{number}@example.fr" for number in range(PEOPLE)}
    for email in people:
        ask_to_be_told(insurer=sable, email=email, language="fr", now=timezone.now())

    killed_in_the_middle(stack, mail)
    stack.send(TASK)
    asked = WaitingAddress.objects.filter(due_at=None)
    stack.wait_for(lambda: asked.count() == PEOPLE, what="the messages that ask")
    assert set(mail.recipients) == people
    assert len(mail.recipients) == PEOPLE + 1

    for message in mail.messages:
        confirm(token=links_in(message)[0].split("/")[-2])
    ImpactReport.objects.create(
        breach=cast.breach(), insurer=sable, status="partly", source=cast.source()
    )
    mail.received.clear()
    stack.kill_worker()
    killed_in_the_middle(stack, mail)
    stack.send(TASK)
    stack.wait_for(lambda: not WaitingAddress.objects.exists(), what="the messages that tell")
    assert set(mail.recipients) == people
    assert len(mail.recipients) == PEOPLE + 1
    tally = WaitingTally.objects.get()
    assert (tally.ending, tally.people) == (Ending.TOLD, PEOPLE)
