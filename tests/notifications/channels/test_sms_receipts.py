"""Receipts of SMS: read, matched to their message, and what they make of it."""

from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from notifications.channels.sms_account import sms_account
from notifications.channels.sms_parts import take_receipt
from notifications.channels.sms_receipts import SmsReceipt, parse_receipt, same_id
from notifications.models import Channel, Notification, SmsPart, State
from notifications.receipts.sms import collect_sms_receipts
from tests.conftest import as_role
from tests.notifications.story import built, member, send
from tests.providers import Controls

TEXT = (
    b"id:%s sub:001 dlvrd:001 submit date:2603021000 done date:2603021001 stat:%s err:%s"
    b" text:Bonjour"
)


@pytest.mark.parametrize(
    ("stat", "err", "state", "reason"),
    [
        (b"DELIVRD", b"000", State.DELIVERED, "sms-delivrd"),
        (b"UNDELIV", b"00A", State.FAILED, "sms-undeliv-a"),
        (b"EXPIRED", b"006", State.FAILED, "sms-expired-6"),
        (b"REJECTD", b"054", State.FAILED, "sms-rejectd-54"),
        (b"DELETED", b"000", State.FAILED, "sms-deleted"),
    ],
)
def test_a_final_receipt_is_read(stat: bytes, err: bytes, state: State, reason: str) -> None:
    assert parse_receipt(TEXT % (b"0a1B", stat, err)) == SmsReceipt("0a1B", state, reason)


@pytest.mark.parametrize("stat", [b"ENROUTE", b"ACCEPTD", b"UNKNOWN", b"BUFFRED"])
def test_an_intermediate_receipt_is_not_final(stat: bytes) -> None:
    assert parse_receipt(TEXT % (b"7", stat, b"000")) is None


def test_a_message_of_a_persons_is_no_receipt() -> None:
    assert parse_receipt("C’est une arnaque ?".encode("utf-16-be")) is None


def test_parameters_come_before_the_text() -> None:
    found = parse_receipt(b"", message_id=b"99\0", message_state=2)
    assert found == SmsReceipt("99", State.DELIVERED, "sms-delivrd")


@pytest.mark.parametrize(
    ("receipt_ids", "answered", "receipted"),
    [
        ("same", "00AB12", "ab12"),
        ("hex-then-decimal", "1A2B", "0000006699"),
        ("decimal-then-hex", "0000006699", "1a2b"),
    ],
)
def test_the_two_ways_to_write_an_id_are_one(
    receipt_ids: str, answered: str, receipted: str
) -> None:
    assert same_id(answered, receipt_ids=receipt_ids, is_receipt=False) == same_id(
        receipted, receipt_ids=receipt_ids, is_receipt=True
    )


def smpp(smsc: Controls, **options: Any) -> Any:
    account = {
        "provider": "smpp",
        "sender": "MutPhare",
        "host": "127.0.0.1",
        "port": smsc.port,
        "uses_tls": False,
        "username": "phare",
        "password": "secret",
    }
    return override_settings(SMS_ACCOUNT=account | options)


def told(*numbers: str) -> None:
    """Send an SMS to each of these numbers."""
    send(built([member(n, mobile=mobile) for n, mobile in enumerate(numbers)]))


def collect() -> None:
    with as_role("worker"):
        collect_sms_receipts(now=timezone.now())


def sms_states() -> list[str]:
    found = Notification.objects.filter(channel=Channel.SMS).order_by("pk")
    return list(found.values_list("state", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("receipt_ids", ["same", "hex-then-decimal", "decimal-then-hex"])
def test_receipts_say_which_messages_were_delivered(smsc: Controls, receipt_ids: str) -> None:
    smsc.behave(receipt_ids=receipt_ids, stat={"*": "DELIVRD", "33639980002": "UNDELIV"})
    with smpp(smsc, receipt_ids=receipt_ids):
        told("0639980001", "0639980002")
        assert sms_states() == [State.ACCEPTED] * 2
        collect()
    assert sms_states() == [State.DELIVERED, State.FAILED]


@pytest.mark.django_db
def test_a_message_of_several_parts_is_delivered_once_all_are(smsc: Controls) -> None:
    with smpp(smsc):
        told("0639980001")
        parts = SmsPart.objects.order_by("pk")
        assert len(parts) > 1
        smsc.behave(stat={"*": "DELIVRD"})
        account = sms_account()
        assert account is not None
        for place, part in enumerate(parts, start=1):
            receipt = SmsReceipt(part.provider_id, State.DELIVERED, "sms-delivrd")
            take_receipt(account, receipt, now=timezone.now())
            whole = State.DELIVERED if place == len(parts) else State.ACCEPTED
            assert sms_states() == [whole]


@pytest.mark.django_db
def test_a_receipt_that_comes_before_its_answer_counts_afterwards(smsc: Controls) -> None:
    with smpp(smsc):
        account = sms_account()
        assert account is not None
        for name in ("00abc001", "00abc002", "00abc003", "00abc004"):
            take_receipt(
                account, SmsReceipt(name, State.DELIVERED, "sms-delivrd"), now=timezone.now()
            )
        told("0639980001")
    assert sms_states() == [State.DELIVERED]


@pytest.mark.django_db
def test_a_provider_that_does_not_let_us_in_is_asked_again_later(smsc: Controls) -> None:
    with smpp(smsc):
        told("0639980001")
        smsc.behave(status={"bind": 5})
        collect()
    assert sms_states() == [State.ACCEPTED]


@pytest.mark.django_db
def test_a_receipt_of_another_account_says_nothing_of_a_message_with_the_same_name(
    smsc: Controls,
) -> None:
    with smpp(smsc):
        told("0639980001")
        names = list(SmsPart.objects.values_list("provider_id", flat=True))
    for username, expected in (("dune", State.ACCEPTED), ("phare", State.FAILED)):
        with smpp(smsc, username=username):
            account = sms_account()
        assert account is not None
        for name in names:
            take_receipt(account, SmsReceipt(name, State.FAILED, "sms-undeliv"), now=timezone.now())
        assert sms_states() == [expected]
