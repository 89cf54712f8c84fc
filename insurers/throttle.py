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
local counts = {}
for place, key in ipairs(KEYS) do
    counts[place] = redis.call("INCR", key)
    if counts[place] == 1 then redis.call("EXPIRE", key, ARGV[place]) end
end
return counts
"""


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
        (count,) = _count({f"{limit.name}:{network}": limit})
        return count > limit.at_most
    return False


class Room(Enum):
    """Whether there is room for one more."""

    ENOUGH = "enough"
    NONE_FOR_THIS_NETWORK = "none_for_this_network"
    NONE_FOR_ANYBODY = "none_for_anybody"
    NOT_KNOWN = "not_known"


def room_for(request: HttpRequest, *, of_network: Limit, of_all: Limit) -> Room:
    """Count one more time, also over all networks; with Redis down nobody knows.

    For what must not be left undone unseen: whoever finds no room is told to come back.
    """
    network = _network(request)
    limits = {f"{of_all.name}:all": of_all}
    if network is not None:
        limits[f"{of_network.name}:{network}"] = of_network
    try:
        counts = _count(limits)
    except (redis.exceptions.RedisError, ValueError):
        return Room.NOT_KNOWN
    if network is not None and counts[1] > of_network.at_most:
        return Room.NONE_FOR_THIS_NETWORK
    return Room.NONE_FOR_ANYBODY if counts[0] > of_all.at_most else Room.ENOUGH


def _count(limits: dict[str, Limit]) -> list[int]:
    """Return how often each was counted in its window, this time included: one round trip."""
    store = _store(settings.CACHES["default"]["LOCATION"])
    keys = [cache.make_key(name) for name in limits]
    seconds = [limit.seconds for limit in limits.values()]
    counts: list[int] = store.eval(COUNT, len(keys), *keys, *seconds)
    return counts


@lru_cache(maxsize=1)
def _store(address: str) -> redis.Redis:
    """Return one way to the server for all threads; Django's makes a client for each command."""
    # By the older protocol, which has no messages in between to look for.
    return redis.Redis.from_url(address, protocol=2)


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
