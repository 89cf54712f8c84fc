"""One bound SMPP 3.4 connection: PDUs out, PDUs in, kept alive. No message is lost in here."""

import logging
import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from smpplib import consts, smpp
from smpplib.client import Client
from smpplib.exceptions import ConnectionError as SmppConnectionError
from smpplib.exceptions import PDUError, UnknownCommandError

from notifications.channels.base import ChannelDownError, SenderRefusedError
from notifications.channels.connecting import ForbiddenAddressError, connect, tls_context
from notifications.channels.sms_account import SmsAccount

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30  # without an answer for so long, a message is in doubt
ENQUIRE_SECONDS = 10  # of silence before asking whether the other side is there

# It logs PDUs, numbers and texts included.
SILENT = logging.getLogger("notifications.smpp_silent")
SILENT.setLevel(logging.CRITICAL + 1)
SILENT.propagate = False

# What the provider holds against us, not against the message.
NOT_US = frozenset(
    {consts.SMPP_ESME_RINVPASWD, consts.SMPP_ESME_RINVSYSID, consts.SMPP_ESME_RINVSYSTYP}
)
BROKEN = (OSError, SmppConnectionError, PDUError, UnknownCommandError, ValueError)


class LinkLostError(Exception):
    """The connection is gone; what was not answered may have been taken."""


class Link:
    """A connection bound as transmitter or receiver; use `linked`."""

    def __init__(self, account: SmsAccount, role: Literal["transmitter", "receiver"]) -> None:
        self.is_open = False
        self.is_leaving = False
        self._heard_at = time.monotonic()
        self._client = Client(
            account.host, account.port, timeout=CONNECT_SECONDS, allow_unknown_opt_params=True
        )
        self._client.logger = SILENT
        try:
            self._client._socket = _connect(account)
            self._client.state = consts.SMPP_CLIENT_STATE_OPEN
            bind = getattr(self._client, f"bind_{role}")
            bind(system_id=account.username, password=account.password, interface_version=0x34)
        except ForbiddenAddressError as error:
            raise SenderRefusedError from error
        except PDUError as error:
            self.close()
            if len(error.args) > 1 and error.args[1] in NOT_US:
                raise SenderRefusedError from None
            raise ChannelDownError("the provider refuses the connection") from None
        except BROKEN as error:
            self.close()
            raise ChannelDownError("the provider cannot be reached") from error
        self.is_open = True
        self.heard()

    def send(self, name: str, **fields: Any) -> int:
        """Send a PDU; return its sequence number. Raises LinkLostError: it did not leave whole."""
        pdu = smpp.make_pdu(name, client=self._client, **fields)
        self._send(pdu)
        return int(pdu.sequence)

    def answer(self, pdu: Any, name: str, status: int = consts.SMPP_ESME_ROK) -> None:
        """Answer a PDU of the provider's."""
        reply = smpp.make_pdu(name, client=self._client, status=status)
        reply.sequence = pdu.sequence
        self._send(reply)

    def receive(self, seconds: float) -> Any | None:
        """Return the next PDU that is for the caller, or None after `seconds`.

        Answers `enquire_link`, and asks itself after a silence. Raises LinkLostError when the
        connection is closed, silent for too long or not SMPP.
        """
        deadline = time.monotonic() + seconds
        while True:
            remaining = deadline - time.monotonic()
            if not self._is_readable(min(max(remaining, 0), ENQUIRE_SECONDS)):
                self._ask_whether_alive()
                if remaining <= 0:
                    return None
                continue
            try:
                pdu = self._client.read_pdu()
            except BROKEN as error:
                raise self._lost() from error
            self.heard()
            if pdu is None or pdu.command == "enquire_link_resp":
                continue
            if pdu.command == "enquire_link":
                self.answer(pdu, "enquire_link_resp")
            elif pdu.command == "unbind":
                # Answers to what left before may still come; nothing more is to be sent.
                self.is_leaving = True
                self.answer(pdu, "unbind_resp")
            else:
                return pdu

    def heard(self) -> None:
        """Note a sign of life."""
        self._heard_at = time.monotonic()
        self._is_asked = False

    def close(self) -> None:
        """Take leave as the protocol asks, and hang up."""
        connection = self._client._socket
        if connection is None:
            return
        if self.is_open and not self.is_leaving:
            with suppress(*BROKEN):
                connection.settimeout(1)
                self._client.unbind()
        self.is_open = False
        with suppress(OSError):
            connection.close()
        self._client._socket = None

    def _send(self, pdu: Any) -> None:
        try:
            self._client.send_pdu(pdu)
        except BROKEN as error:
            raise self._lost() from error

    def _lost(self) -> LinkLostError:
        self.is_open = False
        return LinkLostError("the connection is lost")

    def _is_readable(self, seconds: float) -> bool:
        connection = self._client._socket
        if connection is None:
            raise self._lost()
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        return bool(select.select([connection], [], [], seconds)[0])

    def _ask_whether_alive(self) -> None:
        silence = time.monotonic() - self._heard_at
        if silence > ANSWER_SECONDS:
            raise self._lost()
        if silence >= ENQUIRE_SECONDS and not self._is_asked:
            self._is_asked = True
            self.send("enquire_link")


def _connect(account: SmsAccount) -> socket.socket:
    connection = connect(account.host, account.port, timeout=CONNECT_SECONDS)
    if not account.uses_tls:
        return connection
    return tls_context().wrap_socket(connection, server_hostname=account.host)


@contextmanager
def linked(account: SmsAccount, role: Literal["transmitter", "receiver"]) -> Iterator[Link]:
    """Bind for the duration of the block. Raises ChannelDownError or SenderRefusedError."""
    link = Link(account, role)
    try:
        yield link
    finally:
        link.close()
