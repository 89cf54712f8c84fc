"""A limit counts by network, and never stands in the way while Redis is down."""

import pytest
from django.core.cache import cache
from django.test import RequestFactory, override_settings

from insurers.throttle import Limit, is_over

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
        ("::ffff:192.0.2.7", "::ffff:192.0.3.7", False),
        ("2001:db8:1::1", "2001:db8:1:ff::2", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
    ],
)
def test_neighbours_share_a_count(first: str, second: str, is_same: bool) -> None:
    asks(first, 2)
    assert asks(second, 1) == [is_same]


def test_an_address_that_cannot_be_read_is_counted_too() -> None:
    assert asks("", 3) == [False, False, True]


def test_nothing_is_refused_while_redis_is_down() -> None:
    with override_settings(CACHES=UNREACHABLE):
        assert not any(asks("192.0.2.7", 5))


def test_what_is_kept_names_a_network_and_no_address() -> None:
    asks("192.0.2.7", 1)
    assert cache.get("only-twice:192.0.2.0/24") == 1
