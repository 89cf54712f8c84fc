"""SIGKILL of a worker that sends SMS: as many messages in doubt as its window, and none twice."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from notifications.models import Notification, State
from notifications.outbox.building import build_outbox
from tests.faults.stack import Stack, own_database
from tests.notifications.story import accepted_list, approved, member
from tests.providers import Controls, provider_process

MESSAGES = 30
ANSWERED = 30  # submits, of which a message takes two or three
UNSETTLED = (State.PENDING, State.SENDING, State.DEFERRED)


@pytest.fixture
def smsc(tmp_path: Path) -> Iterator[Controls]:
    with provider_process("tests.smsc", tmp_path / "smsc") as controls:
        yield controls


@pytest.fixture(params=[1, 5])
def window(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def stack(
    tmp_path: Path,
    smsc: Controls,
    window: int,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Stack]:
    name = f"sms_kills_{os.getpid()}_{window}"
    account = {
        "SMS_PROVIDER": "smpp",
        "SMS_HOST": "127.0.0.1",
        "SMS_PORT": str(smsc.port),
        "SMS_TLS": "0",
        "SMS_USERNAME": "phare",
        "SMS_PASSWORD": "secret",
        "SMS_WINDOW": str(window),
    }
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        stack = Stack(tmp_path, name=name, redis_db=9, smtp_port=1, environment=account)
        try:
            yield stack
        finally:
            stack.stop()


def test_a_kill_leaves_its_window_in_doubt_and_tells_nobody_twice(
    stack: Stack, smsc: Controls, window: int
) -> None:
    rows = [member(n, mobile=f"06399800{n:02d}") for n in range(MESSAGES)]
    campaign = approved(accepted_list(rows))
    build_outbox(campaign_id=campaign.pk, now=timezone.now())
    smsc.behave(hold_from=ANSWERED + 1)  # some messages are answered, and from here on none
    stack.start_worker()
    stack.send("notifications.tasks.resume_campaigns")
    stack.wait_for(lambda: is_stuck(smsc, window), what="a full window")
    stack.kill_worker()
    smsc.behave()
    stack.start_worker()
    stack.start_beat()
    stack.wait_for(is_settled, what="the rest")

    uncertain = Notification.objects.filter(state=State.UNCERTAIN).count()
    accepted = Notification.objects.filter(state=State.ACCEPTED).count()
    assert len(set(Counter(smsc.numbers).values())) == 1  # each in the same number of parts
    assert (uncertain, accepted) == (window, MESSAGES - window)
    assert len(set(smsc.numbers)) == MESSAGES


def is_stuck(smsc: Controls, window: int) -> bool:
    """Whether all that was answered is recorded, and a full window waits for its answers."""
    submits = Counter(smsc.numbers)
    answered = ANSWERED // submits.most_common(1)[0][1] if submits else 0
    recorded = Notification.objects.filter(state=State.ACCEPTED).count()
    return recorded == answered > 0 and len(submits) == answered + window


def is_settled() -> bool:
    return not Notification.objects.filter(state__in=UNSETTLED).exists()
