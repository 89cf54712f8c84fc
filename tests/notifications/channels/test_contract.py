"""What every channel keeps to; a new one adds its line to RIGS and its own test file."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from pkgutil import iter_modules

import pytest
from django.test import override_settings

from notifications import channels
from notifications.channels import (
    Channel,
    ChannelDownError,
    Outgoing,
    SenderRefusedError,
    channel_for,
)
from notifications.channels.email import EmailChannel
from notifications.channels.letter import LetterChannel
from notifications.channels.ovh import OvhChannel
from notifications.channels.providers import PROVIDERS
from notifications.channels.smpp import SmppChannel
from notifications.channels.sms_account import SmsAccount
from notifications.channels.sms_folder import FolderSmsChannel
from notifications.models import Channel as ChannelName
from notifications.models import State
from notifications.notices.rendering import EmailText, Message
from notifications.states import OUTCOMES
from tests.notifications.channels.outgoing import number, outgoing, until_down
from tests.notifications.email.interfaces import provider, sender
from tests.notifications.email.test_mime import BLANKS, layout
from tests.providers import Controls
from tests.smtp import smtp_server

pytestmark = pytest.mark.django_db

PERMANENT = {State.BOUNCED, State.FAILED}


@dataclass
class Rig:
    """A channel with a provider behind it: whom it reached, and how to have it refuse somebody.

    Nobody refuses in a folder or a file, which cannot go away either: REFUSING and LEAVING name
    the channels that have a provider.
    """

    channel: Channel
    address: Callable[[int], str]
    taken: Callable[[], list[str]]
    refuse: Callable[[str, bool], None] = lambda _address, _is_permanent: None
    stop: Callable[[], None] = lambda: None
    message: Message | EmailText | None = None  # where the channel takes no plain text


def forget(_message: int, _ids: object) -> None:
    """The portal's own notes are not the channel's business."""


@pytest.fixture
def email() -> Iterator[Rig]:
    with smtp_server() as mail:
        with override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=mail.port):
            yield Rig(
                channel_for(ChannelName.EMAIL),
                lambda index: f"camille{index}@example.fr",
                lambda: mail.recipients,
                lambda address, is_permanent: mail.answers.update(
                    {address: f"{550 if is_permanent else 451} <{address}> no"}
                ),
                lambda: setattr(mail, "drop_at", 1),
                EmailText(layout(), BLANKS),
            )


@contextmanager
def anymail(transport: str) -> Iterator[Rig]:
    """E-mail through a provider's HTTP interface."""
    with provider(transport=transport) as edge:
        yield Rig(
            EmailChannel(sender(transport)),
            lambda index: f"camille{index}@example.fr",
            lambda: [taken for taken in edge.recipients if taken not in edge.refused],
            lambda address, is_permanent: edge.refused.update(
                {address: (400 if is_permanent else 503, {"message": f"{address}: no"})}
            ),
            lambda: setattr(edge, "hangs_up", True),
            EmailText(layout(), BLANKS),
        )


@pytest.fixture
def smpp(smsc: Controls, smpp_account: SmsAccount) -> Rig:
    return Rig(
        SmppChannel(smpp_account, keep_ids=forget),
        number,
        lambda: [f"+{taken}" for taken in smsc.numbers],
        lambda address, is_permanent: smsc.behave(
            status={address[1:]: 0x0B if is_permanent else 0x64}
        ),
        lambda: smsc.behave(drop_at=1),
    )


@pytest.fixture
def http(ovh: Controls, ovh_account: SmsAccount) -> Rig:
    def refuse(address: str, is_permanent: bool) -> None:
        if is_permanent:
            ovh.behave(invalid=[address])
        else:
            ovh.behave(status={address: 503})

    return Rig(
        OvhChannel(ovh_account, keep_ids=forget),
        number,
        lambda: ovh.numbers,
        refuse,
        lambda: ovh.behave(lose="drop", forget=True),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Rig]:
    with override_settings(SMS_OUTBOX_DIR=tmp_path / "sms"):
        path = tmp_path / "sms" / "outbox.jsonl"
        yield Rig(
            FolderSmsChannel(),
            number,
            lambda: re.findall(r'"to": "([^"]*)"', path.read_text() if path.exists() else ""),
        )


@pytest.fixture
def letter() -> Rig:
    file = io.StringIO()
    return Rig(
        LetterChannel(file),
        lambda index: f"{'ab' * 32}:{index}",
        lambda: [":".join(line.split(";")[:2]) for line in file.getvalue().splitlines()[1:]],
    )


