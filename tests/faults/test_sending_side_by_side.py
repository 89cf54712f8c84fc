"""A worker process sends over several connections, and none holds the others up."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event

import psycopg
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import OperationalError, connection
from django.test import override_settings
from django.utils import timezone

from notifications.channels.mime import compose
from notifications.cooperation import CLERKS
from notifications.models import Campaign, CampaignState, Notification, State
from notifications.outbox.building import build_outbox
from notifications.sending.batches import FIRST_BATCH
from notifications.sending.dispatchers import dispatch_by_turns
from notifications.sending.leases import LOCK_SPACE, recover_batches
from notifications.sending.outcomes import LeaseLostError
from notifications.sending.suppression import suppress_address_of
from tests import cast
from tests.faults.test_effects_at_once import at_once, mail  # noqa: F401
from tests.notifications.effects import add, check_figures, prepare
from tests.notifications.story import approved, member
from tests.smtp import Recorder

MANY = 40


def addresses(letter: str, count: int = MANY) -> list[str]:
    return [f"{letter}{n}@example.fr" for n in range(count)]


def campaign(letter: str, count: int = MANY) -> Campaign:
    start = 1000 * ord(letter)
    rows = [member(start + n, email=address) for n, address in enumerate(addresses(letter, count))]
    return prepare(add(*rows))


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit, "the others were held up"
        time.sleep(0.01)


def test_a_server_that_thinks_for_long_holds_no_other_connection_up(
    mail: Recorder,  # noqa: F811
) -> None:
    campaign("a"), campaign("b")
    mail.slow = {"a5@example.fr"}
    seen: list[set[str]] = []

    def let_go_at_last() -> None:
        wait_for(lambda: set(addresses("b")) <= set(mail.recipients))
        seen.append(set(mail.recipients))
        mail.slow = set()

    at_once(partial(dispatch_by_turns, seconds=5, connections=2), let_go_at_last)
    assert "a5@example.fr" not in seen[0]
    assert sorted(mail.recipients) == sorted(addresses("a") + addresses("b"))
    assert set(Notification.objects.values_list("state", flat=True)) == {State.ACCEPTED}
    check_figures()


def test_sms_leave_beside_e_mail(
    mail: Recorder,  # noqa: F811
    tmp_path: Path,
) -> None:
    """A provider that is spoken to by blocking calls has a thread of its own."""
    rows = [member(n, email=f"a{n}@example.fr") for n in range(MANY)]
    rows += [member(MANY + n, mobile=f"06399800{n:02}") for n in range(MANY)]
    found = approved(add(*rows))
    build_outbox(campaign_id=found.pk, now=cast.NOW)
    mail.slow = set(addresses("a"))
    sms = tmp_path / "sms"

    def let_go_at_last() -> None:
        wait_for(lambda: sum(map(lines, sms.glob("*"))) == MANY)
        assert mail.recipients == []
        mail.slow = set()

    with override_settings(SMS_OUTBOX_DIR=sms):
        at_once(partial(dispatch_by_turns, seconds=5, connections=2), let_go_at_last)
    assert len(mail.recipients) == MANY
    assert set(Notification.objects.values_list("state", flat=True)) == {State.ACCEPTED}
    check_figures()


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n")


def test_an_error_of_one_connection_stops_its_campaign_and_no_other(
    mail: Recorder,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, sound = campaign("a"), campaign("b")

    def fail_for_one(outgoing: object, **values: object) -> bytes:
        if values["address"] == "a7@example.fr":
            raise RuntimeError("a fault of ours")
        return compose(outgoing, **values)  # type: ignore[arg-type]

    monkeypatch.setattr("notifications.channels.email.compose", fail_for_one)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        at_once(partial(dispatch_by_turns, seconds=5, connections=2))
    assert set(addresses("b")) <= set(mail.recipients)
    assert "a7@example.fr" not in mail.recipients
    for one in (broken, sound):
        one.refresh_from_db()
    assert broken.halt_reason == "unexpected"
    assert not sound.halt_reason


FOUR = "abcd"

ON_DISK = """
SELECT (SELECT count(*) FROM notifications_acceptance)
    + (SELECT count(*) FROM notifications_notification WHERE state = 'accepted')
