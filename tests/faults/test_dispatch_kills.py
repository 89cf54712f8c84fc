"""SIGKILL of real workers while they send: nobody lost, nobody told twice, doubt marked."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from notifications.models import Campaign, CampaignState, Notification, State
from notifications.register import campaign_figures
from tests.faults.stack import Stack, own_database
from tests.notifications.story import accepted_list, approved, member
from tests.smtp import Recorder, smtp_server

MESSAGES = 1500
KILLS = 4


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


def phase_of_kill(mail: Recorder) -> str:
    """Say where the dead worker was, from what it left (before anything recovers it)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE n.state = 'sending'), count(n.id)"
            " FROM notifications_dispatchbatch b"
            " LEFT JOIN notifications_notification n ON n.batch_id = b.id"
            " WHERE b.closed_at IS NULL GROUP BY b.id"
        )
        batches = cursor.fetchall()
    recorded = Notification.objects.filter(state=State.ACCEPTED).count()
    if not batches:
        return "between batches"
    if all(sending == total for sending, total in batches):
        return "leasing"
    return "recording" if len(mail.received) > recorded else "sending"


def test_killed_workers_lose_nobody_and_tell_nobody_twice(stack: Stack, mail: Recorder) -> None:
    campaign = approved(
        accepted_list([member(n, email=f"p{n}@example.fr") for n in range(MESSAGES)])
    )
    stack.start_beat()
    phases: Counter[str] = Counter()
    while sum(phases.values()) < KILLS:
        goal = len(mail.received) + 30
        stack.start_worker()
        stack.wait_for(partial(has_received, mail, goal), what="messages")
        stack.kill_worker()
        assert in_progress(campaign), "the kill hit an idle worker: it does not count"
        phases[phase_of_kill(mail)] += 1
    stack.start_worker()
    stack.wait_for(lambda: is_finished(campaign), what="the end of the campaign")

    sys.stderr.write(f"kills by phase: {dict(phases)}\n")
    sent = Counter(mail.recipients)
    uncertain = Notification.objects.filter(state=State.UNCERTAIN).count()
    accepted = Notification.objects.filter(state=State.ACCEPTED).count()
    assert [address for address, times in sent.items() if times > 1] == []
    assert accepted + uncertain == MESSAGES
    assert len(sent) >= accepted
    assert uncertain <= 2 * KILLS  # One a connection, two connections a worker.
    figures = campaign_figures(Campaign.objects.get(pk=campaign.pk))
    assert figures.adds_up
    assert figures.messages[State.UNCERTAIN] == uncertain


def has_received(mail: Recorder, goal: int) -> bool:
    return len(mail.received) > goal


def in_progress(campaign: Campaign) -> bool:
    return Notification.objects.filter(
        campaign=campaign, state__in=(State.PENDING, State.SENDING)
    ).exists()


def is_finished(campaign: Campaign) -> bool:
    time.sleep(0.2)
    return Campaign.objects.filter(pk=campaign.pk, state=CampaignState.FINISHED).exists()
