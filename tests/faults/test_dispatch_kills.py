"""SIGKILL of real workers in each phase of sending: nobody lost, nobody told twice, doubt marked.

The fault is put where it belongs: a table that is locked, or a server that does not answer yet,
keeps a worker in the phase until PostgreSQL or the server itself has seen it there.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from django.utils import timezone
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from notifications.doubts import DoubtPolicy
from notifications.models import Campaign, CampaignState, Notification, State
from notifications.outbox import build_outbox
from notifications.register import campaign_figures
from tests.faults.stack import Stack, own_database
from tests.notifications.story import accepted_list, approved, member
from tests.smtp import Recorder, smtp_server

MESSAGES = 450
# Whom a kill may leave in doubt: the message in hand, one a connection, two connections a worker.
IN_HAND = 2


@pytest.fixture
def mail() -> Iterator[Recorder]:
    with smtp_server() as recorder:
        yield recorder


@pytest.fixture
def stack(
    tmp_path: Path, mail: Recorder, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    name = f"kills_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        stack = Stack(tmp_path, name=name, redis_db=5, smtp_port=mail.port)
        try:
            yield stack
        finally:
            stack.stop()


@contextmanager
def superuser(stack: Stack) -> Iterator[psycopg.Connection]:
    host = os.environ["PORTAL_TEST_FOLDER"]
    with psycopg.connect(host=host, user="postgres", dbname=stack.name) as connection:
        yield connection


@contextmanager
def locked(stack: Stack, table: str) -> Iterator[None]:
    """Keep everybody from writing to a table."""
    with superuser(stack) as connection:
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(table)))
        yield


def waits_in(stack: Stack, statement: str) -> Callable[[], bool]:
    """Whether a worker waits for a lock, according to PostgreSQL, in such a statement."""

    def seen() -> bool:
        with superuser(stack) as connection:
            found = connection.execute(
                "SELECT FROM pg_stat_activity WHERE usename = 'breachportal_worker'"
                " AND datname = current_database() AND wait_event_type = 'Lock'"
                " AND query LIKE %s",
                [f"%{statement}%"],
            )
            return found.fetchone() is not None

    return seen


@contextmanager
def building(stack: Stack, mail: Recorder) -> Iterator[None]:
    """The outbox is being written."""
    with locked(stack, "notifications_told"):
        start(stack)
        stack.wait_for(waits_in(stack, "INSERT INTO notifications_told"), what="the outbox")
        yield


@contextmanager
def recovering(stack: Stack, mail: Recorder) -> Iterator[None]:
    """What the worker before left is being marked; nothing of it is committed."""
    stack.forget_tasks()  # Or those that send would take both processes, and wait.
    with locked(stack, "notifications_deliveryevent"):
        start(stack)
        stack.wait_for(waits_in(stack, "reference_fingerprint = coalesce"), what="a recovery")
        yield


@contextmanager
def leasing(stack: Stack, mail: Recorder) -> Iterator[None]:
    """Messages are marked as taken; the lease is not committed."""
    with locked(stack, "notifications_deliveryevent"):
        start(stack)
        stack.wait_for(waits_in(stack, "WITH picked AS"), what="a lease")
        yield


@contextmanager
def sending(stack: Stack, mail: Recorder) -> Iterator[None]:
    """The server has the message and has not answered."""
    with held(mail):
        start(stack)
        stack.wait_for(lambda: mail.held > 0, what="a message")
        yield


@contextmanager
def recording(stack: Stack, mail: Recorder) -> Iterator[None]:
    """The server has answered; the outcome is not committed."""
    with ExitStack() as lock:
        with sending(stack, mail):
            lock.enter_context(locked(stack, "notifications_deliveryevent"))
        stack.wait_for(waits_in(stack, "attempts = attempts + 1"), what="an outcome")
        yield


@contextmanager
def closing(stack: Stack, mail: Recorder) -> Iterator[None]:
    """All messages of a batch are recorded; the batch is still open."""
    with ExitStack() as lock:
        with sending(stack, mail):
            lock.enter_context(locked(stack, "notifications_dispatchbatch"))
        statement = 'UPDATE "notifications_dispatchbatch"'
        stack.wait_for(waits_in(stack, statement), what="the end of a batch")
        yield


@contextmanager
def held(mail: Recorder) -> Iterator[None]:
    """The server keeps whoever sends waiting for its answer."""
    mail.holding = True
    try:
        yield
    finally:
        mail.holding = False


def start(stack: Stack) -> None:
    """Start a worker that takes up at once what remains to be done."""
    stack.start_worker()
    stack.send("notifications.tasks.resume_campaigns")


# Each phase, and how many messages a kill in it may leave in doubt.
PHASES = {
    building: 0,
    leasing: 0,
    sending: IN_HAND,
    recovering: 0,
    recording: IN_HAND,
    closing: IN_HAND,  # The other connection may be waiting for an answer.
}


def test_workers_killed_in_each_phase_lose_nobody_and_tell_nobody_twice(
    stack: Stack, mail: Recorder
) -> None:
    rows = [member(n, email=f"p{n}@example.fr") for n in range(MESSAGES)]
    campaign = approved(accepted_list(rows), in_doubt=DoubtPolicy.FLAG)
    killed: Counter[str] = Counter()
    for phase in PHASES:
        with phase(stack, mail):
            stack.kill_worker()
            killed[phase.__name__] += 1
        assert not is_finished(campaign)
        if phase is building:
            # Nothing of it was committed, or this would have nothing to do. (PostgreSQL takes a
            # moment to see that the worker is gone, and with it the lock on its campaign.)
            stack.wait_for(lambda: build(campaign), what="the outbox")
    start(stack)
    stack.start_beat()
    stack.wait_for(lambda: is_finished(campaign), what="the end of the campaign")

    sys.stderr.write(f"kills by phase: {dict(killed)}\n")
    sent = Counter(mail.recipients)
    uncertain = Notification.objects.filter(state=State.UNCERTAIN).count()
    accepted = Notification.objects.filter(state=State.ACCEPTED).count()
    assert [address for address, times in sent.items() if times > 1] == []
    assert accepted + uncertain == MESSAGES
    assert accepted <= len(sent) <= MESSAGES
    assert 2 <= uncertain <= sum(PHASES.values())
    figures = campaign_figures(Campaign.objects.get(pk=campaign.pk))
    assert figures.adds_up
    assert figures.messages[State.UNCERTAIN] == uncertain


def build(campaign: Campaign) -> bool:
    return build_outbox(campaign_id=campaign.pk, now=timezone.now())


def is_finished(campaign: Campaign) -> bool:
    return Campaign.objects.filter(pk=campaign.pk, state=CampaignState.FINISHED).exists()
