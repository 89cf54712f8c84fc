"""A small IMAP server in plain sockets: one mailbox, the verbs that the portal uses."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Inbox:
    """Letters by uid with their flags; `login` is the only one that opens it."""

    letters: dict[int, bytes]
    login: tuple[str, str] = ("retours", "mot de passe")
    flags: dict[int, set[str]] = field(default_factory=dict)
    port: int = 0


def _answer(inbox: Inbox, tag: str, line: str, wire: ssl.SSLSocket) -> bool:  # noqa: C901
    """Answer one command; return whether to go on."""
    verb, _, rest = line.partition(" ")
    said: list[bytes] = []
    result = "OK done"
    if verb == "CAPABILITY":
        said.append(b"* CAPABILITY IMAP4rev1 UIDPLUS")
    elif verb == "LOGIN":
        words = tuple(word.strip('"') for word in re.findall(r'"[^"]*"|\S+', rest))
        result = "OK in" if words == inbox.login else "NO wrong"
    elif verb == "SELECT":
        said.append(b"* %d EXISTS" % len(inbox.letters))
    elif line.startswith("UID SEARCH UNSEEN"):
        unseen = [
            uid for uid in sorted(inbox.letters) if r"\Seen" not in inbox.flags.get(uid, set())
        ]
        said.append(b"* SEARCH " + " ".join(map(str, unseen)).encode())
    elif found := re.match(r"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", line):
        content = inbox.letters[int(found[1])][: int(found[2])]
        head = f"* 1 FETCH (UID {found[1]} BODY[]<0> {{{len(content)}}}\r\n".encode()
        said.append(head + content + b")")
    elif found := re.match(r"UID STORE (\d+) \+FLAGS\.SILENT \((.*)\)", line):
        inbox.flags.setdefault(int(found[1]), set()).update(found[2].split())
    elif found := re.match(r"UID EXPUNGE (\S+)", line):
        for uid in map(int, found[1].split(",")):
            if r"\Deleted" in inbox.flags.get(uid, set()):
                del inbox.letters[uid]
    elif verb != "LOGOUT":
        result = "BAD unknown"
    wire.sendall(b"".join(part + b"\r\n" for part in [*said, f"{tag} {result}".encode()]))
    return verb != "LOGOUT"


def _converse(inbox: Inbox, wire: ssl.SSLSocket) -> None:
    wire.sendall(b"* OK ready\r\n")
    with wire.makefile("rb") as lines:
        for raw in lines:
            tag, _, line = raw.decode().rstrip("\r\n").partition(" ")
            if not _answer(inbox, tag, line, wire):
                return


@contextmanager
def imap_server(inbox: Inbox, certificate: tuple[str, str]) -> Iterator[Inbox]:
    """Serve over TLS on a free port of 127.0.0.1 for the duration of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    inbox.port = listener.getsockname()[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def serve() -> None:
        while True:
            try:
                wire, _address = listener.accept()
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(wire, server_side=True) as protected:
                _converse(inbox, protected)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
