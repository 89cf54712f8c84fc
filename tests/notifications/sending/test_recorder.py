"""What servers took is on disk before the next message leaves, for all connections together."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone

from notifications.channels import Outcome
from notifications.models import (
    Acceptance,
    Campaign,
    CampaignState,
    Channel,
    Notification,
    ProviderReference,
    State,
)
from notifications.references import derive, fingerprint
from notifications.register.figures import campaign_figures
from notifications.sending.acceptances import apply_acceptances
from notifications.sending.leases import (
    abandon_batch,
    claim_batch,
    interrupt_batches,
    is_still_sent,
    recover_batches,
)
from notifications.sending.recorder import Recorder
from tests.conftest import as_role
from tests.notifications.story import built, member

pytestmark = pytest.mark.django_db

MESSAGES = 6


def leased() -> tuple[Campaign, int, list[int]]:
    """Return a campaign with a leased batch: its number, and its messages."""
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(MESSAGES)])
    now = timezone.now()
    batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=now, sender="email:us")
    assert batch is not None
    return campaign, batch, list(Notification.objects.order_by("pk").values_list("pk", flat=True))


def accept(recorder: Recorder, batch: int, message: int) -> bool:
    outcome = Outcome(message, State.ACCEPTED, "smtp-250", provider_reference=f"r{message}")
    known = fingerprint(derive(message))
    return recorder.record(batch_id=batch, outcome=outcome, fingerprint=known)


def states() -> list[str]:
    return list(Notification.objects.order_by("pk").values_list("state", flat=True))


def test_an_acceptance_becomes_a_state_an_event_and_a_provider_reference() -> None:
    campaign, batch, (first, *_others) = leased()
    with as_role("worker"):
        recorder = Recorder(connection)
        assert accept(recorder, batch, first)
        assert states() == [State.SENDING] * MESSAGES
        assert recorder.batches_to_apply() == {batch}
        apply_acceptances(batch_id=batch, now=timezone.now())
        apply_acceptances(batch_id=batch, now=timezone.now())  # again changes nothing
    message = Notification.objects.get(pk=first)
    assert (message.state, message.reason, message.attempts) == (State.ACCEPTED, "smtp-250", 1)
    assert message.reference_fingerprint is not None
    assert bytes(message.reference_fingerprint) == fingerprint(derive(first))
    assert ProviderReference.objects.get().reference == f"r{first}"
    assert not Acceptance.objects.exists()
    assert recorder.batches_to_apply() == set()
    assert campaign_figures(campaign).adds_up


@pytest.mark.parametrize("name", ['a "name", {of} \\theirs', "é\0NULL", "NULL", "x" * 200])
def test_a_provider_may_call_a_message_whatever_it_likes(name: str) -> None:
    _campaign, batch, (first, *_others) = leased()
    outcome = Outcome(first, State.ACCEPTED, "ovh-200", provider_reference=name)
    with as_role("worker"):
        recorder = Recorder(connection)
        assert recorder.record(batch_id=batch, outcome=outcome, fingerprint=b"f" * 16)
    kept = Acceptance.objects.get()
    assert kept.reference == name.replace("\0", "")[:120]
    assert bytes(kept.reference_fingerprint) == b"f" * 16


def test_what_a_lost_worker_had_on_disk_is_not_in_doubt() -> None:
    campaign, batch, (first, second, *_others) = leased()
    with as_role("worker"):
        recorder = Recorder(connection)
        for message in (first, second):
            accept(recorder, batch, message)
        abandon_batch(batch_id=batch)
        assert recover_batches(now=timezone.now()) == 1
    assert states() == [State.ACCEPTED] * 2 + [State.UNCERTAIN] + [State.PENDING] * 3
    assert campaign_figures(campaign).adds_up


def test_whoever_records_learns_that_the_campaign_was_paused() -> None:
    _campaign, batch, (first, *_others) = leased()
    Campaign.objects.update(state=CampaignState.PAUSED)
    with as_role("worker"):
        assert not accept(Recorder(connection), batch, first)


def test_whoever_records_learns_that_people_left_the_list() -> None:
    campaign, batch, (first, second, *_others) = leased()
    with as_role("worker"):
        assert accept(Recorder(connection), batch, first)
        interrupt_batches(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id)
        assert not is_still_sent(batch_id=batch)
        assert not accept(Recorder(connection), batch, second)


def test_nothing_is_written_by_another_connection_than_the_one_that_holds_the_leases() -> None:
    _campaign, batch, (first, *_others) = leased()
    database = connections["default"].copy()
    recorder = Recorder(database)
    database.close()
    with pytest.raises(DatabaseError):
        accept(recorder, batch, first)


def test_one_statement_writes_what_all_connections_have_brought() -> None:
    _campaign, batch, messages = leased()
    with as_role("worker"):
        recorder = Recorder(connections["default"])
        answers = at_once(recorder, lambda n: accept(recorder, batch, messages[n]))
    assert [answer.result() for answer in answers] == [True] * MESSAGES
    assert Acceptance.objects.count() == MESSAGES
    assert len(set(Acceptance.objects.values_list("at", flat=True))) == 1


def test_a_failure_to_write_reaches_everybody_whose_message_it_was() -> None:
    _campaign, batch, messages = leased()
    with as_role("web"), transaction.atomic():  # which may not write here
        recorder = Recorder(connections["default"])
        answers = at_once(recorder, lambda n: accept(recorder, batch, messages[n]))
        transaction.set_rollback(True)
    assert all(isinstance(answer.exception(), DatabaseError) for answer in answers)
    assert not Acceptance.objects.exists()


def at_once(recorder: Recorder, work: Callable[[int], bool]) -> list[Future[bool]]:
    """Have something done for each message by a thread of its own, all before the first writes."""
    recorder.database.inc_thread_sharing()
    try:
        with ThreadPoolExecutor(MESSAGES) as pool, recorder._turn:
            answers = [pool.submit(work, number) for number in range(MESSAGES)]
            limit = monotonic() + 10
            while len(recorder._waiting) < MESSAGES and monotonic() < limit:
                sleep(0.01)
        return answers
    finally:
        recorder.database.dec_thread_sharing()
