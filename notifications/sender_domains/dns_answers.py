"""Ask the DNS for TXT records: what it says, that there is none, or that it does not answer now."""

import time
from collections.abc import Sequence

import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

PER_QUESTION, ALTOGETHER = 4.0, 20.0  # seconds


class NoDnsAnswerError(Exception):
    """No server answered, or none could: nothing is known, and nothing is wrong."""


class Dns:
    """The DNS during one check: each name is asked once, and all of it ends within a time."""

    def __init__(self, servers: Sequence[tuple[str, int]], *, seconds: float = ALTOGETHER) -> None:
        """Ask these servers (address, port), or where there are none those of the system."""
        self._ends_at = time.monotonic() + seconds
        self._known: dict[str, tuple[bool, list[str]]] = {}
        try:
            self._resolver = dns.resolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration as error:
            raise NoDnsAnswerError from error
        if servers:
            self._resolver.nameservers = [
                dns.nameserver.Do53Nameserver(address, port) for address, port in servers
            ]
        self._resolver.use_edns(0, 0, 1232)  # A key of 2,048 bits does not fit in 512 bytes.

    def txt(self, name: str) -> list[str]:
        """Return the TXT records of a name; raise NoDnsAnswerError."""
        return self._ask(name)[1]

    def exists(self, name: str) -> bool:
        """Whether the name, or one below it, exists (RFC 8020); raise NoDnsAnswerError."""
        return self._ask(name)[0]

    def _ask(self, name: str) -> tuple[bool, list[str]]:
        if name not in self._known:
            self._known[name] = self._asked(name)
        return self._known[name]

    def _asked(self, name: str) -> tuple[bool, list[str]]:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise NoDnsAnswerError
        try:
            absolute = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            return False, []  # A record elsewhere may name anything.
        try:
            answer = self._resolver.resolve(
                absolute, dns.rdatatype.TXT, lifetime=min(PER_QUESTION, left)
            )
        except dns.resolver.NXDOMAIN:
            return False, []
        except dns.resolver.NoAnswer:
            return True, []
        except (dns.exception.DNSException, OSError) as error:
            raise NoDnsAnswerError from error
        return True, [b"".join(found.strings).decode("utf-8", "replace") for found in answer]
