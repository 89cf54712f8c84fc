"""Providers as real processes on real sockets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifications.channels.sms_account import SmsAccount
from tests.providers import Controls, provider_process


def account_at(controls: Controls, **names: Any) -> SmsAccount:
    return SmsAccount(
        sender="MutPhare", host="127.0.0.1", port=controls.port, uses_tls=False, **names
    )


@pytest.fixture
def smsc(tmp_path: Path) -> Iterator[Controls]:
    with provider_process("tests.smsc", tmp_path / "smsc") as controls:
        yield controls


@pytest.fixture
def smpp_account(smsc: Controls) -> SmsAccount:
    return account_at(smsc, provider="smpp", username="phare", password="secret")


@pytest.fixture
def ovh(tmp_path: Path) -> Iterator[Controls]:
    with provider_process("tests.ovh_server", tmp_path / "ovh") as controls:
        yield controls


@pytest.fixture
def ovh_account(ovh: Controls) -> SmsAccount:
    return account_at(
        ovh,
        provider="ovh",
        username="application-key",
        password="application-secret",
        consumer_key="consumer-key",
        service="sms-ph12345-1",
    )
