"""One SMTP connection (RFC 5321), several commands a write where the server pipelines (RFC 2920).

A message's content leaves together with the envelope of the next, so that each message costs one
round trip; the content of the next waits until the caller has recorded this one's outcome. The
first message of a connection goes step by step: an address that a server cannot bear is then
known for what it is.
"""

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.conf import settings

from notifications.channels.base import ChannelDownError, SenderRefusedError
from notifications.channels.connecting import ForbiddenAddressError, connect, tls_context
from notifications.cooperation import in_a_thread, wait_readable, wait_writable
from notifications.models import Encryption
from notifications.senders.choosing import PORTAL, Sender

LONGEST_REPLY = 8192  # bytes, with its continuation lines
_REPLY = re.compile(rb"[2-5][0-9]{2}(?:[ \r\n-]|$)")
_ONE_LINE = re.compile(rb"[2-5][0-9]{2} [\t -~]{0,512}\r?")  # nearly every reply
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?!\S)")
CLOSING, START_MAIL_INPUT = 421, 354


@dataclass(frozen=True)
class Envelope:
    """Who a message is from and for, as the servers see it; `token` comes back in bounces."""

    sender: str
    recipient: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What ended a message's turn: the command, its code, and its enhanced code (RFC 3463)."""

    verb: str
    code: int
    enhanced: str = ""
    text: str = field(default="", repr=False)


class LostConnectionError(Exception):
    """The connection broke; `verb` is what was not answered, `sent` whether all had left."""

    def __init__(self, verb: str, *, sent: bool = False) -> None:
        super().__init__(verb)
        self.verb, self.sent = verb, sent


class Session:
    """A conversation with a server that has taken our greeting and our credentials."""

    def __init__(self, server: smtplib.SMTP) -> None:
        self._server = server
        self._wire = _Wire(server)
        self._replies = _Replies(self._wire)
        self._pipelines = server.has_extn("pipelining")
        self._dsn = server.has_extn("dsn")
        self._announced: Envelope | None = None
        self._is_first, self._is_lost = True, False
        self._left_open = False  # a refused transaction, to be reset

    def deliver(self, envelope: Envelope, content: bytes, following: Envelope | None) -> Answer:
        """Send one message and announce the one after it; return the answer that decided.

        Raises LostConnectionError. `following` is announced only where the server pipelines.
        """
        if self._announced not in (None, envelope):
            raise AssertionError("another message was announced")
        refusal = self._ask_all() if self._announced is envelope else self._ask(envelope)
        self._announced, self._is_first = None, False
        if refusal is not None:
            return refusal
        return self._transmit(content, following if self._pipelines else None)

    def close(self) -> None:
        """Take leave of a server that still answers; where an envelope is open it forgets it."""
        if self._announced is None and not self._is_lost:
            with suppress(LostConnectionError):
                self._write("QUIT", b"QUIT\r\n")
                self._read("QUIT")
        self._server.close()

    def _commands(self, envelope: Envelope) -> list[bytes]:
        ret = f" RET=HDRS ENVID={envelope.token}" if self._dsn else ""
        notify = " NOTIFY=FAILURE,DELAY" if self._dsn else ""
        commands = [
            f"MAIL FROM:<{envelope.sender}>{ret}\r\n".encode("ascii"),
            f"RCPT TO:<{envelope.recipient}>{notify}\r\n".encode("ascii"),
            b"DATA\r\n",
        ]
        return [b"RSET\r\n", *commands] if self._left_open else commands

    def _verbs(self) -> tuple[str, ...]:
        return ("RSET", "MAIL", "RCPT", "DATA") if self._left_open else ("MAIL", "RCPT", "DATA")

    def _ask(self, envelope: Envelope) -> Answer | None:
        """Announce a message now; return the refusal, or None where its content may come."""
        if self._pipelines and not self._is_first:
            self._write("MAIL", b"".join(self._commands(envelope)))
            return self._ask_all()
        for verb, line in zip(self._verbs(), self._commands(envelope), strict=True):
            self._write(verb, line)
            answer = self._read(verb)
            if _refuses(verb, answer.code):
                self._left_open = verb != "MAIL"
                return answer
        self._left_open = False
        return None

    def _ask_all(self) -> Answer | None:
        """Read the answers to an envelope that was written whole."""
        refusal, code = None, 0
        for verb in self._verbs():
            code, text = self._reply(verb)
            if _refuses(verb, code) and (refusal is None or code == CLOSING):
                refusal = _answer(verb, code, text)
            if code == CLOSING:
                return refusal
        if refusal is not None and code == START_MAIL_INPUT:
            # The server waits for content although nobody is to get it (RFC 2920, 3.1).
            self._write("DATA", b".\r\n")
            self._read("DATA")
        self._left_open = refusal is not None and refusal.verb != "MAIL"
        return refusal

    def _transmit(self, content: bytes, following: Envelope | None) -> Answer:
        # To look costs a tenth of replacing, which finds nothing in nearly every message.
        if b"\r\n." in content:
            content = content.replace(b"\r\n.", b"\r\n..")
        body = content + b".\r\n"
        after = b""
        if following is not None:
            after = b"".join(self._commands(following))
            self._announced = following
        self._write("CONTENT", body + after, whole=len(body))
        return self._read("CONTENT", sent=True)

    def _write(self, verb: str, data: bytes, *, whole: int | None = None) -> None:
        """Write, and know how much had left where the connection breaks."""
        left, written = memoryview(data), 0
        try:
            while written < len(data):
                written += self._wire.send(left[written:])
        except OSError as error:
            self._is_lost = True
            sent = whole is not None and written >= whole
            raise LostConnectionError(verb, sent=sent) from error

    def _read(self, verb: str, *, sent: bool = False) -> Answer:
        return _answer(verb, *self._reply(verb, sent=sent))

    def _reply(self, verb: str, *, sent: bool = False) -> tuple[int, str]:
        try:
            return self._replies.read()
        except (OSError, ValueError) as error:
            self._is_lost = True
            raise LostConnectionError(verb, sent=sent) from error


