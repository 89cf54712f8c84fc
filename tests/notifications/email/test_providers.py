"""E-mail through every provider that is offered, each behind its own HTTP interface."""

import base64
import json

import pytest
from anymail.utils import UNSET

from notifications.channels import ChannelDownError, Outcome, SenderRefusedError
from notifications.channels.email import EmailChannel
from notifications.channels.providers import METADATA, PROVIDERS, _message
from notifications.models import State, Transport
from notifications.receipts.tokens import read_token, receipt_token
from tests.notifications.email.interfaces import INTERFACES, at, provider, sender
from tests.notifications.email.test_smtp import messages

over_providers = pytest.mark.parametrize("transport", PROVIDERS)
NO = {"message": "no"}


def send(transport: str, count: int = 1) -> list[Outcome]:
    return list(EmailChannel(sender(transport)).send(messages(count)))


def test_what_people_choose_from_is_what_is_described() -> None:
    assert set(PROVIDERS) == set(Transport) - {Transport.SMTP} == set(INTERFACES)


@over_providers
def test_what_the_provider_queues_is_accepted(transport: str) -> None:
    with provider(transport=transport) as edge:
        outcomes = send(transport, 3)
    reason = f"{transport}-{INTERFACES[transport].status}"
    assert outcomes == [Outcome(n, State.ACCEPTED, reason) for n in (1, 2, 3)]
    assert edge.recipients == [f"p{n}@example.fr" for n in (1, 2, 3)]


@over_providers
def test_the_provider_is_given_the_token_the_headers_and_no_other_person(transport: str) -> None:
    with provider(transport=transport) as edge:
        send(transport, 2)
    for number, asked in enumerate(edge.asked, start=1):
        said = json.dumps(asked, ensure_ascii=False)
        assert receipt_token(number, account="identity:phare") in said
        assert f"<{number}@portail.example.fr>" in said
        assert "auto-generated" in said
        assert "dpo@phare.example.fr" in said
        assert "avis@phare.example.fr" in said
        assert f"p{3 - number}@example.fr" not in said


@over_providers
def test_a_provider_is_asked_for_no_tracking_unless_only_its_account_can(transport: str) -> None:
    offered = PROVIDERS[transport]
    (outgoing,) = messages(1)
    message = _message(offered, sender(transport), outgoing, "p1@example.fr")
    wanted = False if offered.switches_tracking_off else UNSET
    assert (message.track_opens, message.track_clicks) == (wanted, wanted)
    assert read_token(message.metadata[METADATA], account="identity:phare") == 1


def test_mailgun_is_asked_for_no_tracking_in_its_own_words() -> None:
    with provider() as edge:
        send("mailgun")
    (asked,) = edge.asked
    assert (asked["o:tracking-clicks"], asked["o:tracking-opens"]) == ("no", "no")
    assert read_token(asked["v:receipt"], account="identity:phare") == 1
    assert asked["h:Message-Id"] == "<1@portail.example.fr>"
    assert asked["h:Auto-Submitted"] == "auto-generated"
    assert asked["h:Reply-To"] == "dpo@phare.example.fr"
    assert asked["from"] == "Mutuelle du Phare <avis@phare.example.fr>"


def test_sendgrid_and_mandrill_are_asked_for_no_tracking_in_their_own_words() -> None:
    with provider(transport="sendgrid") as sendgrid:
        send("sendgrid")
    with provider(transport="mandrill") as mandrill:
        send("mandrill")
    assert sendgrid.asked[0]["tracking_settings"] == {
        "click_tracking": {"enable": False},
        "open_tracking": {"enable": False},
    }
    message = mandrill.asked[0]["message"]
    assert (message["track_clicks"], message["track_opens"]) == (False, False)


@over_providers
@pytest.mark.parametrize(
    ("status", "state"),
    [
        (400, State.FAILED),
        (413, State.FAILED),
        (500, State.DEFERRED),
        (502, State.UNCERTAIN),
        (503, State.DEFERRED),
        (504, State.UNCERTAIN),
    ],
)
def test_a_refusal_is_for_now_for_good_or_unknown(
    transport: str, status: int, state: State
) -> None:
    with provider((status, NO), None, transport=transport):
        outcomes = send(transport, 2)
    assert [outcome.state for outcome in outcomes] == [state, State.ACCEPTED]
    assert outcomes[0].reason == f"{transport}-{status}"


# SendGrid says nothing but its status.
@pytest.mark.parametrize("transport", sorted(set(PROVIDERS) - {"sendgrid"}))
def test_an_acceptance_that_cannot_be_read_leaves_a_doubt(transport: str) -> None:
    with provider((200, NO), None, transport=transport):
        outcomes = send(transport, 2)
    assert [outcome.state for outcome in outcomes] == [State.UNCERTAIN, State.ACCEPTED]


@over_providers
@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_refused_account_stops_everything(transport: str, status: int) -> None:
    with provider((status, NO), transport=transport), pytest.raises(SenderRefusedError):
        send(transport)


@pytest.mark.parametrize("name", sorted(PROVIDERS["mandrill"].account_errors))
def test_an_account_that_mandrill_refuses_with_a_server_error_stops_everything(name: str) -> None:
    refusal = {"status": "error", "code": -1, "name": name, "message": "no"}
    with provider((500, refusal), transport="mandrill"), pytest.raises(SenderRefusedError):
        send("mandrill")


def test_another_server_error_of_mandrill_is_of_its_message() -> None:
    refusal = {"status": "error", "code": -2, "name": "ValidationError", "message": "no"}
    with provider((500, refusal), None, transport="mandrill"):
        assert [outcome.state for outcome in send("mandrill", 2)] == [
            State.DEFERRED,
            State.ACCEPTED,
        ]


@over_providers
def test_a_provider_that_hangs_up_leaves_one_message_in_doubt(transport: str) -> None:
    with provider(transport=transport, hangs_up=True) as edge:
        outcomes = EmailChannel(sender(transport)).send(messages(2))
        assert next(outcomes) == Outcome(1, State.UNCERTAIN, f"{transport}-no-answer")
        with pytest.raises(ChannelDownError):
            next(outcomes)
    assert len(edge.asked) == 1


@over_providers
def test_a_provider_that_asks_to_slow_down_gets_a_rest_and_no_attempt_counts(
    transport: str,
) -> None:
    with provider(None, (429, NO), transport=transport) as edge:
        outcomes = EmailChannel(sender(transport)).send(messages(3))
        assert next(outcomes).state == State.ACCEPTED
        with pytest.raises(ChannelDownError):
            next(outcomes)
    assert len(edge.asked) == 2


@over_providers
def test_a_provider_that_is_not_there_is_down(transport: str) -> None:
    with at(transport, "http://127.0.0.1:1"), pytest.raises(ChannelDownError):
        send(transport)


@over_providers
def test_the_provider_knows_the_account_by_its_key(transport: str) -> None:
    with provider(transport=transport) as edge:
        send(transport)
    logins = {
        "mailgun": "api:api_key-of-phare",
        "mailjet": "api_key-of-phare:secret_key-of-phare",
    }
    key = f"{PROVIDERS[transport].credentials[0]}-of-phare"
    if transport in logins:
        key = f"Basic {base64.b64encode(logins[transport].encode()).decode()}"
    assert key in edge.keys[0]
