"""A real SMTP server on a real socket, which does as the test says and records what it took."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

# It logs every command, addresses included.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Recorder:
    """What the server took, and how it answers.

    `answers` maps an address to the reply to RCPT; `drop_at` closes the connection at the end
    of that many DATA commands, after taking the message and before answering; while `holding`,
    a message is taken and its sender kept waiting (`held` of them now); from the message
    `holds_from` on, all are.
    """

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.answers: dict[str, str] = {}
        self.slow: set[str] = set()
        self.sender_answer = "250 OK"
        self.drop_at: int | None = None
        self.drops_all = False
        self.holding = False
        self.holds_from: int | None = None
        self.held = 0
        self.port = 0

    @property
    def messages(self) -> list[EmailMessage]:
        """The messages taken, parsed."""
        return [message_from_bytes(raw, policy=policy.default) for _, raw in self.received]

    @property
    def recipients(self) -> list[str]:
        """Whom the messages were taken for, in order."""
        return [address for address, _ in self.received]

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.sender_answer

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        while address in self.slow:
            await asyncio.sleep(0.01)
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.received.append((envelope.rcpt_tos[0], envelope.original_content or b""))
        if self.holds_from is not None and len(self.received) >= self.holds_from:
            self.holding = True
        if self.holding:
            await self._hold()
        if self.drops_all or self.drop_at == len(self.received):
            assert server.transport is not None
            server.transport.abort()
        return "250 OK"

    async def _hold(self) -> None:
        self.held += 1
        try:
            while self.holding:
                await asyncio.sleep(0.01)
        finally:
            self.held -= 1


@contextmanager
def smtp_server(recorder: Recorder | None = None) -> Iterator[Recorder]:
    """Serve on a free port of 127.0.0.1 for the duration of the block."""
    recorder, loop = recorder or Recorder(), asyncio.new_event_loop()

    async def start() -> Any:
        server = await loop.create_server(
            lambda: SMTP(recorder, hostname="localhost", loop=loop), "127.0.0.1", 0
        )
        recorder.port = server.sockets[0].getsockname()[1]
        return server

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