class _Wire:
    """The socket of a server: it gives way where it would wait, by TLS within a record as well.

    Its timeout is for each write to be taken, and for each whole reply.
    """

    def __init__(self, server: smtplib.SMTP) -> None:
        assert server.sock is not None
        self._socket: socket.socket = server.sock
        self.seconds = self._socket.gettimeout() or settings.EMAIL_TIMEOUT
        self._socket.settimeout(0)

    def send(self, data: memoryview) -> int:
        """Return how many bytes were taken, one at least; raise OSError."""
        until = time.monotonic() + self.seconds
        while True:
            try:
                return self._socket.send(data)
            except (BlockingIOError, ssl.SSLWantWriteError):
                wait_writable(self._socket.fileno(), seconds=until - time.monotonic())
            except ssl.SSLWantReadError:
                wait_readable(self._socket.fileno(), seconds=until - time.monotonic())

    def receive(self, *, until: float) -> bytes:
        """Return what has come, b"" at the end; raise OSError, TimeoutError after `until`."""
        while True:
            if not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                wait_readable(self._socket.fileno(), seconds=until - time.monotonic())
            try:
                return self._socket.recv(4096)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except ssl.SSLWantWriteError:
                wait_writable(self._socket.fileno(), seconds=until - time.monotonic())


class _Replies:
    """Reads a server's replies (RFC 5321, 4.2), several from what one read brings.

    smtplib reads line by line, which costs as much as the rest of sending a message.
    """

    def __init__(self, wire: _Wire) -> None:
        self._wire, self._come = wire, b""

    def read(self) -> tuple[int, str]:
        """Return a reply's code and text; raise OSError or ValueError where there is none."""
        until = time.monotonic() + self._wire.seconds
        line = self._line(until)
        if _ONE_LINE.fullmatch(line):
            return int(line[:3]), line[4:].decode().strip()
        texts, length = [line[4:]], len(line)
        while _REPLY.match(line) and line[3:4] == b"-" and length <= LONGEST_REPLY:
            line = self._line(until)
            texts.append(line[4:])
            length += len(line)
        if not _REPLY.match(line) or length > LONGEST_REPLY:
            raise ValueError("not a reply")
        return int(line[:3]), "\n".join([text.decode("ascii", "replace").strip() for text in texts])

    def _line(self, until: float) -> bytes:
        while True:
            line, ended, rest = self._come.partition(b"\n")
            if ended:
                self._come = rest
                return line
            if len(line) > LONGEST_REPLY:
                raise ValueError("a reply without an end")
            more = self._wire.receive(until=until)
            if not more:
                raise ConnectionError("the server hung up")
            self._come += more


