"""An SMTP server in plain sockets: it offers, answers, drops and counts as the test says."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


class Dropped(Exception):  # noqa: N818 (the test asked for it)
    pass


@dataclass
class Script:
    """How the server behaves, and what it saw.

    `answers` maps a verb (and "." for the end of a message), or a verb and an address, to a
    reply. `drop` is where the connection is cut: a verb, "content" (half-way through) or "." (the
    message is taken and never answered). `reads` counts the writes of the client that came in.
    """

    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "DSN")
    answers: dict[str, str] = field(default_factory=dict)
    drop: str = ""
    greeting: str = "220 scripted"
    certificate: tuple[str, str] | None = None
    commands: list[str] = field(default_factory=list)
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    reads: int = 0
    port: int = 0


class _Conversation:
    def __init__(self, script: Script, wire: socket.socket) -> None:
        self.script, self.wire, self.buffer = script, wire, b""
        self.recipient = ""
        self.is_open = False

    def line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._receive()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def content(self) -> bytes:
        while not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer):
            self._receive()
            if self.script.drop == "content":
                raise Dropped
        if self.buffer.startswith(b".\r\n"):
            content, self.buffer = b"", self.buffer[3:]
        else:
            content, _, self.buffer = self.buffer.partition(b"\r\n.\r\n")
        return b"".join(
            line.removeprefix(b".") for line in (content + b"\r\n").splitlines(keepends=True)
        )

    def _receive(self) -> None:
        received = self.wire.recv(1 << 16)
        if not received:
            raise Dropped
        self.script.reads += 1
        self.buffer += received

    def say(self, reply: str) -> None:
        self.wire.sendall(f"{reply}\r\n".encode())

    def talk(self) -> None:
        self.say(self.script.greeting)
        while True:
            line = self.line().decode()
            verb, argument = line[:4].upper().strip(), line[5:]
            self.script.commands.append(line)
            if self.script.drop == verb:
                raise Dropped
            self._answer(verb, argument)
            if verb == "QUIT":
                return

    def _answer(self, verb: str, argument: str) -> None:
        address = argument.partition("<")[2].partition(">")[0]
        reply = self.script.answers.get(f"{verb} {address}") or self.script.answers.get(verb)
        if verb == "EHLO":
            *first, last = ["scripted", *self.script.extensions]
            self.say("\r\n".join([*(f"250-{name}" for name in first), f"250 {last}"]))
        elif verb == "STAR" and self.script.certificate:
            self.say("220 go ahead")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.script.certificate)
            self.wire = context.wrap_socket(self.wire, server_side=True)
        elif verb == "MAIL":
            self.is_open = reply is None
            self.recipient = ""
            self.say(reply or "250 2.1.0 ok")
        elif verb == "RCPT":
            answer = (reply or "250 2.1.5 ok") if self.is_open else "503 5.5.1 no sender"
            self.recipient = address if answer.startswith("2") else ""
            self.say(answer)
        elif verb == "DATA":
            self._data(reply)
        elif verb == "RSET":
            self.is_open = False
            self.say("250 ok")
        else:
            self.say(reply or "250 ok")
        if reply and reply.startswith("421"):
            raise Dropped

    def _data(self, reply: str | None) -> None:
        if reply or not (self.recipient or "DATA-anyway" in self.script.answers):
            self.say(reply or "554 5.5.1 no valid recipients")
            return
        self.say("354 go on")
        content = self.content()
        if not self.recipient:
            self.say("554 5.5.1 no valid recipients")
            return
        reply = self.script.answers.get(f". {self.recipient}") or self.script.answers.get(".")
        if reply is None or reply.startswith("2"):
            self.script.taken.append((self.recipient, content))
        if self.script.drop == ".":
            raise Dropped
        self.is_open = False
        self.say(reply or "250 2.0.0 queued")


@contextmanager
def scripted_smtp(script: Script) -> Iterator[Script]:
    """Serve on a free port of 127.0.0.1 for the duration of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    script.port = listener.getsockname()[1]
    conversations: list[threading.Thread] = []

    def converse(wire: socket.socket) -> None:
        conversation = _Conversation(script, wire)
        with suppress(Dropped, OSError):
            conversation.talk()
        conversation.wire.close()

    def serve() -> None:
        with suppress(OSError):
            while True:
                wire, _address = listener.accept()
                thread = threading.Thread(target=converse, args=(wire,), daemon=True)
                conversations.append(thread)
                thread.start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield script
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in conversations:
            thread.join(5)  # What the client wrote last has been read.
