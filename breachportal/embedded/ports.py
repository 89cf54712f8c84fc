"""The ports of a run of the demonstration, which no other run takes while this one starts."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PORTAL_PORT = 8000
MAIL_PAGE_OFFSET, SMTP_OFFSET = 25, 26  # from the portal's port, so that two runs keep apart


class PortTakenError(Exception):
    """The port that was asked for is not free."""


@dataclass(frozen=True)
class Ports:
    """Where a run listens, on 127.0.0.1.

    A server starts up to minutes after its port was chosen: until `let_go`, this process listens
    there, so that another run finds the port taken.
    """

    portal: int
    mail_page: int
    smtp: int
    held: dict[int, socket.socket] = field(default_factory=dict, repr=False)

    def let_go(self, *ports: int) -> None:
        """Free ports for their server, which starts now."""
        for port in ports:
            if port in self.held:
                self.held.pop(port).close()


@contextmanager
def hold_ports(asked: int | None) -> Iterator[Ports]:
    """Hold free ports, the usual ones when they are; `asked` is the portal's, whatever its price.

    :raises PortTakenError: when `asked` is not free.
    """
    held: dict[int, socket.socket] = {}
    try:
        portal = _hold_asked(asked, held) if asked else _hold_first(PORTAL_PORT, held)
        if not asked and portal != PORTAL_PORT:
            print(f"Le port {PORTAL_PORT} est occupé : le portail prend le {portal} (ou PORT=…).")
        mail_page = _hold_first(portal + MAIL_PAGE_OFFSET, held)
        smtp = _hold_first(portal + SMTP_OFFSET, held)
        yield Ports(portal=portal, mail_page=mail_page, smtp=smtp, held=held)
    finally:
        for one in held.values():
            one.close()


def _hold_asked(port: int, held: dict[int, socket.socket]) -> int:
    if not _hold(port, held):
        raise PortTakenError(f"Le port {port} n’est pas libre : choisissez-en un autre avec PORT=…")
    return port


def _hold_first(start: int, held: dict[int, socket.socket]) -> int:
    return next(port for port in range(start, 65536) if _hold(port, held))


def _hold(port: int, held: dict[int, socket.socket]) -> bool:
    """Listen on the port; return False where « localhost » would lead a browser to somebody."""
    for address in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            continue
        return False
    try:
        held[port] = socket.create_server(("127.0.0.1", port))
    except OSError:
        return False
    return True
