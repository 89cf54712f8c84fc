"""Receipts: early, twice, late, in any order, of nobody's message: the same end, nobody lost."""

from datetime import timedelta
from itertools import permutations

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insurers.models import ListPurge, PurgeKind
from notifications.campaigns.answers import scrubbed
from notifications.channels import Outcome
from notifications.models import (
    Campaign,
    CampaignState,
    Channel,
    Notification,
    Receipt,
    ReceiptKind,
    State,
    Told,
)
from notifications.receipts.applying import apply_what_waits, record_receipt
from notifications.sending.leases import claim_batch
from notifications.sending.outcomes import give_up, record_outcome
from notifications.sending.retries import ATTEMPTS
from tests.conftest import as_role
from tests.notifications.effects import check_figures
from tests.notifications.story import built, member

pytestmark = pytest.mark.django_db

SENDER = "email:phare"


def receive(message: Notification, kind: ReceiptKind, receipt_id: str = "") -> bool:
    with as_role("worker"):
        return record_receipt(
            sender=SENDER,
            kind=kind,
            receipt_id=receipt_id or kind.value,
            notification_id=message.pk,
            code="5.1.1" if kind == ReceiptKind.HARD else "",
            now=timezone.now(),
        )


def lease(campaign: Campaign, channel: Channel = Channel.EMAIL) -> int:
    batch = claim_batch(campaign_id=campaign.pk, channel=channel, now=timezone.now(), sender=SENDER)
    assert batch is not None
    return batch


def answer(batch: int, state: State, reference: str = "") -> Notification:
    return answer_to(Notification.objects.get(batch=batch), batch, state, reference)


def answer_to(message: Notification, batch: int, state: State, reference: str = "") -> Notification:
    outcome = Outcome(message.pk, state, "smtp-250", reference)
    with as_role("worker"):
        record_outcome(batch_id=batch, outcome=outcome, now=timezone.now())
    message.refresh_from_db()
    return message


def accepted(*, mobile: str = "") -> Notification:
    return answer(lease(built([member(1, email="a@example.fr", mobile=mobile)])), State.ACCEPTED)


def state_of(message: Notification) -> State:
    message.refresh_from_db()
    return State(message.state)


def test_a_delivery_is_a_positive_receipt() -> None:
    message = accepted()
    assert receive(message, ReceiptKind.DELIVERED)
    assert state_of(message) == State.DELIVERED


def test_a_receipt_before_the_sends_own_answer_waits_for_it() -> None:
    batch = lease(built([member(1, email="a@example.fr")]))
    receive(Notification.objects.get(), ReceiptKind.DELIVERED)
    assert Notification.objects.get().state == State.SENDING
    assert answer(batch, State.ACCEPTED).state == State.DELIVERED


def test_a_receipt_that_waits_survives_the_worker() -> None:
    message = accepted()
    Notification.objects.update(receipts_wait=True)
    Receipt.objects.create(
        key="k", sender=SENDER, notification_id=message.pk, kind="hard", received_at=timezone.now()
    )
    apply_what_waits(now=timezone.now())
    assert state_of(message) == State.BOUNCED


def test_the_same_receipt_counts_once() -> None:
    message = accepted()
    assert receive(message, ReceiptKind.SOFT)
    assert not receive(message, ReceiptKind.SOFT)
    assert Receipt.objects.count() == 1


def test_nothing_is_tried_again_once_the_contacts_are_purged() -> None:
    message = accepted()
    ListPurge.objects.create(
        list_id=message.list_id,
        kind=PurgeKind.CONTACTS,
        members=1,
        contacts=1,
        requested_at=timezone.now(),
    )
    Campaign.objects.update(state=CampaignState.FINISHED)
    receive(message, ReceiptKind.SOFT)
    assert state_of(message) == State.FAILED
    assert Campaign.objects.get().state == CampaignState.FINISHED


def test_an_old_soft_bounce_does_not_put_off_the_second_attempt() -> None:
    message = accepted()
    receive(message, ReceiptKind.SOFT, "first")
    Notification.objects.update(due_at=timezone.now() - timedelta(days=1))
    answer(lease(Campaign.objects.get()), State.ACCEPTED)
    receive(message, ReceiptKind.SOFT, "first")
    assert state_of(message) == State.ACCEPTED


