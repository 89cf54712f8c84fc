"""OVHcloud's API against a real server process: signed, refused, throttled, without an answer."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

import httpx
import pytest

from notifications.channels import ChannelDownError, Outcome, SenderRefusedError
from notifications.channels.ovh import OvhChannel, ovh_receipts
from notifications.channels.sms_account import SmsAccount
from notifications.channels.sms_receipts import SmsReceipt
from notifications.models import State
from tests.notifications.channels.outgoing import number, outgoing, states, until_down
from tests.providers import Controls


def send(account: SmsAccount, count: int) -> list[Outcome]:
    made = [outgoing(n) for n in range(1, count + 1)]
    return list(until_down(channel(account).send(made)))


def channel(account: SmsAccount, ids: dict[int, Sequence[str]] | None = None) -> OvhChannel:
    return OvhChannel(account, keep_ids=({} if ids is None else ids).__setitem__)


def test_each_message_is_a_signed_job_without_a_stop_clause(
    ovh: Controls, ovh_account: SmsAccount
) -> None:
    ids: dict[int, Sequence[str]] = {}
    outcomes = list(channel(ovh_account, ids).send([outgoing(1), outgoing(2)]))
    assert states(outcomes) == [State.ACCEPTED] * 2
    assert ids == {1: ["5000"], 2: ["5001"]}
    job = ovh.taken[0]
    assert (job["receivers"], job["sender"], job["noStopClause"]) == ([number(1)], "MutPhare", True)
    assert job["coding"] == "7bit"


def test_a_text_beyond_gsm_is_sent_as_such(ovh: Controls, ovh_account: SmsAccount) -> None:
    next(channel(ovh_account).send([outgoing(1, text="Vous-même, l’assuré")]))
    assert (ovh.taken[0]["coding"], ovh.taken[0]["message"]) == ("8bit", "Vous-même, l’assuré")


def test_a_wrong_secret_stops_before_anything_is_taken(
    ovh: Controls, ovh_account: SmsAccount
) -> None:
    outcomes = channel(replace(ovh_account, password="wrong")).send([outgoing(1), outgoing(2)])
    assert next(outcomes).state == State.DEFERRED
    with pytest.raises(SenderRefusedError):
        next(outcomes)
    assert ovh.taken == []


def test_a_number_that_the_provider_refuses_bounces(ovh: Controls, ovh_account: SmsAccount) -> None:
    outcomes = channel(ovh_account).send([outgoing(1, address="+4479460000"), outgoing(2)])
    assert states(list(outcomes)) == [State.BOUNCED, State.ACCEPTED]


def test_a_throttled_job_is_tried_again_a_little_later(
    ovh: Controls, ovh_account: SmsAccount
) -> None:
    ovh.behave(throttle=2)
    assert states(send(ovh_account, 2)) == [State.ACCEPTED] * 2
    assert len(ovh.taken) == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (429, ChannelDownError),
        (503, ChannelDownError),
        (400, SenderRefusedError),
        (402, SenderRefusedError),
        (404, SenderRefusedError),
    ],
)
def test_a_refusal_that_is_not_of_the_number_ends_the_batch_and_fails_nobody(
    ovh: Controls, ovh_account: SmsAccount, code: int, error: type[Exception]
) -> None:
    ovh.behave(status={"*": code})
    outcomes = channel(ovh_account).send([outgoing(1), outgoing(2)])
    assert next(outcomes) == Outcome(1, State.DEFERRED, f"ovh-{code}")
    with pytest.raises(error):
        next(outcomes)


@pytest.mark.parametrize("fault", ["drop", "garbage", "empty", "500"])
def test_a_lost_answer_is_found_again_by_the_tag(
    ovh: Controls, ovh_account: SmsAccount, fault: str
) -> None:
    ovh.behave(lose=fault)
    ids: dict[int, Sequence[str]] = {}
    outcomes = list(channel(ovh_account, ids).send([outgoing(1)]))
    assert (outcomes, ids) == ([Outcome(1, State.ACCEPTED, "ovh-found")], {1: ["5000"]})


@pytest.mark.parametrize("fault", ["drop", "garbage", "empty", "500"])
def test_a_lost_answer_that_is_not_found_leaves_one_message_in_doubt(
    ovh: Controls, ovh_account: SmsAccount, fault: str
) -> None:
    ovh.behave(lose=fault, forget=True)
    assert send(ovh_account, 3) == [Outcome(1, State.UNCERTAIN, "ovh-no-answer")]


def test_a_provider_that_keeps_silent_leaves_one_message_in_doubt(
    ovh: Controls, ovh_account: SmsAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.channels.ovh.TIMEOUT", httpx.Timeout(1))
    ovh.behave(lose="timeout", forget=True)
    assert states(send(ovh_account, 3)) == [State.UNCERTAIN]


def test_a_slow_provider_is_waited_for(ovh: Controls, ovh_account: SmsAccount) -> None:
    ovh.behave(delay=0.3)
    assert states(send(ovh_account, 2)) == [State.ACCEPTED] * 2


def test_a_provider_that_is_not_there_is_down(ovh_account: SmsAccount) -> None:
    with pytest.raises(ChannelDownError):
        next(channel(replace(ovh_account, port=1)).send([outgoing(1)]))


def test_final_receipts_are_read_and_others_awaited(ovh: Controls, ovh_account: SmsAccount) -> None:
    send(ovh_account, 4)
    ovh.behave(receipts={number(1): 1, number(2): 2, number(3): 16, number(4): 4})
    found = {r.provider_id: r.state for r in islice(receipts(ovh_account), 10)}
    assert found == {"5000": State.DELIVERED, "5001": State.FAILED, "5002": State.FAILED}


def receipts(account: SmsAccount) -> Iterator[SmsReceipt]:
    return ovh_receipts(account, since=datetime(2026, 3, 2, tzinfo=UTC))
