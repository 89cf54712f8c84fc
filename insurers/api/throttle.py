"""Slow down whoever tries tokens: failures are counted by network, in Redis, for a minute.

A good token is never refused for its neighbours' failures: guessing 256 bits is hopeless, the
limit only spares the database and the people who read its load.
"""

from contextlib import suppress
from ipaddress import ip_network

import redis.exceptions
from allauth.account.adapter import get_adapter
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

FAILURES_A_MINUTE = 20
SECONDS = 60


def too_many_failures(request: HttpRequest) -> bool:
    """Count a failure; return whether its network has failed too often this minute."""
    key = f"api-failures:{_network(request)}"
    with suppress(redis.exceptions.RedisError, ValueError):
        cache.add(key, 0, SECONDS)
        return bool(cache.incr(key) > FAILURES_A_MINUTE)
    return False


def _network(request: HttpRequest) -> str:
    """Return the /24 (IPv4) or /48 (IPv6) of the sender."""
    try:
        address = get_adapter().get_client_ip(request)
        return str(ip_network(f"{address}/{48 if ':' in address else 24}", strict=False))
    except (PermissionDenied, ValueError):
        return "unknown"
