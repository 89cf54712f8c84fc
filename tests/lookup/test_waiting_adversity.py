"""Servers that refuse or fall silent, workers that die, requests that were made up."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.test import Client, override_settings
from django.utils import timezone

from breachportal.logs import JsonFormatter
from insurers.lists.key_check import expected_keys, faults_of_store
from insurers.lists.keystore import key_store
from insurers.lists.sealing import seal
from insurers.models import Insurer
from lookup.models import Ending, SentConfirmation, WaitingAddress, WaitingRequest, WaitingTally
from lookup.waiting import sending
from notifications.sending.quiet_hours import read_quiet_hours
from tests import cast
from tests.lookup.test_waiting import CAMILLE, ask
from tests.lookup.test_waiting_messages import asked, becomes_known, links_in, waits, work
from tests.smtp import Recorder, smtp_server

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sable() -> Insurer:
    cache.clear()
    cast.breach()
    return Insurer.objects.create(slug="mutuelle-du-sable", name="Mutuelle du Sable (fictive)")


@pytest.fixture(autouse=True)
def mail() -> Iterator[Recorder]:
    with (
        smtp_server() as recorder,
        override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=recorder.port),
    ):
        yield recorder


def later() -> None:
    """Let what was put off be due."""
    WaitingAddress.objects.exclude(due_at=None).update(due_at=timezone.now())


def in_a_dead_workers_hand() -> None:
    """Leave things as a worker does that is killed while a message leaves."""
    WaitingAddress.objects.update(taken_up_at=timezone.now())


def tallies() -> dict[str, int]:
    return dict(WaitingTally.objects.values_list("ending", "people"))


def test_a_message_that_asks_is_sent_once_more_after_a_kill(client: Client, mail: Recorder) -> None:
    asked(client, mail)
    in_a_dead_workers_hand()
    work()
    work()
    first, second = mail.messages
    assert first["Message-ID"] == second["Message-ID"]
    assert client.post(links_in(second)[0]).status_code == 200


def test_a_message_that_asks_is_not_sent_a_third_time(client: Client, mail: Recorder) -> None:
    asked(client, mail)
    in_a_dead_workers_hand()
    mail.answers[CAMILLE] = "450 busy"
    work()
    assert WaitingAddress.objects.get().is_doubtful
    in_a_dead_workers_hand()
    mail.answers.clear()
    work()
    work()
    assert len(mail.messages) == 1


def test_one_that_tells_is_not_sent_a_third_time(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    waits(client, mail)
    becomes_known(sable)
    in_a_dead_workers_hand()
    mail.answers[CAMILLE] = "450 busy"
    work()
    assert WaitingAddress.objects.get().is_doubtful
    in_a_dead_workers_hand()
    work()
    assert not WaitingAddress.objects.exists()
    assert len(mail.messages) == 1
    assert tallies() == {Ending.TOLD: 1}


def test_who_confirms_while_the_message_is_in_hand_is_not_in_doubt(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    message = asked(client, mail)
    in_a_dead_workers_hand()
    client.post(links_in(message)[0])
    becomes_known(sable)
    work()
    assert len(mail.messages) == 2
    assert not WaitingAddress.objects.exists()


def test_a_connection_lost_after_the_message_counts_as_a_kill(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    waits(client, mail)
    becomes_known(sable)
    mail.drops_all = True
    work()
    assert (len(mail.messages), WaitingAddress.objects.count()) == (2, 1)
    work()
    assert len(mail.messages) == 3
    assert mail.messages[1]["Message-ID"] == mail.messages[2]["Message-ID"]
    assert tallies() == {Ending.TOLD: 1}


def test_a_server_that_is_away_loses_nobody(client: Client, mail: Recorder, sable: Insurer) -> None:
    with override_settings(EMAIL_PORT=9):
        ask(client)
        work()
        work()
    assert not WaitingRequest.objects.exists()
    work()
    assert client.post(links_in(mail.messages[0])[0]).status_code == 200
    becomes_known(sable)
    with override_settings(EMAIL_PORT=9):
        work()
    work()
    assert len(mail.messages) == 2
    assert tallies() == {Ending.TOLD: 1}


def test_an_address_that_is_refused_is_forgotten(client: Client, mail: Recorder) -> None:
    mail.answers[CAMILLE] = "550 5.1.1 no such user"
    ask(client)
    work()
    assert not WaitingAddress.objects.exists()
    assert tallies() == {}


def test_one_refused_when_it_is_told_is_counted(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    waits(client, mail)
    becomes_known(sable)
    mail.answers[CAMILLE] = "550 5.1.1 no such user"
    work()
    assert not WaitingAddress.objects.exists()
    assert tallies() == {Ending.UNREACHABLE: 1}


def test_a_full_mailbox_is_tried_again_for_days_and_then_left(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    waits(client, mail)
    becomes_known(sable)
    mail.answers[CAMILLE] = "452 4.2.2 full"
    for attempt in range(1, 10):
        work()
        assert WaitingAddress.objects.get().attempts == attempt
        work()
        assert WaitingAddress.objects.get().attempts == attempt
        later()
    work()
    assert tallies() == {Ending.UNREACHABLE: 1}


def test_one_bad_address_does_not_hold_up_the_others(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    for name in ("a", "b", "c"):
        ask(client, f"{name}@example.fr")
    mail.answers["b@example.fr"] = "452 4.2.2 full"
    work()
    assert mail.recipients == ["a@example.fr", "c@example.fr"]


def test_told_by_day_asked_at_any_hour(client: Client, mail: Recorder, sable: Insurer) -> None:
    with override_settings(QUIET_HOURS=read_quiet_hours("00:00-23:59:59.999999")):
        waits(client, mail)
        becomes_known(sable)
        work()
        assert len(mail.messages) == 1
    work()
    assert len(mail.messages) == 2


def test_all_are_written_to_however_many_wait(
    client: Client, mail: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "AT_MOST", 2)
    for number in range(5):
        ask(client, f"n{number}@example.fr")
    mail.answers["n1@example.fr"] = "452 4.2.2 full"
    work()
    assert sorted(mail.recipients) == [f"n{number}@example.fr" for number in (0, 2, 3, 4)]


def test_the_portals_pace_holds(client: Client, mail: Recorder) -> None:
    for number in range(5):
        ask(client, f"n{number}@example.fr")
    with override_settings(SENDING_PACE={"email": (None, 3), "sms": (None, None)}):
        work()
        assert len(mail.messages) == 3
    work()
    assert len(mail.messages) == 5


def sealed_request(*, row_id: UUID | None = None, **changed: object) -> WaitingRequest:
    """Add a request that a compromised web process could make up."""
    made = uuid4()
    content = {
        "purpose": "waiting",
        "id": str(made),
        "at": timezone.now().timestamp(),
        "insurer": str(Insurer.objects.get(slug="mutuelle-du-sable").pk),
        "email": CAMILLE,
        "language": "fr",
    } | changed
    return WaitingRequest.objects.create(
        id=row_id or made, sealed=seal(json.dumps(content).encode()), received_at=timezone.now()
    )


def days_ago(days: float) -> float:
    return (timezone.now() - timedelta(days=days)).timestamp()


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": "question"},
        {"at": days_ago(2)},
        {"at": days_ago(-1)},
        {"at": 1e300},
        {"at": "hier"},
        {"insurer": str(uuid4())},
        {"insurer": 12},
        {"email": "pas une adresse"},
        {"email": "a@example.fr\r\nBcc: b@example.fr"},
        {"email": ""},
        {"email": None},
        {"language": "xx"},
        {"row_id": uuid4()},
    ],
)
def test_a_request_that_is_made_up_is_erased(mail: Recorder, changed: dict[str, object]) -> None:
    sealed_request(**changed)  # type: ignore[arg-type]
    WaitingRequest.objects.create(id=uuid4(), sealed=b"nothing", received_at=timezone.now())
    WaitingRequest.objects.create(id=uuid4(), sealed=seal(b"[1]"), received_at=timezone.now())
    for nested in (b"[" * 200_000, b'{"a":' * 100_000):  # Deeper than can be read.
        WaitingRequest.objects.create(id=uuid4(), sealed=seal(nested), received_at=timezone.now())
    work()
    assert not WaitingRequest.objects.exists()
    assert not WaitingAddress.objects.exists()
    assert mail.messages == []


def test_a_request_sent_again_asks_nobody_again(client: Client, mail: Recorder) -> None:
    first = sealed_request()
    sealed = bytes(first.sealed)
    work()
    WaitingRequest.objects.create(id=first.pk, sealed=sealed, received_at=timezone.now())
    work()
    assert len(mail.messages) == 1


def test_a_request_made_after_the_answer_came_is_nobodys(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    ask(client)
    becomes_known(sable)
    work()
    assert mail.messages == []
    assert not SentConfirmation.objects.exists()


def test_a_row_swapped_for_another_tells_nobody(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    waits(client, mail)
    waits(client, mail, "autre@example.fr")
    one, other = WaitingAddress.objects.all()
    WaitingAddress.objects.filter(pk=one.pk).update(sealed=other.sealed)
    becomes_known(sable)
    work()
    assert len(mail.messages) == 3
    assert tallies() == {Ending.TOLD: 1, Ending.UNREACHABLE: 1}


def test_a_lost_key_is_named_at_start(client: Client, mail: Recorder) -> None:
    assert "waiting/1" not in expected_keys()
    asked(client, mail)
    assert "waiting/1" in expected_keys()
    assert faults_of_store() == []
    key_store().destroy("waiting/1")
    key_store().put("waiting/1", bytes(32))
    assert [fault.name for fault in faults_of_store()] == ["waiting/1"]
    key_store().destroy("waiting/1")


def test_no_log_holds_an_address_or_a_token(
    client: Client, mail: Recorder, sable: Insurer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    message = waits(client, mail)
    confirm, remove = links_in(message)
    client.post(remove)
    client.get(confirm)
    assert client.get(f"{confirm}plus/").status_code == 404
    sealed_request(email="pas une adresse hublot")
    mail.answers["autre@example.fr"] = "550 5.1.1 no autre@example.fr here"
    ask(client, "autre@example.fr")
    work()
    token = confirm.split("/")[-2]
    written = "\n".join(JsonFormatter().format(record) for record in caplog.records)
    assert "/attente/confirmer/…" in written
    for secret in (token, "ublot", "autre@"):
        assert secret not in written


def test_nothing_of_it_is_in_redis(client: Client, mail: Recorder) -> None:
    waits(client, mail)
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        held = b"".join(key + (store.dump(key) or b"") for key in store.keys("*"))
    assert b"ublot" not in held