"""

LEFT_OUT = "SELECT count(*) FROM notifications_notification WHERE state = 'suppressed'"


def observer() -> "psycopg.Connection[tuple[int]]":
    host, name = os.environ["PORTAL_TEST_FOLDER"], connection.settings_dict["NAME"]
    return psycopg.connect(host=host, user="postgres", dbname=name, autocommit=True)


def cut_the_leases() -> None:
    with observer() as watching:
        found = watching.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d"
            " ON d.oid = database AND d.datname = current_database()"
            " WHERE locktype = 'advisory' AND classid = %s GROUP BY pid",
            [LOCK_SPACE],
        )
        assert len(found.fetchall()) == 1


def everybody() -> list[str]:
    return sorted(address for letter in FOUR for address in addresses(letter))


def test_of_each_connection_one_message_at_most_is_not_on_disk(
    mail: Recorder,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for letter in FOUR:
        campaign(letter)
    take, not_on_disk = mail.handle_DATA, list[int]()

    with observer() as watching:

        async def look_first(server: SMTP, session: Session, envelope: Envelope) -> str:
            found = watching.execute(ON_DISK).fetchone()
            assert found is not None
            not_on_disk.append(1 + len(mail.received) - found[0])
            return await take(server, session, envelope)

        monkeypatch.setattr(mail, "handle_DATA", look_first)
        at_once(partial(dispatch_by_turns, seconds=5, connections=len(FOUR)))
    assert sorted(mail.recipients) == everybody()
    assert max(not_on_disk) <= len(FOUR)
    check_figures()


def left_out_by_the_first(
    mail: Recorder,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    *,
    connections: int,
) -> int:
    """Send; return how many messages had been left out when the first one came."""
    take, left_out = mail.handle_DATA, list[int]()

    with observer() as watching:

        async def look_first(server: SMTP, session: Session, envelope: Envelope) -> str:
            found = watching.execute(LEFT_OUT).fetchone()
            assert found is not None
            left_out.append(found[0])
            return await take(server, session, envelope)

        monkeypatch.setattr(mail, "handle_DATA", look_first)
        at_once(partial(dispatch_by_turns, seconds=5, connections=connections))
    return left_out[0]


def test_addresses_that_are_left_out_hold_no_other_connection_up(
    mail: Recorder,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suppressed, other = campaign("a", FIRST_BATCH), campaign("b")
    for message in Notification.objects.filter(campaign=suppressed):
        suppress_address_of(notification_id=message.pk, reason="smtp-550", now=timezone.now())
    left_out = left_out_by_the_first(mail, monkeypatch, connections=2)
    assert sorted(mail.recipients) == sorted(addresses("b"))
    assert left_out < FIRST_BATCH
    other.refresh_from_db()
    assert not other.halt_reason
    check_figures()


def test_addresses_that_are_left_out_do_not_keep_all_clerks(
    mail: Recorder,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More connections than clerks lease nothing but such addresses; one has messages to send."""
    for letter in FOUR[:-1]:
        for message in Notification.objects.filter(campaign=campaign(letter, FIRST_BATCH)):
            suppress_address_of(notification_id=message.pk, reason="smtp-550", now=timezone.now())
    campaign(FOUR[-1])
    left_out = left_out_by_the_first(mail, monkeypatch, connections=len(FOUR))
    assert sorted(mail.recipients) == sorted(addresses(FOUR[-1]))
    assert left_out < CLERKS * FIRST_BATCH
    check_figures()