def _answer(verb: str, code: int, text: str) -> Answer:
    enhanced = _ENHANCED.match(text)
    return Answer(verb, code, enhanced[1] if enhanced else "", text)


def _refuses(verb: str, code: int) -> bool:
    """Whether a command was not carried out: the first digit decides (RFC 5321, 4.2.1)."""
    return code != START_MAIL_INPUT if verb == "DATA" else code // 100 != 2


class _Server(smtplib.SMTP):
    """smtplib, connecting only where it may, with TLS from the first byte where asked."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        super().__init__(
            timeout=settings.EMAIL_TIMEOUT, local_hostname=settings.PORTAL_HOST or None
        )
        self._host = sender.host  # the name that STARTTLS checks in the certificate

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        wire = connect(host, port, timeout=timeout, trusted=self._sender.account == PORTAL)
        if self._sender.encryption != Encryption.TLS:
            return wire
        return tls_context().wrap_socket(wire, server_hostname=host)


@contextmanager
def smtp_session(sender: Sender) -> Iterator[Session]:
    """Connect, protect, sign in; close at the end.

    Raises ChannelDownError where the server is not there now, SenderRefusedError where it is not
    the server we may talk to, or does not want us: a person has to look.
    """
    if sender.encryption == Encryption.NONE and not (settings.DEMO or sender.account == PORTAL):
        raise SenderRefusedError("no encryption")
    server = _Server(sender)
    try:
        in_a_thread(partial(_greet, server, sender))
    except (ssl.SSLCertVerificationError, ForbiddenAddressError) as error:
        server.close()
        raise SenderRefusedError("not a server we may talk to") from error
    except smtplib.SMTPNotSupportedError as error:
        server.close()
        raise SenderRefusedError("STARTTLS or AUTH is not offered") from error
    except smtplib.SMTPAuthenticationError as error:
        server.close()
        if error.smtp_code >= 500:
            raise SenderRefusedError("credentials refused") from error
        raise ChannelDownError("credentials not checked now") from error
    except (OSError, smtplib.SMTPException) as error:
        server.close()
        raise ChannelDownError("connection refused") from error
    except ValueError:
        # A password that is not ASCII, which the error quotes, or a challenge that is not base64.
        server.close()
        raise SenderRefusedError("credentials cannot be given") from None
    session = Session(server)
    try:
        yield session
    finally:
        session.close()


def _greet(server: _Server, sender: Sender) -> None:
    code, _text = server.connect(sender.host, sender.port)
    if code != 220:
        raise smtplib.SMTPConnectError(code, b"")
    server.ehlo_or_helo_if_needed()
    if sender.encryption == Encryption.STARTTLS:
        code, _text = server.starttls(context=tls_context())
        if code != 220:
            raise smtplib.SMTPResponseException(code, b"")
        server.ehlo()
    if user := sender.credentials.get("user"):
        server.login(user, sender.credentials.get("password", ""))