def test_a_receipt_of_no_message_is_kept_and_changes_nothing() -> None:
    accepted()
    for unknown in (None, 999_999):
        record_receipt(
            sender=SENDER,
            kind=ReceiptKind.HARD,
            receipt_id=str(unknown),
            notification_id=unknown,
            now=timezone.now(),
        )
    assert Receipt.objects.filter(notification_id=None).count() == 2
    assert Notification.objects.get().state == State.ACCEPTED


def test_a_provider_s_reference_counts_for_its_own_account_only() -> None:
    message = answer(
        lease(built([member(1, email="a@example.fr")])), State.ACCEPTED, reference="abc"
    )
    for sender, expected in (("email:dune", State.ACCEPTED), (SENDER, State.BOUNCED)):
        record_receipt(
            sender=sender,
            kind=ReceiptKind.HARD,
            receipt_id="r",
            reference="abc",
            now=timezone.now(),
        )
        assert state_of(message) == expected


def test_a_receipt_that_names_an_attempt_nobody_recorded_yet_waits_for_the_sweep() -> None:
    batch = lease(built([member(1, email="a@example.fr")]))
    record_receipt(
        sender=SENDER,
        kind=ReceiptKind.DELIVERED,
        receipt_id="r",
        reference="abc",
        now=timezone.now(),
    )
    message = answer(batch, State.ACCEPTED, reference="abc")
    with as_role("worker"):
        apply_what_waits(now=timezone.now())
    assert state_of(message) == State.DELIVERED


def test_a_late_bounce_goes_on_by_sms_and_reopens_the_campaign() -> None:
    message = accepted(mobile="0639980001")
    Campaign.objects.update(state=CampaignState.FINISHED)
    receive(message, ReceiptKind.HARD)
    assert Notification.objects.get(channel=Channel.SMS).state == State.PENDING
    assert Campaign.objects.get().state == CampaignState.SENDING
    check_figures()


def test_a_late_bounce_without_another_channel_releases_the_claim() -> None:
    receive(accepted(), ReceiptKind.HARD)
    assert not Told.objects.exists()
    check_figures()


def test_a_complaint_after_a_bounce_shows_that_the_person_was_told() -> None:
    message = accepted()
    receive(message, ReceiptKind.HARD)
    receive(message, ReceiptKind.COMPLAINED)
    assert (state_of(message), Told.objects.count()) == (State.COMPLAINED, 1)
    check_figures()


def test_a_doubt_is_settled_by_a_late_receipt() -> None:
    message = answer(lease(built([member(1, email="a@example.fr")])), State.UNCERTAIN)
    receive(message, ReceiptKind.DELIVERED)
    assert state_of(message) == State.DELIVERED


def test_soft_bounces_end_in_a_failure_after_all_attempts() -> None:
    message = accepted()
    Notification.objects.update(attempts=ATTEMPTS)
    receive(message, ReceiptKind.SOFT)
    with as_role("worker"):
        give_up(now=timezone.now() + timedelta(days=2))
    assert state_of(message) == State.FAILED
    check_figures()


def test_a_providers_sentence_is_kept_without_addresses_and_numbers() -> None:
    assert scrubbed("550 <a.b@example.fr> unknown, call +33 1 99 00 00 01") == (
        "550 … unknown, call …"
    )


FACTS = st.lists(st.sampled_from([*ReceiptKind, "answer"]), min_size=2, max_size=5, unique=True)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(facts=FACTS)
def test_receipts_and_the_answer_end_the_same_in_every_order(
    facts: list[ReceiptKind | str],
) -> None:
    """As PostgreSQL keeps them: the first order that Hypothesis finds against all others."""
    Campaign.objects.filter(state=CampaignState.SENDING).update(state=CampaignState.PAUSED)
    orders = list(permutations(facts))[:8]
    first = abs(hash(tuple(facts))) % 10**8 * 10
    people = range(first, first + len(orders))
    batch = lease(built([member(number, email=f"a{number}@example.fr") for number in people]))
    messages = list(Notification.objects.filter(batch=batch).order_by("pk"))
    ends = set()
    for message, order in zip(messages, orders, strict=True):
        for fact in order:
            if isinstance(fact, ReceiptKind):
                receive(message, fact, f"{message.pk}{fact}")
            else:
                answer_to(message, batch, State.ACCEPTED)
        if "answer" not in facts:
            answer_to(message, batch, State.ACCEPTED)
        ends.add(state_of(message))
    assert len(ends) == 1
    check_figures()
