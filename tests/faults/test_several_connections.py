"""A worker process with several connections: each has a lease and a message in hand of its own."""

import os
from collections import Counter
from pathlib import Path

from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from notifications.dispatchers import dispatch_by_turns
from notifications.models import DispatchBatch, Notification, State
from notifications.outbox import build_outbox
from notifications.register import campaign_figures
from tests import cast
from tests.faults.stack import own_database
from tests.notifications.story import accepted_list, approved, member
from tests.smtp import smtp_server

MESSAGES = 250


def test_every_message_leaves_once(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> None:
    name = f"several_{os.getpid()}"
    rows = [member(n, email=f"p{n}@example.fr") for n in range(MESSAGES)]
    with django_db_blocker.unblock(), own_database(name, tmp_path), smtp_server() as mail:
        campaign = approved(accepted_list(rows))
        build_outbox(campaign_id=campaign.pk, now=cast.NOW)
        with override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=mail.port):
            dispatch_by_turns(seconds=30, connections=3)
        assert Counter(mail.recipients) == Counter(f"p{n}@example.fr" for n in range(MESSAGES))
        assert Notification.objects.filter(state=State.ACCEPTED).count() == MESSAGES
        assert not DispatchBatch.objects.filter(closed_at=None).exists()
        assert campaign_figures(campaign).adds_up
