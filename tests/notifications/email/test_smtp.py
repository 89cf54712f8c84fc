"""What becomes of a message, whatever an SMTP server answers and wherever the connection breaks."""

import smtplib
import socket
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from notifications.channels import ChannelDownError, Outcome, Outgoing, SenderRefusedError
from notifications.channels.base import Foreseen
from notifications.channels.email import EmailChannel
from notifications.channels.smtp import Envelope, LostConnectionError, Session
from notifications.models import Encryption, State
from notifications.notices.rendering import EmailText
from notifications.receipts.tokens import read_token
from notifications.senders.choosing import DkimKey, Sender
from tests.notifications.email.scripted_smtp import Script, scripted_smtp
from tests.notifications.email.test_dkim import RSA, verified
from tests.notifications.email.test_mime import BLANKS, layout

STEPS = ((), ("PIPELINING",))


def sender(script: Script, **changed: object) -> Sender:
    made = Sender(
        account="identity:phare",
        from_name="Mutuelle du Phare",
        from_address="avis@phare.example.fr",
        reply_to="dpo@phare.example.fr",
        bounce_domain="retours.phare.example.fr",
        transport="smtp",
        host="127.0.0.1",
        port=script.port,
        encryption=Encryption.NONE,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def outgoing(number: int, *, address: str = "") -> Outgoing:
    return Outgoing(
        notification_id=number,
        address=address or f"p{number}@example.fr",
        sender_name="",
        reply_to="",
        message=EmailText(layout(), BLANKS),
        message_id=f"<{number}@portail.example.fr>",
    )


def messages(count: int) -> Foreseen:
    return Foreseen([outgoing(number) for number in range(1, count + 1)])


@contextmanager
def serving(*extensions: str, **told: object) -> Iterator[Script]:
    with scripted_smtp(Script(extensions=extensions, **told)) as script:  # type: ignore[arg-type]
        yield script


def send_all(script: Script, sent: Iterator[Outgoing], **changed: object) -> list[Outcome]:
    """Send until the end, or until the channel says it is down."""
    outcomes: list[Outcome] = []
    try:
        for outcome in EmailChannel(sender(script, **changed)).send(sent):
            outcomes.append(outcome)
    except ChannelDownError:
        pass
    return outcomes


def states(outcomes: Sequence[Outcome]) -> list[State]:
    return [outcome.state for outcome in outcomes]


@pytest.mark.parametrize("extensions", STEPS)
def test_each_message_arrives_once_and_whole(extensions: tuple[str, ...]) -> None:
    with serving(*extensions) as script:
        outcomes = send_all(script, messages(50))
    assert states(outcomes) == [State.ACCEPTED] * 50
    assert [recipient for recipient, _ in script.taken] == [
        f"p{n}@example.fr" for n in range(1, 51)
    ]
    assert all(content.endswith(b"--\r\n") for _, content in script.taken)


def test_a_pipelining_server_gets_one_write_a_message() -> None:
    with serving("PIPELINING") as script:
        send_all(script, messages(50))
    # EHLO, three steps of the first message, one write for each, QUIT.
    assert script.reads <= 1 + 3 + 50 + 1


def test_the_next_message_is_not_sent_before_this_one_is_recorded() -> None:
    with serving("PIPELINING") as script:
        outcomes = EmailChannel(sender(script)).send(messages(3))
        next(outcomes)
        assert len(script.taken) == 1
        next(outcomes)
        assert len(script.taken) == 2
        outcomes.close()  # type: ignore[attr-defined]
    assert len(script.taken) == 2


def test_a_gate_that_closes_keeps_back_a_message_that_was_announced() -> None:
    def first_two(found: list[Outgoing]) -> Iterator[Outgoing]:
        yield from found[:2]

    with serving("PIPELINING") as script:
        outcomes = send_all(script, Foreseen([outgoing(n) for n in (1, 2, 3)], first_two))
    assert states(outcomes) == [State.ACCEPTED] * 2
    assert "RCPT TO:<p3@example.fr>" in script.commands
    assert [recipient for recipient, _ in script.taken] == ["p1@example.fr", "p2@example.fr"]


def test_the_return_path_names_the_message_to_the_worker_alone() -> None:
    with serving("PIPELINING", "DSN") as script:
        send_all(script, messages(1))
    (mail,) = [line for line in script.commands if line.startswith("MAIL")]
    token = mail.partition("bounce+")[2].partition("@")[0]
    assert read_token(token, account="identity:phare") == 1
    assert read_token(token, account="identity:dune") is None
    assert mail == f"MAIL FROM:<bounce+{token}@retours.phare.example.fr> RET=HDRS ENVID={token}"


@pytest.mark.parametrize("extensions", STEPS)
@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ("450 4.2.1 busy", State.DEFERRED),
        ("451 4.7.1 greylisted", State.DEFERRED),
        ("452 4.2.2 full", State.DEFERRED),
        ("552 5.2.2 full", State.DEFERRED),
        ("550 5.1.1 no such user", State.BOUNCED),
        ("550 no such user", State.BOUNCED),
        ("554 5.7.1 policy", State.FAILED),
    ],
)
def test_a_recipient_is_refused_and_the_next_ones_are_not(
    extensions: tuple[str, ...], reply: str, state: State
) -> None:
    with serving(*extensions, answers={"RCPT p2@example.fr": reply}) as script:
        outcomes = send_all(script, messages(4))
    assert states(outcomes) == [State.ACCEPTED, state, State.ACCEPTED, State.ACCEPTED]
    assert outcomes[1].reason == f"smtp-{reply[:3]}"
    assert len(script.taken) == 3