REFUSING = LEAVING = ("email", *PROVIDERS, "smpp", "http")
RIGS = (*REFUSING, "folder", "letter")


@contextmanager
def rigged(request: pytest.FixtureRequest, name: str) -> Iterator[Rig]:
    if name in PROVIDERS:
        with anymail(name) as made:
            yield made
        return
    found = request.getfixturevalue(name)
    assert isinstance(found, Rig)
    yield found


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with rigged(request, request.param) as found:
        yield found


def test_every_channel_has_its_rig(request: pytest.FixtureRequest) -> None:
    modules = [
        import_module(f"{channels.__name__}.{found.name}")
        for found in iter_modules(channels.__path__)
    ]
    made = {
        one
        for module in modules
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == module.__name__ and one is not Channel
        if hasattr(one, "send") and hasattr(one, "gives_way")
    }
    seen = set()
    for name in RIGS:
        with rigged(request, name) as found:
            seen.add(type(found.channel))
    assert made == seen


def batch(rig: Rig, count: int = 5) -> list[Outgoing]:
    plain = [outgoing(n, address=rig.address(n)) for n in range(1, count + 1)]
    return [replace(one, message=rig.message or one.message) for one in plain]


def test_a_batch_gives_one_outcome_a_message_in_order(rig: Rig) -> None:
    outcomes = list(rig.channel.send(batch(rig)))
    assert [outcome.notification_id for outcome in outcomes] == [1, 2, 3, 4, 5]
    assert {outcome.state for outcome in outcomes} == {State.ACCEPTED}
    assert rig.taken() == [rig.address(n) for n in range(1, 6)]


def test_an_empty_batch_gives_none(rig: Rig) -> None:
    assert list(rig.channel.send([])) == []


def test_a_channel_serves_for_a_second_batch(rig: Rig) -> None:
    list(rig.channel.send(batch(rig, 2)))
    assert len(list(rig.channel.send(batch(rig, 3)))) == 3


def test_a_message_leaves_only_when_its_turn_comes(rig: Rig) -> None:
    outcomes = rig.channel.send(batch(rig))
    assert len(list(islice(outcomes, 2))) == 2
    outcomes.close()  # type: ignore[attr-defined]
    assert rig.taken() == [rig.address(1), rig.address(2)]


@pytest.mark.parametrize("rig", REFUSING, indirect=True)
@pytest.mark.parametrize("is_permanent", [True, False])
def test_a_refusal_is_of_its_message_and_says_whether_it_is_permanent(
    rig: Rig, is_permanent: bool
) -> None:
    rig.refuse(rig.address(2), is_permanent)
    outcomes = list(until_down(rig.channel.send(batch(rig))))
    assert [outcome.state for outcome in outcomes[:1]] == [State.ACCEPTED]
    assert (outcomes[1].state in PERMANENT) is is_permanent
    assert outcomes[1].state in OUTCOMES - {State.UNCERTAIN, State.ACCEPTED}
    assert rig.address(2) not in rig.taken()


@pytest.mark.parametrize("is_permanent", [True, False])
def test_what_the_provider_says_holds_nothing_of_the_recipient(
    rig: Rig, is_permanent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    rig.refuse(rig.address(2), is_permanent)
    told = [outcome.reason for outcome in until_down(rig.channel.send(batch(rig)))]
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}", reason) for reason in told)
    for index in range(1, 6):
        assert rig.address(index).lstrip("+") not in caplog.text + repr(batch(rig))


@pytest.mark.parametrize("rig", LEAVING, indirect=True)
def test_a_provider_that_goes_away_leaves_one_message_in_doubt(rig: Rig) -> None:
    rig.stop()
    outcomes = rig.channel.send(batch(rig))
    assert next(outcomes).state == State.UNCERTAIN
    with pytest.raises(ChannelDownError) as error:
        next(outcomes)
    assert rig.address(1).lstrip("+") not in str(error.value)
    assert len(rig.taken()) == 1


@pytest.mark.parametrize("rig", ["smpp", "http"], indirect=True)
def test_a_provider_at_a_private_address_is_refused_outside_the_demo(rig: Rig) -> None:
    with override_settings(DEMO=False), pytest.raises(SenderRefusedError):
        list(rig.channel.send(batch(rig)))
    assert rig.taken() == []
