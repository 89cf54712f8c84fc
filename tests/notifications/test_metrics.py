"""What Prometheus reads: figures from PostgreSQL, labels without anybody in them."""

import os
import re
import subprocess
import sys
from datetime import timedelta

import httpx
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client import CollectorRegistry, generate_latest

from notifications.models import Campaign, CampaignState, Channel, Notification, SealedReceipt
from notifications.sending.leases import abandon_batch, claim_batch, recover_batches
from notifications.watching.heartbeats import note_heartbeat
from notifications.watching.metrics import PortalCollector, collect_metrics
from tests import cast
from tests.conftest import as_role
from tests.notifications.email.senders import identity
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db

LATER = cast.NOW + timedelta(minutes=5)


def value(name: str, **labels: str) -> float | None:
    with as_role("worker"):
        samples = [found for metric in collect_metrics(now=LATER) for found in metric.samples]
    return next(
        (found.value for found in samples if found.name == name and found.labels == labels), None
    )


def test_the_age_of_the_queue_is_that_of_the_oldest_due_message() -> None:
    built([member(1, email="a@example.fr"), member(2, email="b@example.fr")])
    Notification.objects.update(due_at=cast.NOW)
    assert value("portal_queue_age_seconds", channel="email") == 300
    assert value("portal_queue_age_seconds", channel="sms") == 0


def test_what_a_paused_campaign_has_left_does_not_wait() -> None:
    built([member(1, email="a@example.fr")])
    Campaign.objects.update(state=CampaignState.PAUSED)
    assert value("portal_queue_age_seconds", channel="email") == 0
    assert value("portal_campaigns", state="paused") == 1


def test_failures_are_counted_by_sender_and_code(mail: Recorder) -> None:
    mail.answers["a@example.fr"] = "550 5.1.1 unknown"
    send(built([member(1, email="a@example.fr"), member(2, email="b@example.fr")]))
    labels = {"sender": "email:portal", "channel": "email", "reason": "smtp-550"}
    assert value("portal_messages_failed", **labels) == 1
    assert value("portal_messages", channel="email", state="accepted") == 1


def test_a_lease_of_a_worker_that_is_gone_and_its_message_in_doubt_are_counted() -> None:
    campaign = built([member(1, email="a@example.fr"), member(2, email="b@example.fr")])
    assert value("portal_leases_expired_total") == 0
    batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=cast.NOW)
    assert batch is not None
    abandon_batch(batch_id=batch)
    recover_batches(now=cast.NOW)
    assert value("portal_leases_expired_total") == 1
    assert value("portal_messages", channel="email", state="uncertain") == 1


def test_the_rate_and_what_is_left_are_said_of_each_campaign(mail: Recorder) -> None:
    mail.answers["b@example.fr"] = "450 later"
    campaign = built([member(1, email="a@example.fr"), member(2, email="b@example.fr")])
    send(campaign)
    Campaign.objects.update(first_message_at=LATER - timedelta(seconds=10))
    assert value("portal_messages_per_second", campaign=str(campaign.pk)) == 0.1
    assert value("portal_messages_left", campaign=str(campaign.pk)) == 1


def test_receipts_that_nobody_reads_grow_old() -> None:
    SealedReceipt.objects.create(identity=identity(), sealed=b"x", received_at=cast.NOW)
    assert value("portal_receipts_age_seconds") == 300


def test_silence_is_counted_by_process() -> None:
    note_heartbeat(process="beat", now=cast.NOW)
    assert value("portal_silence_seconds", process="beat") == 300


def test_the_page_is_what_prometheus_reads_and_names_nobody(mail: Recorder) -> None:
    mail.answers["camille@example.fr"] = "550 5.1.1 no camille@example.fr here"
    send(built([member(1, email="camille@example.fr")]))
    registry = CollectorRegistry()
    registry.register(PortalCollector())
    page = generate_latest(registry).decode()
    assert "portal_database_up 1.0" in page
    assert not re.search("camille|example", page)


def test_a_scrape_reads_no_message_but_the_oldest_due(mail: Recorder) -> None:
    send(built([member(1, email="a@example.fr")]))
    with CaptureQueriesContext(connection) as queries:
        collect_metrics(now=LATER)
    reading = [found["sql"] for found in queries if "notifications_notification" in found["sql"]]
    assert len(reading) == 1
    assert "LIMIT 1" in reading[0]


def test_the_listener_answers_at_its_address_and_stops_when_told() -> None:
    command = [sys.executable, "manage.py", "metrics"]
    with subprocess.Popen(
        command, env=os.environ | {"METRICS_PORT": "0"}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert "portal_database_up 1.0" in httpx.get(address, timeout=20).text
        process.terminate()
    assert process.returncode == 0
