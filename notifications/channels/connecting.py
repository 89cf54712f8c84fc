"""Open a connection to a server that somebody named, and to no machine of our own.

The name is resolved here and the address that was checked is the one connected to, so that no
second look-up can lead elsewhere.
"""

import ipaddress
import socket
import ssl
from typing import Any

from django.conf import settings

SMTP_PORTS = (25, 465, 587, 2525)
IMAP_PORTS = (143, 993)
TIMEOUT = 30.0  # seconds, for each answer

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Place = tuple[socket.AddressFamily, tuple[Any, ...]]
"""A family, and an address and port as `socket.connect` takes them."""


class ForbiddenAddressError(OSError):
    """The name leads to an address that is private, local, reserved or not of the internet."""


def is_public(address: str) -> bool:
    """Whether an IP address is of the public internet, IPv4 in IPv6 and NAT64 looked into."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = _embedded(found)
    if inner is not None:
        return is_public(str(inner))
    return found.is_global and not found.is_multicast


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def places_of(host: str, port: int, *, trusted: bool = False) -> list[Place]:
    """Return where a name leads.

    Raises ForbiddenAddressError where one of its addresses is not public (in the demonstration
    all are allowed), OSError where it has none. `trusted` is for hosts of the settings: whoever
    runs the portal may use a relay of their own.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    places: list[Place] = [(family, where) for family, _kind, _protocol, _name, where in found]
    if not (trusted or settings.DEMO or all(is_public(str(where[0])) for _, where in places)):
        raise ForbiddenAddressError("an address outside the public internet")
    return places


def connect(
    host: str, port: int, *, timeout: float = TIMEOUT, trusted: bool = False
) -> socket.socket:
    """Return a TCP connection; raise as `places_of` does, or OSError where nobody answers."""
    failure: OSError = OSError("no address")
    for family, where in places_of(host, port, trusted=trusted):
        wire = socket.socket(family, socket.SOCK_STREAM)
        try:
            wire.settimeout(timeout)
            wire.connect(where)
        except OSError as error:
            wire.close()
            failure = error
            continue
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wire
    raise failure


def tls_context() -> ssl.SSLContext:
    """Return a context that checks the certificate and the name."""
    return ssl.create_default_context()
