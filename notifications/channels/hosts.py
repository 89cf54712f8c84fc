"""Where the portal may connect to: a public address, unless it is the demonstration."""

import socket

from django.conf import settings

from notifications.channels.connecting import is_public


class HostRefusedError(Exception):
    """The host has a private address, or none."""


def public_address(host: str, port: int) -> str:
    """Return an address of `host` to connect to, resolved once so that it cannot change.

    A name that leads inside (loopback, private, link-local) would let whoever sets it reach the
    portal's own servers: HostRefusedError, outside the demonstration. Connections are made to
    the address returned.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HostRefusedError("the host is unknown") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not settings.DEMO and not all(map(is_public, addresses)):
        raise HostRefusedError("the host has a private address")
    return addresses[0]
