"""A pool hands out connections that live, and seldom asks whether they do."""

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections
from psycopg_pool import ConnectionPool

from breachportal.pooled_postgresql import base

pytestmark = pytest.mark.django_db
THREADS = 3
POOL = {"min_size": THREADS, "max_size": THREADS, "timeout": 5}


def raw(wrapper: base.DatabaseWrapper) -> Any:
    return wrapper.connection


def opened(settings: dict[str, Any]) -> base.DatabaseWrapper:
    wrapper = base.DatabaseWrapper(settings, alias="pooled")
    wrapper.connect()
    return wrapper


@pytest.fixture
def wrappers(db: None) -> Iterator[list[base.DatabaseWrapper]]:
    """What so many threads of a web process hold at once."""
    options = {**connections["default"].settings_dict["OPTIONS"], "pool": POOL}
    settings = connections["default"].settings_dict | {"OPTIONS": options, "CONN_MAX_AGE": 0}
    held = [opened(settings) for _ in range(THREADS)]
    yield held
    for wrapper in held:
        wrapper.close()
    held[0].close_pool()


def rest(held: list[base.DatabaseWrapper]) -> None:
    """Give all connections back, as at the end of a request."""
    for wrapper in held:
        wrapper.close()


def answers(wrapper: base.DatabaseWrapper) -> bool:
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def test_connections_that_postgresql_ended_are_replaced(
    wrappers: list[base.DatabaseWrapper],
) -> None:
    processes = [raw(wrapper).info.backend_pid for wrapper in wrappers]
    rest(wrappers)
    with psycopg.connect(
        host=os.environ["PORTAL_TEST_FOLDER"], user="postgres", dbname="postgres", autocommit=True
    ) as admin:
        admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [processes])
    assert all(answers(wrapper) for wrapper in wrappers)


def test_a_connection_in_use_is_not_asked_again(
    wrappers: list[base.DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(ConnectionPool, "check_connection", asked.append)
    for _ in range(THREADS):
        rest(wrappers)
        assert all(answers(wrapper) for wrapper in wrappers)
    assert asked == []


def test_one_that_rested_is_asked(
    wrappers: list[base.DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(ConnectionPool, "check_connection", asked.append)
    monkeypatch.setattr(base, "ASK_EVERY", 0)
    rest(wrappers)
    assert answers(wrappers[0])
    assert len(asked) == 1
