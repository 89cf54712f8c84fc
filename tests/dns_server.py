"""A DNS server on 127.0.0.1, whose zone is a dictionary: names, and their TXT records or faults."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from django.test import override_settings

SERVFAIL, SILENT = "servfail", "silent"
Zone = Mapping[str, Sequence[str] | str]


class DnsServer(threading.Thread):
    """Answers until it is closed; `asked` are the names it was asked for, in order."""

    def __init__(self, zone: Zone) -> None:
        super().__init__(daemon=True)
        self.zone, self.asked = dict(zone), list[str]()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._socket.getsockname()

    def run(self) -> None:
        while (received := self._socket.recvfrom(4096))[0]:
            question = dns.message.from_wire(received[0])
            name = question.question[0].name.to_text(omit_final_dot=True).lower()
            self.asked.append(name)
            found = self.zone.get(name)
            if found == SILENT:
                continue
            answer = dns.message.make_response(question)
            answer.flags |= dns.flags.RA
            if found == SERVFAIL:
                answer.set_rcode(dns.rcode.SERVFAIL)
            elif found:
                quoted = [
                    " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))
                    for text in found
                ]
                answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", *quoted))
            elif not any(known.endswith(f".{name}") for known in self.zone):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            self._socket.sendto(answer.to_wire(), received[1])

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.address)
        self.join(5)
        self._socket.close()


@contextmanager
def dns_server(zone: Zone) -> Iterator[DnsServer]:
    """Run a server that the portal asks, and nobody else."""
    server = DnsServer(zone)
    server.start()
    try:
        with override_settings(DNS_RESOLVERS=[server.address]):
            yield server
    finally:
        server.close()
