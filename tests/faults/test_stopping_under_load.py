"""Pause, continue and cancel while real workers send: within two seconds, and exactly there."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from notifications.campaigns import cancel_campaign, pause_campaign, resume_paused
from notifications.models import Campaign, CampaignState, Notification, State
from notifications.outbox import build_outbox
from notifications.register import campaign_figures
from notifications.states import Standing
from tests import cast
from tests.faults.stack import Stack, own_database
from tests.notifications.effects import check_figures
from tests.notifications.story import accepted_list, approved, member
from tests.smtp import Recorder, smtp_server

MESSAGES = 1500
AT_MOST = 2.0  # seconds until a stop takes effect


@pytest.fixture
def mail() -> Iterator[Recorder]:
    with smtp_server() as recorder:
        yield recorder


@pytest.fixture
def stack(
    tmp_path: Path, mail: Recorder, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    name = f"stops_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        stack = Stack(tmp_path, name=name, redis_db=6, smtp_port=mail.port)
        try:
            yield stack
        finally:
            stack.stop()


def test_stops_take_effect_between_two_messages(stack: Stack, mail: Recorder) -> None:
    rows = [member(n, email=f"p{n}@example.fr") for n in range(MESSAGES)]
    campaign = approved(accepted_list(rows))
    build_outbox(campaign_id=campaign.pk, now=timezone.now())
    stack.start_worker()
    stack.start_beat()

    stack.wait_for(lambda: len(mail.received) > 100, what="the first messages")
    pause_campaign(campaign_id=campaign.pk, person_id=cast.paule().pk, now=timezone.now())
    paused_at = quiet(mail)
    stack.wait_for(lambda: not of(State.SENDING), what="the batches in hand")
    assert of(State.ACCEPTED) == paused_at < MESSAGES

    resume_paused(campaign_id=campaign.pk, person_id=cast.paule().pk, now=timezone.now())
    stack.wait_for(lambda: len(mail.received) > paused_at + 100, what="the messages after")
    cancel_campaign(campaign_id=campaign.pk, approver_id=cast.armand().pk, now=timezone.now())
    cancelled_at = quiet(mail)
    waiting = (State.PENDING, State.SENDING)
    stack.wait_for(lambda: not of(*waiting), what="the end of what waited")

    assert [address for address, n in Counter(mail.recipients).items() if n > 1] == []
    assert of(State.ACCEPTED) == len(mail.received) == cancelled_at < MESSAGES
    assert of(State.CANCELLED) == MESSAGES - cancelled_at
    figures = campaign_figures(Campaign.objects.get(state=CampaignState.CANCELLED))
    assert figures.people[Standing.CANCELLED] == MESSAGES - cancelled_at
    check_figures()


def quiet(mail: Recorder) -> int:
    """Let the time pass that a stop may take; return how many were sent, if none is any more."""
    time.sleep(AT_MOST)
    sent = len(mail.received)
    time.sleep(AT_MOST)
    assert len(mail.received) == sent
    return sent


def of(*states: State) -> int:
    return Notification.objects.filter(state__in=states).count()
