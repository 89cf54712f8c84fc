"""The HTTP interfaces of the providers that are offered, at their edge, by a local server."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from django.test import override_settings

from notifications.channels.providers import PROVIDERS
from notifications.senders.choosing import Sender

Answer = tuple[int, Any]


@dataclass(frozen=True)
class Interface:
    """Where a request names its recipient, how an accepted message is answered, and as what."""

    recipient: Callable[[Any], str]
    queued: Callable[[str], Answer]
    status: str = "queued"


# A provider that is offered and not described here fails every test over PROVIDERS.
INTERFACES: dict[str, Interface] = {
    "brevo": Interface(
        lambda asked: asked["to"][0]["email"],
        lambda _to: (201, {"messageId": "<x@brevo>"}),
    ),
    "mailgun": Interface(
        lambda asked: asked["to"],
        lambda _to: (200, {"id": "<x@mailgun>", "message": "Queued. Thank you."}),
    ),
    "mailjet": Interface(
        lambda asked: asked["Messages"][0]["To"][0]["Email"],
        lambda to: (
            200,
            {"Messages": [{"Status": "success", "To": [{"Email": to, "MessageID": 7}]}]},
        ),
        "sent",
    ),
    "mailtrap": Interface(
        lambda asked: asked["to"][0]["email"],
        lambda _to: (200, {"success": True, "message_ids": ["x"]}),
    ),
    "mandrill": Interface(
        lambda asked: asked["message"]["to"][0]["email"],
        # It writes the address as it likes.
        lambda to: (200, [{"email": to.upper(), "status": "sent", "_id": "x"}]),
        "sent",
    ),
    "postmark": Interface(
        lambda asked: asked["To"],
        lambda to: (200, {"ErrorCode": 0, "Message": "OK", "MessageID": "x", "To": to}),
        "sent",
    ),
    "resend": Interface(lambda asked: asked["to"][0], lambda _to: (200, {"id": "x"})),
    "sendgrid": Interface(
        lambda asked: asked["personalizations"][0]["to"][0]["email"], lambda _to: (202, None)
    ),
    "sparkpost": Interface(
        lambda asked: asked["recipients"][0]["address"]["email"],
        lambda _to: (
            200,
            {
                "results": {
                    "id": "x",
                    "total_accepted_recipients": 1,
                    "total_rejected_recipients": 0,
                }
            },
        ),
    ),
}


@dataclass
class Edge:
    """What the provider was asked, and what it answers, in turn (the last for good).

    Without an answer it takes the message.
    """

    interface: Interface
    answers: list[Answer | None]
    asked: list[Any] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """What its requests were signed with, in a header or the body."""
    refused: dict[str, Answer] = field(default_factory=dict)
    """What it answers about these recipients instead."""
    hangs_up: bool = False
    delay: float = 0.0
    """Seconds before each answer."""
    holds: bool = False
    """While it does, there is no answer."""
    asked_at: list[float] = field(default_factory=list)


@contextmanager
def provider(
    *answers: Answer | None, transport: str = "mailgun", hangs_up: bool = False
) -> Iterator[Edge]:
    """Serve a provider's interface on a free port."""
    edge = Edge(INTERFACES[transport], list(answers) or [None], hangs_up=hangs_up)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            edge.asked_at.append(time.time())
            # anymail says nothing of the type of what it sends to Mandrill.
            asked = read(self.headers.get("Content-Type", "application/json"), content)
            to = edge.interface.recipient(asked)
            edge.asked.append(asked)
            edge.recipients.append(to)
            edge.keys.append(f"{self.headers}{asked}")
            time.sleep(edge.delay)
            while edge.holds:
                time.sleep(0.01)
            if edge.hangs_up:
                self.close_connection = True
                return
            answer = edge.refused.get(to)
            if answer is None:
                answer = edge.answers.pop(0) if len(edge.answers) > 1 else edge.answers[0]
            status, body = answer or edge.interface.queued(to)
            said = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    with at(transport, f"http://127.0.0.1:{server.server_address[1]}"):
        try:
            yield edge
        finally:
            server.shutdown()
            server.server_close()


@contextmanager
def at(transport: str, address: str) -> Iterator[None]:
    """Have a provider's interface at an address."""
    with override_settings(ANYMAIL={f"{PROVIDERS[transport].name.upper()}_API_URL": address}):
        yield


def read(content_type: str, content: bytes) -> Any:
    """Read JSON, or a form of either kind."""
    if content_type.startswith("application/json"):
        return json.loads(content)
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(content.decode()))
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = message_from_bytes(head + content, policy=policy.HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): str(
            part.get_payload(decode=True).decode()  # type: ignore[union-attr]
        )
        for part in form.iter_parts()
    }


def sender(transport: str = "mailgun") -> Sender:
    return Sender(
        account="identity:phare",
        from_name="Mutuelle du Phare",
        from_address="avis@phare.example.fr",
        reply_to="dpo@phare.example.fr",
        bounce_domain="",
        transport=transport,
        credentials={name: f"{name}-of-phare" for name in PROVIDERS[transport].credentials},
    )
