"""A limit counts by network, and never stands in the way while Redis is down."""

import socket
import time

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import RequestFactory, override_settings

from insurers import throttle
from insurers.checks import check_proxies
from insurers.throttle import Limit, Room, is_over, room_for

TWICE = Limit("only-twice", at_most=2, seconds=60)
UNREACHABLE = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "unix:///nowhere/redis.sock?db=0",
    }
}


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


def asks(address: str, times: int) -> list[bool]:
    request = RequestFactory().get("/", REMOTE_ADDR=address)
    return [is_over(TWICE, request) for _ in range(times)]


def test_the_limit_holds_within_its_window() -> None:
    assert asks("192.0.2.7", 4) == [False, False, True, True]


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("192.0.2.7", "192.0.2.200", True),
        ("192.0.2.7", "192.0.3.7", False),
        ("192.0.2.7", "::ffff:192.0.2.9", True),
        ("192.0.2.7", "192.0.2.8:4711", True),
        ("2001:db8:1::1", "[2001:db8:1::2]:4711", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.3.7", False),
        ("2001:db8:1::1", "2001:db8:1:ff::2", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
    ],
)
def test_neighbours_share_a_count(first: str, second: str, is_same: bool) -> None:
    asks(first, 2)
    assert asks(second, 1) == [is_same]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "unix:",
        "nowhere",
        "1.2.3.4:port",
        "127.0.0.1",
        "10.1.2.3",
        "172.20.0.1:80",
        "192.168.1.1",
        "100.64.0.1",
        "::1",
        "fd00::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
    ],
)
def test_nobody_is_refused_where_all_would_share_a_count(address: str) -> None:
    assert not any(asks(address, 5))


@override_settings(ALLAUTH_TRUSTED_PROXY_COUNT=1)
def test_behind_a_proxy_each_network_has_its_count() -> None:
    def ask(forwarded: str) -> bool:
        headers = {"X-Forwarded-For": forwarded}
        request = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", headers=headers)
        return is_over(TWICE, request)

    assert [ask("192.0.2.7") for _ in range(3)] == [False, False, True]
    assert not ask("198.51.100.7")


@pytest.mark.parametrize(("proxies", "warnings"), [(0, 1), (1, 0)])
def test_proxies_that_are_not_counted_are_warned_of(proxies: int, warnings: int) -> None:
    with override_settings(ALLAUTH_TRUSTED_PROXY_COUNT=proxies):
        assert len(check_proxies()) == warnings


def test_nothing_is_refused_while_redis_is_down() -> None:
    with override_settings(CACHES=UNREACHABLE):
        assert not any(asks("192.0.2.7", 5))


def test_a_count_ends_with_the_window_that_its_first_time_opened() -> None:
    asks("192.0.2.7", 1)
    store = throttle._store(settings.CACHES["default"]["LOCATION"])
    store.expire(cache.make_key("only-twice:192.0.2.0/24"), 30)
    asks("192.0.2.7", 1)
    assert 0 < store.ttl(cache.make_key("only-twice:192.0.2.0/24")) <= 30


def test_a_new_count_has_an_end() -> None:
    asks("192.0.2.7", 1)
    store = throttle._store(settings.CACHES["default"]["LOCATION"])
    assert 30 < store.ttl(cache.make_key("only-twice:192.0.2.0/24")) <= TWICE.seconds


def test_what_is_kept_names_a_network_and_no_address() -> None:
    asks("192.0.2.7", 1)
    assert cache.get("only-twice:192.0.2.0/24") == 1


def test_a_network_over_its_limit_takes_no_room_from_the_others() -> None:
    of_all = Limit("of-all", at_most=5, seconds=60)

    def room(address: str) -> Room:
        request = RequestFactory().get("/", REMOTE_ADDR=address)
        return room_for(request, of_network=TWICE, of_all=of_all)

    assert {room("192.0.2.7") for _ in range(20)} == {Room.ENOUGH, Room.NONE_FOR_THIS_NETWORK}
    assert [room(f"198.51.{n}.7") for n in range(4)] == [Room.ENOUGH] * 3 + [Room.NONE_FOR_ANYBODY]


def test_nobody_waits_for_a_redis_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with override_settings(CACHES={"default": {**UNREACHABLE["default"], "LOCATION": address}}):
            begun = time.monotonic()
            assert asks("192.0.2.7", 1) == [False]
            assert time.monotonic() - begun < 2 * throttle.ANSWERS_WITHIN


def test_a_connection_that_redis_closed_is_made_again() -> None:
    asks("192.0.2.7", 2)
    store = throttle._store(settings.CACHES["default"]["LOCATION"])
    store.script_flush()
    store.client_kill_filter(_type="normal", skipme=False)
    assert asks("192.0.2.7", 1) == [True]
