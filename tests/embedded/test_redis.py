"""The embedded Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from breachportal.embedded.redis import RedisServer, start_redis
from breachportal.embedded.state import close_runtime, open_runtime


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    running = start_redis(tmp_path, runtime=open_runtime(tmp_path))
    yield running
    running.stop()
    close_runtime(tmp_path)


def test_it_answers_at_its_address(server: RedisServer) -> None:
    with redis.Redis.from_url(server.url()) as client:
        assert client.ping()


def test_it_keeps_nothing_on_disk(server: RedisServer, tmp_path: Path) -> None:
    with redis.Redis.from_url(server.url()) as client:
        client.set("list", 1)
    server.stop()
    assert list((tmp_path / "redis").iterdir()) == []
