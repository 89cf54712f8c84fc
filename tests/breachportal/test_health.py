"""Web, worker and beat say whether they live; strangers learn no more than yes or no."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.utils import timezone

from notifications.models import Heartbeat
from notifications.tasks import watch, watch_replies
from notifications.watching.heartbeats import note_heartbeat
from tests.conftest import as_role

pytestmark = pytest.mark.django_db

DEAD_REDIS = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "unix:///nowhere/redis.sock?db=0",
    }
}


def health_of(process: str) -> str:
    out = StringIO()
    call_command("health", process, stdout=out)
    return out.getvalue()


def test_web_lives(client: Client) -> None:
    page = client.get("/sante/")
    assert (page.status_code, page.content) == (200, b"ok\n")
    assert "no-store" in page.headers["Cache-Control"]
    assert not page.cookies


def test_web_without_redis_says_so_without_detail(client: Client) -> None:
    with override_settings(CACHES=DEAD_REDIS):
        page = client.get("/sante/")
    assert (page.status_code, page.content) == (503, b"indisponible\n")


def test_web_without_postgresql_says_so_without_detail() -> None:
    def refuse(*args: Any) -> None:
        raise OperationalError("the host db-3.example.fr does not answer")

    with connection.execute_wrapper(refuse):
        page = Client().get("/sante/")
    assert (page.status_code, page.content) == (503, b"indisponible\n")


def test_a_watch_done_is_a_worker_that_lives() -> None:
    with as_role("worker"):
        watch()
        assert health_of("worker").startswith("worker : vivant")


def test_the_worker_that_answers_people_lives_by_itself() -> None:
    with as_role("worker"):
        watch_replies()
        assert health_of("reply").startswith("reply : vivant")
    with pytest.raises(CommandError, match="worker : aucun signe de vie"):
        health_of("worker")


def test_a_watch_queued_is_beat_that_lives_with_the_rights_of_web() -> None:
    with as_role("web"):
        before_task_publish.send(sender=watch.name)
        assert health_of("beat").startswith("beat : vivant")
    assert not Heartbeat.objects.filter(process="worker").exists()


def test_another_task_queued_is_no_sign_of_beat() -> None:
    before_task_publish.send(sender="notifications.tasks.dispatch")
    with pytest.raises(CommandError, match="aucun signe de vie"):
        health_of("beat")


def test_a_minute_of_silence_is_an_error() -> None:
    note_heartbeat(process="worker", now=timezone.now() - timedelta(seconds=61))
    with pytest.raises(CommandError, match="silencieux"):
        health_of("worker")
