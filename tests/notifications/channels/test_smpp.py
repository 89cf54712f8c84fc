"""SMPP against a real server process: windows, refusals, throttling, broken connections."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import pytest
from smpplib import consts

from notifications.channels import ChannelDownError, Outcome, Outgoing, SenderRefusedError
from notifications.channels.base import Foreseen
from notifications.channels.smpp import SmppChannel
from notifications.channels.sms_account import SmsAccount
from notifications.models import State
from tests.notifications.channels.outgoing import number, outgoing, states, until_down
from tests.providers import Controls


def send(account: SmsAccount, count: int, *, text: str = "") -> list[Outcome]:
    """Send until the end, or until the channel goes down."""
    made = [outgoing(n, text=text) if text else outgoing(n) for n in range(1, count + 1)]
    return list(until_down(channel(account).send(made)))


def channel(account: SmsAccount, ids: dict[int, Sequence[str]] | None = None) -> SmppChannel:
    return SmppChannel(account, keep_ids=({} if ids is None else ids).__setitem__)


def test_each_message_is_taken_with_its_sender_and_asks_for_a_receipt(
    smsc: Controls, smpp_account: SmsAccount
) -> None:
    ids: dict[int, Sequence[str]] = {}
    outcomes = list(channel(smpp_account, ids).send([outgoing(n) for n in (1, 2, 3)]))
    assert states(outcomes) == [State.ACCEPTED] * 3
    assert smsc.numbers == [number(n).removeprefix("+") for n in (1, 2, 3)]
    assert {(line["from"], line["registered"]) for line in smsc.taken} == {("MutPhare", 1)}
    assert ids == {1: ["00abc001"], 2: ["00abc002"], 3: ["00abc003"]}


def test_a_window_keeps_the_order_when_answers_come_in_another(
    smsc: Controls, smpp_account: SmsAccount
) -> None:
    smsc.behave(reversed=True, status={number(2)[1:]: consts.SMPP_ESME_RINVDSTADR})
    outcomes = send(replace(smpp_account, window=2), 4)
    assert [outcome.notification_id for outcome in outcomes] == [1, 2, 3, 4]
    assert states(outcomes)[1] == State.BOUNCED


@pytest.mark.parametrize("window", [1, 5])
def test_no_more_than_the_window_leaves_before_an_outcome_is_taken(
    smsc: Controls, smpp_account: SmsAccount, window: int
) -> None:
    pulled: list[int] = []

    def messages() -> Iterator[Outgoing]:
        for n in range(1, 21):
            pulled.append(n)
            yield outgoing(n)

    outcomes = channel(replace(smpp_account, window=window)).send(messages())
    assert len(list(islice(outcomes, 3))) == 3
    assert len(smsc.taken) <= 3 + window - 1
    outcomes.close()  # type: ignore[attr-defined]
    assert len(pulled) <= 3 + window


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (consts.SMPP_ESME_RINVDSTADR, State.BOUNCED),
        (consts.SMPP_ESME_RX_P_APPN, State.FAILED),
        (consts.SMPP_ESME_RINVMSGLEN, State.FAILED),
        (consts.SMPP_ESME_RX_T_APPN, State.DEFERRED),
        (consts.SMPP_ESME_RSYSERR, State.DEFERRED),
        (0x00000455, State.DEFERRED),
    ],
)
def test_a_status_is_permanent_or_temporary(
    smsc: Controls, smpp_account: SmsAccount, status: int, state: State
) -> None:
    smsc.behave(status={number(1)[1:]: status})
    outcomes = send(smpp_account, 2)
    assert states(outcomes) == [state, State.ACCEPTED]
    assert outcomes[0].reason == f"smpp-{status:04x}"


def test_a_refused_sender_stops_the_batch(smsc: Controls, smpp_account: SmsAccount) -> None:
    smsc.behave(status={number(2)[1:]: consts.SMPP_ESME_RINVSRCADR})
    outcomes = channel(smpp_account).send([outgoing(n) for n in (1, 2, 3)])
    assert states(list(islice(outcomes, 2))) == [State.ACCEPTED, State.DEFERRED]
    with pytest.raises(SenderRefusedError):
        next(outcomes)
    assert smsc.numbers == [number(1)[1:]]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (consts.SMPP_ESME_RINVPASWD, SenderRefusedError),
        (consts.SMPP_ESME_RALYBND, ChannelDownError),
        (0x00000400, ChannelDownError),
    ],
)
def test_a_refused_bind_sends_nothing(
    smsc: Controls, smpp_account: SmsAccount, status: int, error: type[Exception]
) -> None:
    smsc.behave(status={"bind": status})
    with pytest.raises(error):
        next(channel(smpp_account).send([outgoing(1)]))
    assert smsc.taken == []


def test_a_throttled_message_is_sent_again_a_little_later(
    smsc: Controls, smpp_account: SmsAccount
) -> None:
    smsc.behave(throttle=2)
    assert states(send(smpp_account, 2)) == [State.ACCEPTED] * 2
    assert smsc.numbers == [number(n)[1:] for n in (1, 2)]


def test_a_provider_that_goes_on_throttling_gets_a_rest(
    smsc: Controls, smpp_account: SmsAccount
) -> None:
    smsc.behave(throttle=100)
    outcomes = channel(smpp_account).send([outgoing(n) for n in (1, 2)])
    assert next(outcomes).state == State.DEFERRED
    with pytest.raises(ChannelDownError):
        next(outcomes)


def test_a_connection_cut_before_the_answer_leaves_the_window_in_doubt(
    smsc: Controls, smpp_account: SmsAccount
) -> None:
    smsc.behave(drop_at=3)
    outcomes = send(smpp_account, 5)
    assert states(outcomes) == [State.ACCEPTED, State.ACCEPTED, State.UNCERTAIN]
    assert outcomes[2].reason == "smpp-no-answer"


def test_an_answer_that_does_not_come_leaves_the_message_in_doubt(
    smsc: Controls, smpp_account: SmsAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.channels.smpp.ANSWER_SECONDS", 0.3)
    smsc.behave(mute=True)
    assert states(send(smpp_account, 2)) == [State.UNCERTAIN]


def test_a_provider_that_unbinds_is_bound_again(smsc: Controls, smpp_account: SmsAccount) -> None:
    smsc.behave(unbind_at=2)
    assert states(send(smpp_account, 4)) == [State.ACCEPTED] * 4
    assert len(smsc.taken) == 4


def test_nothing_leaves_by_a_connection_opened_again_once_the_campaign_is_stopped(
    smsc: Controls, smpp_account: SmsAccount
) -> None:
    def slowly(messages: list[Outgoing]) -> Iterator[Outgoing]:
        for message in messages:
            yield message
            time.sleep(0.2)  # until the provider has unbound

    smsc.behave(unbind_at=1)
    messages = Foreseen([outgoing(1), outgoing(2)], slowly, goes_on=lambda: False)
    outcomes = channel(smpp_account).send(messages)
    assert next(outcomes).state == State.ACCEPTED
    with pytest.raises(ChannelDownError):
        next(outcomes)
    assert smsc.numbers == [number(1)[1:]]


def test_a_slow_provider_is_waited_for(smsc: Controls, smpp_account: SmsAccount) -> None:
    smsc.behave(delay=0.3)
    assert states(send(smpp_account, 2)) == [State.ACCEPTED] * 2


def test_a_long_message_leaves_in_parts_joined_by_a_header(
    smsc: Controls, smpp_account: SmsAccount
) -> None:
    ids: dict[int, Sequence[str]] = {}
    next(channel(smpp_account, ids).send([outgoing(1, text="é" * 200)]))
    octets = [bytes.fromhex(line["octets"]) for line in smsc.taken]
    assert [part[:6] for part in octets] == [
        b"\x05\x00\x03\x01\x02\x01",
        b"\x05\x00\x03\x01\x02\x02",
    ]
    assert b"".join(part[6:] for part in octets) == b"\x05" * 200
    assert {line["esm_class"] for line in smsc.taken} == {0x40}
    assert ids == {1: ["00abc001", "00abc002"]}


def test_a_long_message_leaves_whole_as_a_payload_where_the_provider_takes_it(
    smsc: Controls, smpp_account: SmsAccount
) -> None:
    send(replace(smpp_account, uses_payload=True), 1, text="ê" * 100)
    (line,) = smsc.taken
    assert line["payload"]
    assert bytes.fromhex(line["octets"]).decode("utf-16-be") == "ê" * 100
    assert line["coding"] == 8


def test_a_provider_that_is_not_there_is_down(smpp_account: SmsAccount) -> None:
    with pytest.raises(ChannelDownError):
        next(channel(replace(smpp_account, port=1)).send([outgoing(1)]))
