"""Pause, resume and cancel, where a provider has messages in hand that it does not answer yet.

By its own record it is asked for no other message once the stop takes effect. (By SMTP the same
is in the table of faults, `test_sending.py`.)
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Protocol

import pytest
from django.test import override_settings
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from notifications.campaigns.cancelling import cancel_messages
from notifications.campaigns.stopping import cancel_campaign, pause_campaign, resume_paused
from notifications.channels.sms_account import SmsAccount
from notifications.models import Acceptance, Campaign, Channel, Notification, State
from notifications.sending.dispatchers import dispatch_by_turns
from notifications.sending.doubts import DoubtPolicy
from notifications.sending.outcomes import finish_if_done
from tests import cast
from tests.faults.sending import inside
from tests.faults.sending.faults import AT_MOST
from tests.faults.stack import own_database
from tests.faults.test_effects_at_once import at_once
from tests.notifications.channels.conftest import account_at
from tests.notifications.email.interfaces import Edge, provider
from tests.notifications.email.senders import identity
from tests.notifications.story import built, member
from tests.providers import Controls, provider_process

MESSAGES = 40
BEFORE = 8  # messages, about, that are answered before the provider falls silent
PACE = 0.05  # seconds before each answer until then
WINDOW = 5  # of SMPP
ASKED_AGAIN = 0.8  # seconds; whoever is asked to slow down waits for less at first


class Rig(Protocol):
    """A provider on a real socket, by whom a campaign is sent."""

    in_hand: int
    """Messages that it has without an answer, once it is silent."""

    def asked(self) -> list[tuple[str, float]]:
        """Return for whom it was asked to send, and when, by its clock."""

    def taken(self) -> list[str]:
        """Return for whom it took a message, for each that it took."""

    def everybody(self) -> set[str]:
        """Return whom the campaign is for, as the provider writes them."""

    def fall_silent(self, *, for_good: bool) -> None:
        """Answer nothing from now on; what it has then is lost, or answered later.

        Where a provider may, it will have asked to slow down.
        """

    def speak(self) -> None:
        """Answer what was kept back, or break off; all goes well from then on."""


class Smpp:
    """One message in two is to be sent more slowly, in the same window as others that are taken."""

    in_hand = WINDOW

    def __init__(self, smsc: Controls) -> None:
        self._smsc, self._breaks_off = smsc, False
        smsc.behave(delay=PACE)

    def asked(self) -> list[tuple[str, float]]:
        return [(line["to"], line["at"]) for line in self._smsc.asked]

    def taken(self) -> list[str]:
        return self._smsc.numbers

    def everybody(self) -> set[str]:
        return {f"33{mobile(n)[1:]}" for n in range(MESSAGES)}

    def fall_silent(self, *, for_good: bool) -> None:
        self._breaks_off = for_good
        slowed = {} if for_good else dict.fromkeys(sorted(self.everybody())[::2], 0x58)
        self._smsc.behave(hold_from=1, status=slowed)

    def speak(self) -> None:
        self._smsc.behave(drop_held=self._breaks_off)


class Ovh:
    """All are to be sent more slowly (429)."""

    in_hand = 1

    def __init__(self, ovh: Controls) -> None:
        self._ovh = ovh
        ovh.behave(delay=PACE)

    def asked(self) -> list[tuple[str, float]]:
        return [(line["to"], line["at"]) for line in self._ovh.asked]

    def taken(self) -> list[str]:
        return self._ovh.numbers

    def everybody(self) -> set[str]:
        return {f"+33{mobile(n)[1:]}" for n in range(MESSAGES)}

    def fall_silent(self, *, for_good: bool) -> None:
        if for_good:
            self._ovh.behave(hold=True, lose="drop", forget=True)
        else:
            self._ovh.behave(hold=True, status={"*": 429})

    def speak(self) -> None:
        self._ovh.behave(forget=True)


class Mailgun:
    """Django-anymail's, for all providers that take a message a request: all are taken."""

    in_hand = 1

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        edge.delay = PACE

    def asked(self) -> list[tuple[str, float]]:
        return list(zip(self.taken(), self._edge.asked_at, strict=False))

    def taken(self) -> list[str]:
        return [asked["to"] for asked in self._edge.asked]

    def everybody(self) -> set[str]:
        return {email(n) for n in range(MESSAGES)}

    def fall_silent(self, *, for_good: bool) -> None:
        self._edge.holds, self._edge.hangs_up = True, for_good

    def speak(self) -> None:
        self._edge.delay, self._edge.holds = 0.0, False


def mobile(n: int) -> str:
    return f"06399800{n:02d}"


def email(n: int) -> str:
    return f"p{n}@example.fr"


@contextmanager
def paid(account: SmsAccount) -> Iterator[None]:
    with override_settings(SMS_ACCOUNT=vars(account)):
        yield


@contextmanager
def smpp(folder: Path) -> Iterator[Smpp]:
    with provider_process("tests.smsc", folder / "provider") as smsc:
        names = {"username": "phare", "password": "secret", "window": WINDOW}
        # Each message is one submit: all of it is taken, or slowed down.
        with paid(account_at(smsc, provider="smpp", uses_payload=True, **names)):
            yield Smpp(smsc)


