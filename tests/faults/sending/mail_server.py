"""An SMTP server that pipelines, keeps the Message-ID of all it takes, and fails as it is told.

It runs in a thread of the test, and listens once for each worker, so that it knows whom it serves.
"""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

_END = b"\r\n.\r\n"
_GREETING = b"250-relay\r\n250-PIPELINING\r\n250 8BITMIME"
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)
_RECIPIENT = re.compile(rb"^RCPT TO:<([^>]*)>", re.IGNORECASE)


class Step(Enum):
    """When the server is asked what to do: at a command, or at a content's begin and end."""

    CONNECT = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    CONTENT = auto()
    END = auto()


class Act(Enum):
    """What it may do instead of answering."""

    DROP = auto()
    HOLD = auto()


@dataclass(frozen=True)
class Moment:
    """Whom the server serves, for whom the message is, and at which step it is."""

    step: Step
    worker: int
    recipient: str


@dataclass(frozen=True)
class Taken:
    """A message that the server took on itself; `at` is in seconds since the epoch."""

    message_id: str
    recipient: str
    worker: int
    at: float


# An answer instead of the usual one; a delay in seconds; an act; or None: as usual.
Behaviour = Callable[[Moment], bytes | float | Act | None]


def well(moment: Moment) -> None:
    """Behave as a server should."""


class MailServer:
    """What the server took; `behave` says how it fails. A message is taken at its final dot,
    before its answer, unless that answer refuses it."""

    def __init__(self, workers: int) -> None:
        self.taken: list[Taken] = []
        self.refused: set[str] = set()
        """Recipients who were refused for good (5yz)."""
        self.dropped = 0
        """Connections broken off by the server."""
        self.pace = 0.0
        """Seconds that each message takes at the least."""
        self.behave: Behaviour = well
        self.ports: list[int] = []
        self.loop = asyncio.new_event_loop()
        self._held: list[_Conversation] = []
        self._servers = [
            self.loop.run_until_complete(
                self.loop.create_server(lambda n=n: _Conversation(self, n), "127.0.0.1", 0)  # type: ignore[misc]
            )
            for n in range(workers)
        ]
        self.ports = [server.sockets[0].getsockname()[1] for server in self._servers]

    @property
    def held(self) -> list[int]:
        """Which workers wait for an answer that does not come, by connection."""
        return [conversation.worker for conversation in list(self._held)]

    @contextmanager
    def behaving(self, behave: Behaviour) -> Iterator[None]:
        """Fail like that for the block; then whoever was held gets the answer."""
        self.behave = behave
        try:
            yield
        finally:
            self.behave = well
            self.loop.call_soon_threadsafe(self._release)

    def hold(self, conversation: "_Conversation") -> None:
        """Keep a connection waiting."""
        self._held.append(conversation)

    def let_go(self, conversation: "_Conversation") -> None:
        """Forget a connection that its client closed."""
        if conversation in self._held:
            self._held.remove(conversation)

    def _release(self) -> None:
        held, self._held = self._held, []
        for conversation in held:
            conversation.go_on()

    @contextmanager
    def serving(self) -> Iterator["MailServer"]:
        """Serve in a thread for the block."""
        thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            for server in self._servers:
                self.loop.call_soon_threadsafe(server.close)
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join()
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()


class _Conversation(asyncio.Protocol):
    """One connection. Commands that came together are answered one after the other."""

    transport: asyncio.Transport

    def __init__(self, server: MailServer, worker: int) -> None:
        self._server, self.worker = server, worker
        self._buffer, self._recipient = b"", ""
        self._in_content = self._waits = self._seen = False
        self._answer = b""  # what is said once the wait is over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport = transport
        self._do(Step.CONNECT, b"220 relay")

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.let_go(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._advance()

    def go_on(self) -> None:
        """Give the answer that was kept back."""
        if self.transport.is_closing():
            return
        self._waits = False
        self._say(self._answer)
        self._advance()

    def _advance(self) -> None:
        while self._buffer and not self._waits and not self.transport.is_closing():
            if not (self._content() if self._in_content else self._command()):
                return

    def _command(self) -> bool:
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        self._buffer = rest
        verb = line[:4].upper()
        if verb == b"QUIT":
            self._say(b"221 bye")
            self.transport.close()
        elif verb == b"EHLO":
            self._say(_GREETING)
        elif verb == b"MAIL":
            self._recipient = ""
            self._do(Step.MAIL, b"250 OK")
        elif verb == b"RCPT":
            match = _RECIPIENT.match(line)
            self._recipient = match[1].decode() if match else ""
            if not self._do(Step.RCPT, b"250 OK"):
                self._recipient = ""
        elif verb == b"DATA":
            if not self._recipient:
                self._say(b"554 nobody to send it to")
            else:
                self._in_content = self._do(Step.DATA, b"354 go on")
        else:
            self._say(b"250 OK")
        return True

    def _content(self) -> bool:
        if not self._seen:
            self._seen = True
            if self._asked(Step.CONTENT) is Act.DROP:
                self._drop()
                return False
        content, found, rest = self._buffer.partition(_END)
        if not found:
            return False
        self._buffer, self._in_content, self._seen = rest, False, False
        wish = self._asked(Step.END)
        if isinstance(wish, bytes):
            self._note_refusal(wish)
        else:
            match = _MESSAGE_ID.search(content)
            message_id = match[1].decode() if match else ""
            taken = Taken(message_id, self._recipient, self.worker, time.time())
            self._server.taken.append(taken)
        self._carry_out(wish if wish is not None else self._server.pace, b"250 OK")
        return True

    def _do(self, step: Step, usual: bytes) -> bool:
        """Answer a command; return whether as usual."""
        wish = self._asked(step)
        if isinstance(wish, bytes):
            self._note_refusal(wish)
        self._carry_out(wish, usual)
        return not isinstance(wish, bytes)

    def _asked(self, step: Step) -> bytes | float | Act | None:
        return self._server.behave(Moment(step, self.worker, self._recipient))

    def _note_refusal(self, answer: bytes) -> None:
        if answer.startswith(b"5"):
            self._server.refused.add(self._recipient)

    def _carry_out(self, wish: bytes | float | Act | None, usual: bytes) -> None:
        if wish is Act.DROP:
            self._drop()
        elif wish is Act.HOLD:
            self._waits, self._answer = True, usual
            self._server.hold(self)
        elif isinstance(wish, bytes):
            self._say(wish)
            if wish.startswith(b"421"):
                self.transport.close()
        elif isinstance(wish, float) and wish > 0:
            self._waits, self._answer = True, usual
            self._server.loop.call_later(wish, self.go_on)
        else:
            self._say(usual)

    def _drop(self) -> None:
        self._server.dropped += 1
        self.transport.abort()

    def _say(self, answer: bytes) -> None:
        self.transport.write(answer + b"\r\n")
