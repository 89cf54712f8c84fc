"""Slow down whoever asks too often: counted by network, in Redis, for a while.

There is no limit over all networks, which anybody could use up to switch a page off; and while
Redis is down nothing is refused: these limits spare the database, they protect no secret.
"""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import redis.exceptions
from allauth.account.adapter import get_adapter
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


@dataclass(frozen=True)
class Limit:
    """How often a network may do something, in a window of seconds that its first time opens."""

    name: str
    at_most: int
    seconds: int


def is_over(limit: Limit, request: HttpRequest) -> bool:
    """Count one more time; return whether the sender's network is over the limit."""
    key = f"{limit.name}:{_network(request)}"
    with suppress(redis.exceptions.RedisError, ValueError):
        cache.add(key, 0, limit.seconds)
        return bool(cache.incr(key) > limit.at_most)
    return False


def _network(request: HttpRequest) -> str:
    """Return the /24 (IPv4) or /48 (IPv6) of the sender."""
    try:
        address = ip_address(get_adapter().get_client_ip(request))
        address = getattr(address, "ipv4_mapped", None) or address
        return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))
    except (PermissionDenied, ValueError):
        return "unknown"