def test_a_server_that_wants_content_for_nobody_gets_none() -> None:
    answers = {"RCPT p2@example.fr": "550 no", "DATA-anyway": "yes"}
    with serving("PIPELINING", answers=answers) as script:
        outcomes = send_all(script, messages(3))
    assert states(outcomes) == [State.ACCEPTED, State.BOUNCED, State.ACCEPTED]
    assert [recipient for recipient, _ in script.taken] == ["p1@example.fr", "p3@example.fr"]


@pytest.mark.parametrize("extensions", STEPS)
@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ("451 4.3.0 later", State.DEFERRED),
        ("554 5.6.0 content refused", State.FAILED),
        ("550 5.7.1 spam", State.FAILED),
        ("550 5.1.1 no such user after all", State.BOUNCED),
    ],
)
def test_content_is_refused(extensions: tuple[str, ...], reply: str, state: State) -> None:
    with serving(*extensions, answers={". p2@example.fr": reply}) as script:
        outcomes = send_all(script, messages(3))
    assert states(outcomes) == [State.ACCEPTED, state, State.ACCEPTED]


@pytest.mark.parametrize("extensions", STEPS)
@pytest.mark.parametrize("verb", ["RCPT", "DATA", "."])
def test_421_ends_the_connection_and_counts_once(extensions: tuple[str, ...], verb: str) -> None:
    with serving(*extensions, answers={verb: "421 4.3.2 shutting down"}) as script:
        outcomes = send_all(script, messages(3))
    assert outcomes == [Outcome(1, State.DEFERRED, "smtp-421")]
    assert script.taken == []


@pytest.mark.parametrize("extensions", STEPS)
@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("MAIL", []),
        ("RCPT", [Outcome(1, State.DEFERRED, "smtp-dropped")]),
        ("DATA", [Outcome(1, State.DEFERRED, "smtp-dropped")]),
        (".", [Outcome(1, State.UNCERTAIN, "smtp-no-answer")]),
    ],
)
def test_a_connection_that_breaks_leaves_in_doubt_only_what_may_have_been_taken(
    extensions: tuple[str, ...], place: str, expected: list[Outcome]
) -> None:
    with serving(*extensions, drop=place) as script:
        assert send_all(script, messages(3)) == expected
    assert len(script.taken) == (1 if place == "." else 0)


def test_a_connection_that_breaks_half_way_through_a_long_message_is_no_doubt() -> None:
    long = replace(outgoing(1), message=EmailText(layout(text="ligne\n" * 4_000_000), BLANKS))
    with serving(drop="content") as script:
        outcomes = send_all(script, iter([long]))
    assert outcomes == [Outcome(1, State.DEFERRED, "smtp-dropped")]
    assert script.taken == []