def test_a_pause_while_all_servers_think_lets_no_other_message_leave(
    mail: Recorder,  # noqa: F811
) -> None:
    for letter in FOUR:
        campaign(letter)
    mail.holds_from = MANY

    def pause() -> None:
        wait_for(lambda: mail.held == len(FOUR))
        Campaign.objects.update(state=CampaignState.PAUSED)
        mail.holds_from, mail.holding = None, False

    at_once(partial(dispatch_by_turns, seconds=5, connections=len(FOUR)), pause)
    assert len(mail.received) < MANY + len(FOUR)
    states = Notification.objects.values_list("state", flat=True)
    assert set(states) == {State.ACCEPTED, State.PENDING}
    assert list(states).count(State.ACCEPTED) == len(mail.received)
    check_figures()


def test_all_end_when_the_connection_that_records_is_lost_and_nobody_is_told_twice(
    mail: Recorder,  # noqa: F811
) -> None:
    for letter in FOUR:
        campaign(letter)
    mail.holds_from = MANY

    def cut() -> None:
        wait_for(lambda: mail.held == len(FOUR))
        cut_the_leases()
        mail.holds_from, mail.holding = None, False

    begun = time.monotonic()
    with pytest.raises(OperationalError):
        at_once(partial(dispatch_by_turns, seconds=30, connections=len(FOUR)), cut)
    assert time.monotonic() - begun < 15
    assert recover_batches(now=timezone.now()) == len(FOUR)
    at_once(partial(dispatch_by_turns, seconds=5, connections=len(FOUR)))
    assert sorted(mail.recipients) == everybody()
    check_figures()


def test_a_refusal_that_comes_once_its_batch_was_recovered_stops_no_campaign(
    mail: Recorder,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = campaign("a")
    mail.slow = set(addresses("a"))
    mail.answers = dict.fromkeys(addresses("a"), "550 5.1.1 nobody")
    answer, asked = mail.handle_RCPT, list[str]()

    async def ask(
        server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        asked.append(address)
        return await answer(server, session, envelope, address, options)

    monkeypatch.setattr(mail, "handle_RCPT", ask)

    def recover() -> None:
        wait_for(lambda: bool(asked))
        cut_the_leases()
        wait_for(lambda: recover_batches(now=timezone.now()) == 1)
        mail.slow = set()

    with pytest.raises(LeaseLostError):
        at_once(partial(dispatch_by_turns, seconds=5, connections=1), recover)
    found.refresh_from_db()
    assert not found.halt_reason
    mail.answers = {}
    at_once(partial(dispatch_by_turns, seconds=5, connections=1))
    assert sorted(mail.recipients) == sorted({*addresses("a")} - {asked[0]})
    check_figures()


WAITING = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.mark.parametrize("left_out", [True, False])
def test_a_batch_whose_laying_out_is_cut_goes_back_whole_and_its_campaign_goes_on(
    mail: Recorder,  # noqa: F811
    left_out: bool,
) -> None:
    """Within a transaction, where an address is to be left out, and without one."""
    found = campaign("a")
    if left_out:
        message = Notification.objects.filter(campaign=found).earliest("pk")
        suppress_address_of(notification_id=message.pk, reason="smtp-550", now=timezone.now())
    begun, at_work = Event(), Event()

    def cut() -> None:
        with observer() as holding, observer() as watching, holding.transaction():
            # Read where messages are laid out.
            holding.execute("LOCK TABLE members.affected_member")
            begun.set()
            wait_for(lambda: watching.execute(WAITING).fetchone() is not None)
            watching.execute(f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS one")
            assert at_work.wait(30)

    def send() -> None:
        assert begun.wait(30)
        try:
            dispatch_by_turns(seconds=5, connections=1)
        finally:
            at_work.set()

    with pytest.raises(OperationalError):
        at_once(send, cut)
    assert set(Notification.objects.values_list("state", flat=True)) == {State.PENDING}
    assert recover_batches(now=timezone.now()) == 0
    at_once(partial(dispatch_by_turns, seconds=5, connections=1))
    assert len(mail.recipients) == len(set(mail.recipients)) == MANY - left_out
    check_figures()
