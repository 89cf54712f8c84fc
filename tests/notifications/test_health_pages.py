"""The internal listener says over HTTP whether workers and beat live.

Of real processes: `tests/faults/test_heartbeats.py`.
"""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from prometheus_client import CollectorRegistry, make_wsgi_app

from notifications.watching.health_pages import with_health
from notifications.watching.heartbeats import note_heartbeat
from notifications.watching.metrics import PortalCollector

pytestmark = pytest.mark.django_db


def get(path: str) -> httpx.Response:
    registry = CollectorRegistry()
    registry.register(PortalCollector())
    transport = httpx.WSGITransport(app=with_health(make_wsgi_app(registry)))
    with httpx.Client(transport=transport, base_url="http://127.0.0.1") as client:
        return client.get(path)


@pytest.mark.parametrize("process", ["worker", "reply", "beat"])
def test_a_process_that_lives_a_silent_one_and_one_that_never_lived(process: str) -> None:
    page = get(f"/sante/{process}")
    assert (page.status_code, page.text) == (503, "jamais vu\n")
    note_heartbeat(process=process, now=timezone.now() - timedelta(seconds=75))
    page = get(f"/sante/{process}")
    assert (page.status_code, page.text) == (503, "silence 75 s\n")
    note_heartbeat(process=process, now=timezone.now())
    page = get(f"/sante/{process}")
    assert (page.status_code, page.text) == (200, "ok\n")
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/sante/web", "/sante/", "/sante", "/sante/worker/x"])
def test_a_process_that_there_is_not(path: str) -> None:
    page = get(path)
    assert (page.status_code, page.text) == (404, "worker reply beat\n")


def test_without_postgresql_nobody_is_said_to_live_and_no_detail_is_told() -> None:
    def refuse(*args: Any) -> None:
        raise OperationalError("the host db-3.example.fr does not answer")

    with connection.execute_wrapper(refuse):
        page = get("/sante/worker")
    assert (page.status_code, page.text) == (503, "indisponible\n")


def test_all_else_is_prometheus() -> None:
    assert "portal_database_up 1.0" in get("/metrics").text
