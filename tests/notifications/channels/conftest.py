"""Providers as real processes on real sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from notifications.channels.sms_account import SmsAccount
from tests.providers import Controls, provider_process


@pytest.fixture
def smsc(tmp_path: Path) -> Iterator[Controls]:
    with provider_process("tests.smsc", tmp_path / "smsc") as controls:
        yield controls


@pytest.fixture
def smpp_account(smsc: Controls) -> SmsAccount:
    return SmsAccount(
        provider="smpp",
        sender="MutPhare",
        host="127.0.0.1",
        port=smsc.port,
        uses_tls=False,
        username="phare",
        password="secret",
    )


@pytest.fixture
def ovh(tmp_path: Path) -> Iterator[Controls]:
    with provider_process("tests.ovh_server", tmp_path / "ovh") as controls:
        yield controls


@pytest.fixture
def ovh_account(ovh: Controls) -> SmsAccount:
    return SmsAccount(
        provider="ovh",
        sender="MutPhare",
        host="127.0.0.1",
        port=ovh.port,
        uses_tls=False,
        username="application-key",
        password="application-secret",
        consumer_key="consumer-key",
        service="sms-ph12345-1",
    )