@contextmanager
def ovh(folder: Path) -> Iterator[Ovh]:
    with provider_process("tests.ovh_server", folder / "provider") as controls:
        names = {"username": "application-key", "password": "application-secret"}
        names |= {"consumer_key": "consumer-key", "service": "sms-ph12345-1"}
        with paid(account_at(controls, provider="ovh", **names)):
            yield Ovh(controls)


@contextmanager
def mailgun(_folder: Path) -> Iterator[Mailgun]:
    with provider() as edge:
        identity()
        yield Mailgun(edge)


@pytest.fixture(params=[smpp, ovh, mailgun], ids=lambda made: made.__name__)
def rig(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Rig]:
    name = f"stops_{os.getpid()}_{request.param.__name__}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        with request.param(tmp_path) as made:
            yield made


@pytest.fixture
def campaign(rig: Rig) -> Campaign:
    """A campaign of so many messages, whose doubts stay as they are."""
    if isinstance(rig, Mailgun):
        rows = [member(n, email=email(n)) for n in range(MESSAGES)]
        return built(rows, in_doubt=DoubtPolicy.FLAG, channels=[Channel.EMAIL])
    rows = [member(n, mobile=mobile(n)) for n in range(MESSAGES)]
    return built(rows, in_doubt=DoubtPolicy.FLAG)


@contextmanager
def worker() -> Iterator[None]:
    """Send for the block as a worker process does, slice after slice.

    Over one connection: two that lease at once share the campaign out as it happens.
    """
    is_over = Event()

    def send() -> None:
        while not is_over.wait(0.05):
            dispatch_by_turns(seconds=5, connections=1)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(at_once, send)
        try:
            yield
        finally:
            is_over.set()
        sending.result()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit, f"{what} did not come"
        time.sleep(0.02)


def stand_still(rig: Rig, campaign: Campaign, *, for_good: bool) -> None:
    """Let some messages leave, then have the provider fall silent with its hands full."""
    wait_for(lambda: len(rig.asked()) >= BEFORE, "the first messages")
    rig.fall_silent(for_good=for_good)

    def is_stuck() -> bool:
        before = len(rig.asked())
        time.sleep(0.3)
        answered = inside.accepted(campaign) + Acceptance.objects.count()
        return len(rig.asked()) == before == answered + rig.in_hand

    wait_for(is_stuck, "a provider that does not answer")
    assert BEFORE <= len(rig.asked()) < MESSAGES


def speak_after_the_stop(rig: Rig, campaign: Campaign, stopped_at: float) -> None:
    """Have the provider answer once the stop has its effect: it is asked for nothing more."""
    time.sleep(max(0.0, stopped_at + AT_MOST - time.time()))
    rig.speak()
    wait_for(lambda: not inside.being_sent(campaign), "the messages in hand")
    time.sleep(ASKED_AGAIN)
    assert [to for to, at in rig.asked() if at > stopped_at + AT_MOST] == []


def standing(campaign: Campaign) -> Counter[str]:
    found = Notification.objects.filter(campaign=campaign)
    return Counter(found.values_list("state", flat=True))


def test_a_pause_takes_effect_and_what_remains_is_sent_exactly_once(
    rig: Rig, campaign: Campaign
) -> None:
    with worker():
        stand_still(rig, campaign, for_good=False)
        pause_campaign(campaign_id=campaign.pk, person_id=cast.paule().pk, now=timezone.now())
        speak_after_the_stop(rig, campaign, time.time())
        left = set(rig.taken())
        found = standing(campaign)
        assert found[State.ACCEPTED] == len(left) >= BEFORE - rig.in_hand
        assert found[State.PENDING] + found[State.DEFERRED] == MESSAGES - len(left)
        assert found[State.DEFERRED] <= rig.in_hand

        resume_paused(campaign_id=campaign.pk, person_id=cast.paule().pk, now=timezone.now())

        def has_left() -> bool:
            inside.bring_forward(campaign)
            inside.end_rests()
            return standing(campaign) == {State.ACCEPTED: MESSAGES}

        wait_for(has_left, "the rest")
    assert sorted(rig.taken()) == sorted(rig.everybody())
    assert finish_if_done(campaign_id=campaign.pk, now=timezone.now())
    inside.check_books(campaign)


def test_a_cancellation_takes_effect_and_what_was_not_answered_is_in_doubt(
    rig: Rig, campaign: Campaign
) -> None:
    with worker():
        stand_still(rig, campaign, for_good=True)
        cancel_campaign(campaign_id=campaign.pk, approver_id=cast.armand().pk, now=timezone.now())
        speak_after_the_stop(rig, campaign, time.time())
    cancel_messages(campaign_id=campaign.pk, now=timezone.now())
    taken = set(rig.taken())
    assert len(rig.taken()) == len(taken)
    assert standing(campaign) == {
        State.ACCEPTED: len(taken) - rig.in_hand,
        State.UNCERTAIN: rig.in_hand,
        State.CANCELLED: MESSAGES - len(taken),
    }
    campaign.refresh_from_db()
    inside.check_books(campaign)
