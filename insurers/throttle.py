"""Slow down whoever asks too often: counted by network, in Redis, for a while.

There is no limit over all networks, which anybody could use up to switch a page off: none where
the sender's network is unknown, since everybody would share it, and none while Redis is down.
These limits spare the database, they protect no secret.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address, ip_network

import redis.exceptions
from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from redis.backoff import NoBackoff
from redis.retry import Retry

# Loopback, private, shared (RFC 6598) and link-local.
_PRIVATE = [
    ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "::1",
        "fc00::/7",
        "fe80::/10",
    )
]


COUNT = """
for place, key in ipairs(KEYS) do
    local count = redis.call("INCR", key)
    if count == 1 then redis.call("EXPIRE", key, ARGV[2 * place]) end
    if count > tonumber(ARGV[2 * place - 1]) then return place end
end
return 0
"""
"""Counts in one limit after the other; the first that is passed is named, and ends it."""
ANSWERS_WITHIN = 1.0  # seconds, or Redis is taken to be down


@dataclass(frozen=True)
class Limit:
    """How often a network may do something, in a window of seconds that its first time opens."""

    name: str
    at_most: int
    seconds: int


def is_over(limit: Limit, request: HttpRequest) -> bool:
    """Count one more time; return whether the sender's network is over the limit."""
    network = _network(request)
    if network is None:
        return False
    with suppress(redis.exceptions.RedisError, ValueError):
        return _passed({f"{limit.name}:{network}": limit}) is not None
    return False


class Room(Enum):
    """Whether there is room for one more."""

    ENOUGH = "enough"
    NONE_FOR_THIS_NETWORK = "none_for_this_network"
    NONE_FOR_ANYBODY = "none_for_anybody"
    NOT_KNOWN = "not_known"


def room_for(request: HttpRequest, *, of_network: Limit, of_all: Limit) -> Room:
    """Count one more time, also over all networks; with Redis down nobody knows.

    For what must not be left undone unseen: whoever finds no room is told to come back. What a
    network asks beyond its own limit takes no room from the others.
    """
    network = _network(request)
    limits = {f"{of_network.name}:{network}": of_network} if network is not None else {}
    limits[f"{of_all.name}:all"] = of_all
    try:
        passed = _passed(limits)
    except (redis.exceptions.RedisError, ValueError):
        return Room.NOT_KNOWN
    if passed is None:
        return Room.ENOUGH
    return Room.NONE_FOR_ANYBODY if passed is of_all else Room.NONE_FOR_THIS_NETWORK


def _passed(limits: dict[str, Limit]) -> Limit | None:
    """Count this time in each limit; return the first that it passes: one round trip."""
    store = _store(settings.CACHES["default"]["LOCATION"])
    keys = [cache.make_key(name) for name in limits]
    given = [number for limit in limits.values() for number in (limit.at_most, limit.seconds)]
    place: int = store.eval(COUNT, len(keys), *keys, *given)
    return list(limits.values())[place - 1] if place else None


@lru_cache(maxsize=1)
def _store(address: str) -> redis.Redis:
    """Return one way to the server for all threads; Django's makes a client for each command."""
    # By the older protocol, which has no messages in between to look for.
    return redis.Redis.from_url(
        address,
        protocol=2,
        socket_timeout=ANSWERS_WITHIN,
        socket_connect_timeout=ANSWERS_WITHIN,
        # A connection that Redis closes as it is taken; one that says nothing is not asked again.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,)),
    )


def _network(request: HttpRequest) -> str | None:
    """Return the /24 (IPv4) or /48 (IPv6) of the sender, None where it is not known.

    A private address is that of a proxy (`TRUSTED_PROXY_COUNT` is too low): all come from it.
    """
    try:
        address = ip_address(get_adapter().get_client_ip(request))
    except (PermissionDenied, ValueError):
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    if any(address in network for network in _PRIVATE):
        return None
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))