@pytest.mark.parametrize("extensions", STEPS)
@pytest.mark.parametrize("step", ["RCPT", "."])
@pytest.mark.parametrize("reply", ["200 taken", "252 cannot verify, will try", "250-a\r\n250 b"])
def test_the_first_digit_says_that_a_message_was_taken(
    extensions: tuple[str, ...], step: str, reply: str
) -> None:
    with serving(*extensions, answers={step: reply}) as script:
        outcomes = send_all(script, messages(3))
    assert states(outcomes) == [State.ACCEPTED] * 3
    assert [content[-4:] for _, content in script.taken] == [b"--\r\n"] * 3


@pytest.mark.parametrize("reply", ["354 go on", "2_5 what", "+25 what", "25", "599x no reply"])
def test_a_message_whose_answer_makes_no_sense_is_in_doubt(reply: str) -> None:
    with serving("PIPELINING", answers={".": reply}) as script:
        outcomes = send_all(script, messages(1))
    assert states(outcomes) == [State.UNCERTAIN]


@pytest.mark.parametrize("extensions", STEPS)
def test_a_refused_sender_stops_everything(extensions: tuple[str, ...]) -> None:
    with serving(*extensions, answers={"MAIL": "550 5.7.1 not you"}) as script:
        with pytest.raises(SenderRefusedError):
            list(EmailChannel(sender(script)).send(messages(2)))


def test_an_address_that_smtp_cannot_carry_fails_alone() -> None:
    with serving("PIPELINING") as script:
        sent = Foreseen([outgoing(1), outgoing(2, address="a b@example.fr"), outgoing(3)])
        outcomes = send_all(script, sent)
    assert outcomes[1] == Outcome(2, State.FAILED, "smtp-syntax")
    assert states(outcomes) == [State.ACCEPTED, State.FAILED, State.ACCEPTED]


def test_lines_of_one_dot_and_leading_dots_arrive_as_they_were() -> None:
    with serving("PIPELINING") as script:
        send_all(script, messages(1))
    assert b"\r\n..deux points" in script.taken[0][1]


def test_what_is_signed_is_verified_at_the_other_end() -> None:
    key = DkimKey("phare.example.fr", "portail", RSA)
    with serving("PIPELINING") as script:
        send_all(script, messages(2), dkim=key)
    assert all(verified(content, RSA) for _, content in script.taken)


def test_starttls_that_is_required_and_not_offered_stops_everything() -> None:
    with serving("PIPELINING") as script, pytest.raises(SenderRefusedError):
        list(EmailChannel(sender(script, encryption=Encryption.STARTTLS)).send(messages(1)))
    assert not any(line.startswith("MAIL") for line in script.commands)


@pytest.mark.parametrize(("password", "challenge"), [("motdepassé", "334 "), ("x", "334 abc")])
def test_credentials_that_cannot_be_given_stop_everything_and_are_not_quoted(
    password: str, challenge: str
) -> None:
    given = {"user": "phare", "password": password}
    with serving("AUTH PLAIN LOGIN", answers={"AUTH": challenge}) as script:
        with pytest.raises(SenderRefusedError) as refused:
            list(EmailChannel(sender(script, credentials=given)).send(messages(1)))
    assert "é" not in "".join(traceback.format_exception(refused.value, chain=True))
    assert not any(line.startswith("MAIL") for line in script.commands)


def test_a_server_that_is_not_there_is_down() -> None:
    with serving() as script:
        gone = sender(script, port=1)
    with pytest.raises(ChannelDownError):
        list(EmailChannel(gone).send(messages(1)))


def test_a_greeting_of_421_is_a_server_that_is_down() -> None:
    with serving(greeting="421 too busy") as script, pytest.raises(ChannelDownError):
        list(EmailChannel(sender(script)).send(messages(1)))


def test_a_server_that_says_nothing_is_given_up_after_a_while() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, smtplib.SMTP() as server:
        ours.settimeout(0.2)
        server.sock = ours
        with pytest.raises(LostConnectionError) as lost:
            Session(server).deliver(Envelope("us@example.fr", "zoe@example.fr", "t"), b"", None)
        server.sock = None
    assert (lost.value.verb, lost.value.sent) == ("MAIL", False)
