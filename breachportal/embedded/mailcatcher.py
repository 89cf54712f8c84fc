"""A mail server that keeps everything and delivers nothing, with pages to read what arrived.

    python -m breachportal.embedded.mailcatcher --folder DIR [--smtp-port 1025] [--http-port 8025]

The SMTP side is written here because 50,000 messages share two cores with the portal that sends
them: aiosmtpd, which reads a message line by line, takes a whole core for 1,200 a second.
"""

import argparse
import asyncio
import re
import signal
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

from breachportal.embedded.mailbox import Mailbox
from breachportal.embedded.mailpages import Settings, make_handler

SIZE_LIMIT = 25 * 1024**2
LINE_LIMIT = 2048
END = b"\r\n.\r\n"
PATH = re.compile(rb"(?:FROM|TO):\s*<([^<>]*)>", re.IGNORECASE)
GREETING = (
    f"250-localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {SIZE_LIMIT}"
)


class Conversation(asyncio.Protocol):
    """One SMTP connection (RFC 5321, 4.1): every recipient is accepted, every message kept."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._buffer = bytearray()
        self._reading_message = False
        self._sender: str | None = None
        self._recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._say("220 localhost ready")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take_message() if self._reading_message else self._take_command():
            pass
        if len(self._buffer) > (SIZE_LIMIT if self._reading_message else LINE_LIMIT):
            self._say("552 too long")
            self._transport.close()

    def _say(self, answer: str) -> None:
        self._transport.write(answer.encode("ascii") + b"\r\n")

    def _take_command(self) -> bool:
        """Answer the first line of the buffer; false when it is not whole yet."""
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return False
        self._buffer = rest
        if line.upper() == b"QUIT":
            self._say("221 bye")
            self._transport.close()
            return False
        self._say(self._answer(bytes(line)))
        return True

    def _answer(self, line: bytes) -> str:
        verb, _, argument = line.partition(b" ")
        match verb.upper():
            case b"EHLO":
                return GREETING
            case b"HELO" | b"NOOP":
                return "250 OK"
            case b"RSET":
                self._forget()
                return "250 OK"
            case b"MAIL" if path := PATH.match(argument):
                self._forget()
                self._sender = _address(path)
                return "250 OK"
            case b"RCPT" if self._sender is not None and (path := PATH.match(argument)):
                self._recipients.append(_address(path))
                return "250 OK"
            case b"DATA" if self._recipients:
                self._reading_message = True
                # The end is a dot alone between two line ends: a message may also be empty.
                self._buffer[:0] = b"\r\n"
                return "354 End data with <CR><LF>.<CR><LF>"
            case b"MAIL" | b"RCPT" | b"DATA":
                return "503 bad sequence or argument"
        return "502 not implemented"

    def _take_message(self) -> bool:
        """Keep the message that the buffer begins with; false when it is not whole yet."""
        if END not in self._buffer:
            return False
        content, _, self._buffer = self._buffer.partition(END)
        self._reading_message = False
        unstuffed = bytes(content.replace(b"\r\n..", b"\r\n.")[2:]) + b"\r\n"
        self._mailbox.add(sender=self._sender or "", recipients=self._recipients, content=unstuffed)
        self._forget()
        self._say("250 OK")
        return True

    def _forget(self) -> None:
        self._sender = None
        self._recipients = []


def _address(path: re.Match[bytes]) -> str:
    return path[1].decode("utf-8", "replace")


async def serve(
    mailbox: Mailbox, *, settings: Settings, host: str, smtp_port: int, http_port: int
) -> None:
    """Receive and show mail until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    smtp = await loop.create_server(lambda: Conversation(mailbox), host, smtp_port)
    pages = ThreadingHTTPServer((host, http_port), make_handler(mailbox, settings))
    pages.daemon_threads = True
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    await ended.wait()
    pages.shutdown()
    smtp.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m breachportal.embedded.mailcatcher")
    parser.add_argument("--folder", type=Path, required=True, help="where messages are kept")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=1025)
    parser.add_argument("--http-port", type=int, default=8025)
    parser.add_argument("--portal-url", default="http://localhost:8000")
    parser.add_argument(
        "--accounts", type=Path, help="the JSON file of the demonstration's accounts"
    )
    options = parser.parse_args()
    settings = Settings(portal_url=options.portal_url, accounts=options.accounts)
    ports = {"smtp_port": options.smtp_port, "http_port": options.http_port}
    asyncio.run(serve(Mailbox(options.folder), settings=settings, host=options.host, **ports))


if __name__ == "__main__":
    main()
