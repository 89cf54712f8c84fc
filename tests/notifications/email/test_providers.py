"""A provider's HTTP interface, faked at its edge by a local server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
from anymail.utils import UNSET
from django.test import override_settings
from django.utils.module_loading import import_string

from notifications.channels import ChannelDownError, Outcome, SenderRefusedError
from notifications.channels.email import EmailChannel
from notifications.channels.providers import PROVIDERS, _message
from notifications.models import State
from notifications.receipts.tokens import read_token
from notifications.senders.choosing import Sender
from tests.notifications.email.test_smtp import messages

QUEUED = (200, {"id": "<x@mailgun>", "message": "Queued. Thank you."})


@dataclass
class Edge:
    """What the provider answers, in turn (the last for good), and what it was asked."""

    answers: list[tuple[int, dict[str, str]]]
    asked: list[dict[str, str]] = field(default_factory=list)
    refused: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    """What it answers about these recipients instead."""
    hangs_up: bool = False


@contextmanager
def provider(*answers: tuple[int, dict[str, str]], hangs_up: bool = False) -> Iterator[Edge]:
    """Serve Mailgun's interface on a free port."""
    edge = Edge(list(answers) or [QUEUED], hangs_up=hangs_up)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            edge.asked.append(fields(self.headers["Content-Type"], content))
            if edge.hangs_up:
                self.close_connection = True
                return
            answer = edge.refused.get(edge.asked[-1]["to"])
            if answer is None:
                answer = edge.answers.pop(0) if len(edge.answers) > 1 else edge.answers[0]
            status, body = answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        with override_settings(ANYMAIL={"MAILGUN_API_URL": address}):
            yield edge
    finally:
        server.shutdown()
        server.server_close()


def fields(content_type: str, content: bytes) -> dict[str, str]:
    """Read a form of either kind."""
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


def sender() -> Sender:
    return Sender(
        account="identity:phare",
        from_name="Mutuelle du Phare",
        from_address="avis@phare.example.fr",
        reply_to="dpo@phare.example.fr",
        bounce_domain="",
        transport="mailgun",
        credentials={"api_key": "key", "sender_domain": "phare.example.fr"},
    )


def send(count: int = 1) -> list[Outcome]:
    return list(EmailChannel(sender()).send(messages(count)))


def test_what_the_provider_queues_is_accepted() -> None:
    with provider() as edge:
        outcomes = send(3)
    assert outcomes == [Outcome(n, State.ACCEPTED, "mailgun-queued") for n in (1, 2, 3)]
    assert [asked["to"] for asked in edge.asked] == [f"p{n}@example.fr" for n in (1, 2, 3)]


def test_the_provider_is_asked_for_no_tracking_and_given_the_token() -> None:
    with provider() as edge:
        send()
    (asked,) = edge.asked
    assert (asked["o:tracking-clicks"], asked["o:tracking-opens"]) == ("no", "no")
    assert read_token(asked["v:receipt"], account="identity:phare") == 1
    assert asked["h:Message-Id"] == "<1@portail.example.fr>"
    assert asked["h:Auto-Submitted"] == "auto-generated"
    assert asked["h:Reply-To"] == "dpo@phare.example.fr"
    assert asked["from"] == "Mutuelle du Phare <avis@phare.example.fr>"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (400, State.FAILED),
        (413, State.FAILED),
        (500, State.DEFERRED),
        (502, State.UNCERTAIN),
        (503, State.DEFERRED),
        (504, State.UNCERTAIN),
        (200, State.UNCERTAIN),
    ],
)
def test_a_refusal_is_for_now_for_good_or_unknown(status: int, state: State) -> None:
    with provider((status, {"message": "no"}), QUEUED):
        outcomes = send(2)
    assert [outcome.state for outcome in outcomes] == [state, State.ACCEPTED]
    assert outcomes[0].reason == f"mailgun-{status}"


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_refused_account_stops_everything(status: int) -> None:
    with provider((status, {"message": "Forbidden"})), pytest.raises(SenderRefusedError):
        send()


def test_a_provider_that_hangs_up_leaves_one_message_in_doubt() -> None:
    with provider(hangs_up=True) as edge:
        outcomes = EmailChannel(sender()).send(messages(2))
        assert next(outcomes) == Outcome(1, State.UNCERTAIN, "mailgun-no-answer")
        with pytest.raises(ChannelDownError):
            next(outcomes)
    assert len(edge.asked) == 1


def test_a_provider_that_asks_to_slow_down_gets_a_rest_and_no_attempt_counts() -> None:
    with provider(QUEUED, (429, {"message": "slow down"})) as edge:
        outcomes = EmailChannel(sender()).send(messages(3))
        assert next(outcomes).state == State.ACCEPTED
        with pytest.raises(ChannelDownError):
            next(outcomes)
    assert len(edge.asked) == 2


def test_a_provider_that_is_not_there_is_down() -> None:
    with override_settings(ANYMAIL={"MAILGUN_API_URL": "http://127.0.0.1:1"}):
        with pytest.raises(ChannelDownError):
            send()


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_is_given_the_token_and_no_tracking(name: str) -> None:
    offered = PROVIDERS[name]
    options = dict.fromkeys(offered.credentials, "x")
    backend = import_string(f"anymail.backends.{offered.name}.EmailBackend")(**options)
    (outgoing,) = messages(1)
    message = _message(offered, replace(sender(), transport=name), outgoing, "p1@example.fr")
    asked = repr(backend.build_message_payload(message, {}).get_request_params("https://x"))
    assert message.metadata["receipt"] in asked
    assert getattr(message, "track_opens", None) is (
        False if offered.switches_tracking_off else UNSET
    )
