"""A provider is never called inside a database transaction (a slow one would hold locks)."""

import os
from pathlib import Path

import psycopg
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from notifications.outbox.building import build_outbox
from notifications.sending.dispatch import dispatch_campaign
from tests import cast
from tests.faults.stack import own_database
from tests.notifications.story import accepted_list, approved, member
from tests.smtp import Recorder, smtp_server


def open_transactions(name: str) -> list[str]:
    """Return what connections to the database hold open, seen from outside."""
    host = os.environ["PORTAL_TEST_FOLDER"]
    with psycopg.connect(host=host, user="postgres", dbname="postgres") as observer:
        rows = observer.execute(
            "SELECT query FROM pg_stat_activity WHERE datname = %s AND xact_start IS NOT NULL",
            [name],
        )
        return [row[0] for row in rows]


def test_no_transaction_is_open_while_a_message_is_sent(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> None:
    name, seen = f"calls_{os.getpid()}", list[list[str]]()

    class Observer(Recorder):
        async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
            self, server: SMTP, session: Session, envelope: Envelope
        ) -> str:
            seen.append(open_transactions(name))
            return await super().handle_DATA(server, session, envelope)

    with django_db_blocker.unblock(), own_database(name, tmp_path), smtp_server(Observer()) as mail:
        campaign = approved(accepted_list([member(n, email=f"p{n}@example.fr") for n in range(3)]))
        build_outbox(campaign_id=campaign.pk, now=cast.NOW)
        with override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=mail.port):
            dispatch_campaign(campaign_id=campaign.pk, seconds=10)
    assert seen == [[], [], []]
