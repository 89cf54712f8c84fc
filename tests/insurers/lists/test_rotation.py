"""A rotation of the fingerprint key, in a database of its own: two connections must see it."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django.plugin import DjangoDbBlocker

from audit.models import AuditEntry
from insurers.lists import rotation, wrapping
from insurers.lists.acceptance import accept, decide_to_accept, publish_list
from insurers.lists.finding import Found, find_member
from insurers.lists.fingerprint_keys import UnknownKeyVersionError
from insurers.lists.ingestion import ingest_list
from insurers.lists.key_reports import report_keys
from insurers.lists.keystore import KeyNotFoundError, key_store
from insurers.lists.withdrawal import decide_to_withdraw, withdraw_list
from insurers.models import (
    AffectedList,
    AffectedMember,
    FingerprintKey,
    KeyReport,
    KeyState,
    ListEffect,
    ListingMark,
    ListState,
)
from notifications.channels import Outcome
from notifications.models import (
    Campaign,
    CampaignState,
    Channel,
    CrowdedChoice,
    ListReach,
    Notification,
    ReceiptKind,
    Reply,
    State,
    Told,
)
from notifications.outbox.building import build_outbox
from notifications.outbox.crowded import confirm_addresses, confirmed_and_waiting, tell_confirmed
from notifications.outbox.settling import settle_stale
from notifications.receipts.applying import record_receipt
from notifications.register.figures import campaign_figures
from notifications.register.glance import lines_of
from notifications.sending.leases import claim_batch
from notifications.sending.outcomes import record_outcome
from notifications.states import Standing
from notifications.tasks import reach
from tests import cast
from tests.conftest import as_role
from tests.faults.stack import own_database
from tests.insurers.lists.files import csv_file, members_of, read
from tests.notifications.replies.asking import answer, asked
from tests.notifications.story import accepted_list, approved, built, member


@pytest.fixture(autouse=True)
def _own_database(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    with django_db_blocker.unblock(), own_database(f"rotation_{os.getpid()}", tmp_path):
        yield


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but the rows answers: other tests' workers are on other brokers."""
    monkeypatch.setattr("insurers.lists.key_reports.answering_workers", set)


def started() -> FingerprintKey:
    key = rotation.announce_key(breach=cast.breach(), now=cast.NOW)
    rotation.start_wrapping(key=key, now=cast.NOW)
    return key


def rotate() -> None:
    started()
    assert rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)


def find(number: int) -> list[Found]:
    return find_member(
        breach_id=cast.breach().pk,
        insurer_id=cast.phare().pk,
        identifier=f"{number:09d}",
        birth_date="1980-03-12",
    )


def test_people_are_found_before_during_and_after() -> None:
    found = accepted_list([member(1, email="a@example.fr"), member(2)])
    expected = [Found(found.pk, 3)]
    assert find(2) == expected
    started()
    assert find(2) == expected
    rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    assert find(2) == expected
    assert find(3) == []


def test_a_question_that_waited_for_a_rotation_is_answered() -> None:
    accepted_list([member(n, email=f"a{n}@example.fr") for n in (1, 2, 3)])
    asked(1)
    started()
    asked(2)
    answer()
    asked(3)
    rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    answer()
    assert Reply.objects.count() == 3


def test_the_reach_of_a_list_is_counted_once_the_key_is_rotated() -> None:
    found = accepted_list([member(1, email="a@example.fr"), member(2)])
    started()
    reach(list_id=found.pk)
    assert not ListReach.objects.exists()
    rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    reach(list_id=found.pk)
    assert ListReach.objects.get(affected_list=found).email_people == 1


def test_who_was_withdrawn_is_not_found() -> None:
    found = accepted_list([member(1, email="a@example.fr"), member(2)])
    accepted_list([member(1)], effect=ListEffect.WITHDRAW)
    assert (find(1), find(2)) == ([], [Found(found.pk, 3)])


def test_whose_contact_was_corrected_is_found_where_it_is_right() -> None:
    accepted_list([member(1, email="a@example.fr")])
    corrected = accepted_list([member(1, email="b@example.fr")])
    assert find(1) == [Found(corrected.pk, 2)]


def of_any_kind(number: int) -> str:
    """Return a row with some of an e-mail, a mobile, one that cannot be, a name; or none."""
    mobile = ("", f"+3363998{number:04d}", "12")[number % 3]
    return member(
        number,
        email=f"p{number}@example.fr" if number % 2 else "",
        mobile=mobile,
        name="Phare;Camille" if number % 5 else ";",
        address="3 quai Sud;35000;Rennes" if number % 7 == 0 else "",
    )


def test_only_version_and_fingerprint_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrapping, "_PAGES", 1)
    found = accepted_list([of_any_kind(number) for number in range(300)])
    AffectedMember.objects.filter(ordinal__range=(100, 220)).delete()  # Some pages are empty.
    before = members_of(found)
    assert len(before) == 179
    rotate()
    for old, new in zip(before, members_of(found), strict=True):
        assert (new.fingerprint, new.key_version) != (old.fingerprint, old.key_version)
        old.fingerprint, old.key_version = new.fingerprint, 2
        for field in AffectedMember._meta.concrete_fields:
            assert getattr(new, field.attname) == getattr(old, field.attname), field.name


def test_a_wrapped_list_keeps_its_indexes_and_stays_a_partition() -> None:
    found = accepted_list([member(1)])
    rotate()
    rotate()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relispartition, (SELECT count(*) FROM pg_index WHERE indrelid = c.oid)"
            " FROM pg_class c WHERE oid = to_regclass(%s)",
            [f"members.list_{found.pk}"],
        )
        assert cursor.fetchone() == (True, 2)
    assert find(1) == [Found(found.pk, 2)]
    assert [key.state for key in FingerprintKey.objects.all()] == [
        KeyState.CHAINED,
        KeyState.CHAINED,
        KeyState.CURRENT,
    ]


def go_on_reading(affected_list: AffectedList) -> None:
    """As the sweep does."""
    with as_role("worker"):
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()


def test_a_list_read_after_the_start_is_of_the_new_version_and_is_compared() -> None:
    accepted_list([member(1)])
    started()
    later = read(csv_file("000000001;12/03/1980;Phare;Camille;;", "B2;1981-01-01;;;;"))
    assert (later.key_version, later.state) == (2, ListState.INGESTING), "compared too early"
    rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    go_on_reading(later)
    assert later.report.already_listed == 1
    accept(affected_list=later, decided_by=None, now=cast.NOW)
    assert (later.members, later.members_uncounted, later.rows_already_listed) == (2, 1, 1)


def test_a_list_that_waits_for_a_long_rotation_is_not_given_up() -> None:
    accepted_list([member(1)])
    started()
    later = read(csv_file("B2;1981-01-01;;;;"))
    for _sweep in range(12):
        go_on_reading(later)
    assert later.state == ListState.INGESTING
    rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    go_on_reading(later)
    assert later.state == ListState.REVIEW


def test_a_list_is_not_published_during_a_rotation() -> None:
    waiting = read(csv_file("B2;1981-01-01;;;;"))
    decide_to_accept(affected_list=waiting, decided_by=None, now=cast.NOW)
    started()
    publish_list(list_id=waiting.pk)
    assert members_of(waiting) == []
    rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    publish_list(list_id=waiting.pk)
    assert [m.key_version for m in members_of(waiting)] == [2]


def test_a_list_is_not_withdrawn_during_a_rotation() -> None:
    found = accepted_list([member(1)])
    decide_to_withdraw(affected_list=found, decided_by=cast.paule(), now=cast.NOW)
    started()
    withdraw_list(list_id=found.pk)
    found.refresh_from_db()
    assert (found.state, found.members_ended) == (ListState.WITHDRAWING, 0)
    rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    withdraw_list(list_id=found.pk)
    found.refresh_from_db()
    assert (found.state, found.members_ended) == (ListState.WITHDRAWN, 1)


def test_a_bounce_during_a_rotation_releases_whoever_another_campaign_left_out() -> None:
    cast.phare_at_both_operators()
    first = built([member(1, email="a@example.fr")])
    second = approved(accepted_list([member(1, email="b@example.fr")], operators=("betapay",)))
    with as_role("worker"):
        build_outbox(campaign_id=second.pk, now=cast.NOW)
    started()
    message = Notification.objects.get(campaign=first)
    with as_role("worker"):
        batch = claim_batch(campaign_id=first.pk, channel=Channel.EMAIL, now=cast.NOW)
        assert batch is not None
        outcome = Outcome(message.pk, State.BOUNCED, "5.1.1")
        record_outcome(batch_id=batch, outcome=outcome, now=cast.NOW)
    assert ListingMark.objects.filter(list_id=first.affected_list_id, is_stale=True).exists()
    rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    settle_stale(now=cast.NOW)
    assert not ListingMark.objects.filter(is_stale=True).exists()
    figures = lines_of(breach=cast.breach(), insurers=[cast.phare().pk])[0].figures
    assert figures.listed == 1


def send(campaign: Campaign, message: Notification, state: State) -> None:
    with as_role("worker"):
        batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=cast.NOW)
        assert batch is not None
        record_outcome(batch_id=batch, outcome=Outcome(message.pk, state, "250"), now=cast.NOW)


def receive(message: Notification, kind: ReceiptKind) -> None:
    with as_role("worker"):
        record_receipt(
            sender="email:phare",
            kind=kind,
            receipt_id=kind.value,
            notification_id=message.pk,
            code="5.1.1" if kind == ReceiptKind.HARD else "",
            now=cast.NOW,
        )


def test_a_late_receipt_during_a_rotation_leaves_the_claim_of_another_campaign() -> None:
    first = built([member(1, email="a@example.fr")])
    (message,) = Notification.objects.all()
    send(first, message, State.ACCEPTED)
    receive(message, ReceiptKind.HARD)
    second = built([member(1, email="b@example.fr")])
    assert Told.objects.get().campaign == second
    started()

    def late(wrapped: AffectedList) -> None:
        if wrapped == first.affected_list:
            receive(message, ReceiptKind.COMPLAINED)

    assert rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW, report=late)
    told = Told.objects.get()
    assert (told.campaign, told.key_version) == (second, 2)


def test_addresses_confirmed_during_a_rotation_wait_for_its_end() -> None:
    home = built([member(n, email="ehpad@example.fr") for n in range(9)])
    built([member(1, email="ehpad@example.fr"), member(20, email="b@example.fr")])
    confirm_addresses(
        campaign_id=home.pk,
        choices=list(CrowdedChoice.objects.values_list("pk", flat=True)),
        approver_id=cast.armand().pk,
        now=cast.NOW,
    )
    started()

    def tell(wrapped: AffectedList) -> None:
        if wrapped == home.affected_list:
            with as_role("worker"):
                tell_confirmed(campaign_id=home.pk, now=cast.NOW)

    assert rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW, report=tell)
    assert confirmed_and_waiting() == [home.pk]
    tell(home.affected_list)
    assert confirmed_and_waiting() == []
    people = campaign_figures(home).people
    assert (people[Standing.IN_PROGRESS], people[Standing.TOLD_ALREADY]) == (8, 1)


def test_a_list_that_waits_for_a_decision_is_wrapped_too() -> None:
    accepted_list([member(1)])
    waiting = read(csv_file("000000001;12/03/1980;Phare;Camille;;", "B2;1981-01-01;;;;"))
    rotate()
    waiting.refresh_from_db()
    assert waiting.key_version == 2
    decide_to_accept(affected_list=waiting, decided_by=None, now=cast.NOW)
    publish_list(list_id=waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.members, waiting.members_uncounted) == (2, 1)
    assert waiting.rows_already_listed == 1


def test_a_reading_that_began_before_the_rotation_is_wrapped_at_publication() -> None:
    accepted_list([member(1)])
    slow = read(csv_file("000000001;12/03/1980;Phare;Camille;;", "B2;1981-01-01;;;;"))
    AffectedList.objects.filter(pk=slow.pk).update(state="ingesting")
    rotate()
    AffectedList.objects.filter(pk=slow.pk).update(state="review")
    decide_to_accept(affected_list=slow, decided_by=None, now=cast.NOW)
    publish_list(list_id=slow.pk)
    slow.refresh_from_db()
    assert (slow.key_version, slow.members, slow.members_uncounted) == (2, 2, 1)
    assert slow.rows_already_listed == 1


def test_who_was_told_is_not_told_again_after_a_rotation() -> None:
    first = built([member(1, email="a@example.fr")])
    rotate()
    assert Told.objects.get().key_version == 2
    # The same person on a list of its own, as a later file would bring it.
    AffectedList.objects.filter(pk=first.affected_list_id).update(state="refused", refusal_code="x")
    second = built([member(1, email="a@example.fr"), member(2, email="b@example.fr")])
    assert Told.objects.filter(campaign=first).count() == 1
    assert Told.objects.filter(campaign=second).count() == 1


def test_an_outbox_waits_for_the_end_of_a_rotation() -> None:
    campaign = approved(accepted_list([member(1, email="a@example.fr")]))
    started()
    assert not build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.APPROVED
    rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    assert build_outbox(campaign_id=campaign.pk, now=cast.NOW)


@pytest.mark.parametrize("slice_rows", [1, 3])
def test_all_claims_are_wrapped_whatever_the_slices(
    slice_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.outbox.told.SLICE_ROWS", slice_rows)
    built([member(n, email=f"p{n}@example.fr") for n in range(10)])
    rotate()
    told = set(Told.objects.values_list("fingerprint", "key_version"))
    assert told == set(AffectedMember.objects.values_list("fingerprint", "key_version"))
    assert {version for _, version in told} == {2}


def test_a_worker_without_the_key_holds_the_start_up_and_is_named() -> None:
    accepted_list([member(1)])
    report_keys(worker="celery@quai 7", now=cast.NOW)
    key = rotation.announce_key(breach=cast.breach(), now=cast.NOW)
    with pytest.raises(rotation.WorkersNotReadyError) as refused:
        rotation.start_wrapping(key=key, now=cast.NOW)
    assert refused.value.workers == ["celery@quai"]
    report_keys(worker="celery@quai 7", now=cast.NOW)
    rotation.start_wrapping(key=key, now=cast.NOW)
    assert key.state == KeyState.WRAPPING


def test_a_worker_that_answers_and_does_not_report_holds_the_start_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted_list([member(1)])
    monkeypatch.setattr(
        "insurers.lists.key_reports.answering_workers", lambda: {"celery@autrefois"}
    )
    key = rotation.announce_key(breach=cast.breach(), now=cast.NOW)
    with pytest.raises(rotation.WorkersNotReadyError, match="celery@autrefois"):
        rotation.start_wrapping(key=key, now=cast.NOW)


def test_the_report_of_a_worker_that_is_gone_expires() -> None:
    accepted_list([member(1)])
    KeyReport.objects.create(
        worker="celery@parti 7", names=[], reported_at=cast.NOW - timedelta(minutes=1)
    )
    assert started().state == KeyState.WRAPPING


def test_two_rotations_at_once_are_one() -> None:
    accepted_list([member(1)])
    first = rotation.announce_key(breach=cast.breach(), now=cast.NOW)
    assert rotation.announce_key(breach=cast.breach(), now=cast.NOW) == first


def test_a_breach_without_lists_has_nothing_to_rotate() -> None:
    with pytest.raises(rotation.NothingToRotateError):
        rotation.announce_key(breach=cast.breach(), now=cast.NOW)


def test_an_unknown_version_is_an_error_that_names_the_key() -> None:
    found = accepted_list([member(1)])
    AffectedList.objects.filter(pk=found.pk).update(key_version=3)
    with pytest.raises(UnknownKeyVersionError, match=f"breach/{found.breach_id}/3"):
        find(1)
    with pytest.raises(UnknownKeyVersionError, match=f"breach/{found.breach_id}/3"):
        rotate()


def test_a_row_of_an_unknown_version_stops_the_rotation_and_nothing_is_lost() -> None:
    found = accepted_list([member(1), member(2)])
    AffectedMember.objects.filter(ordinal=3).update(key_version=7)
    with pytest.raises(UnknownKeyVersionError, match=f"breach/{found.breach_id}/7"):
        rotate()
    assert [m.key_version for m in members_of(found)] == [1, 7]


def test_a_list_stays_as_it_was_where_its_rows_can_no_longer_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = accepted_list([of_any_kind(number) for number in range(100)])
    monkeypatch.setattr(wrapping, "_PAGES", 1)
    laid_out, stretches = wrapping._rows, iter(range(100))

    def until_the_connection_breaks(*columns: Any) -> memoryview:
        if next(stretches) == 1:
            with connection.cursor() as cursor:  # The reading thread's own.
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return laid_out(*columns)

    with monkeypatch.context() as breaking:
        breaking.setattr(wrapping, "_rows", until_the_connection_breaks)
        with pytest.raises(OperationalError, match="terminating connection"):
            rotate()
    assert {one.key_version for one in members_of(found)} == {1}
    assert rotation.wrap_breach(breach_id=cast.breach().pk, now=cast.NOW)
    assert {one.key_version for one in members_of(found)} == {2}


def test_a_lost_key_is_an_error_that_names_it_and_is_not_made_again() -> None:
    found = accepted_list([member(1)])
    name = f"breach/{found.breach_id}/1"
    key_store().destroy(name)
    with pytest.raises(KeyNotFoundError, match=name):
        find(1)
    with pytest.raises(KeyNotFoundError, match=name):
        read(csv_file("B2;1981-01-01;;;;"))
    assert not key_store().exists(name)


def test_each_step_is_in_the_trail() -> None:
    accepted_list([member(1)])
    rotate()
    entries = AuditEntry.objects.filter(action__startswith="fingerprint_key").order_by("pk")
    assert [entry.action for entry in entries] == [
        "fingerprint_key.announced",
        "fingerprint_key.started",
        "fingerprint_key.finished",
    ]
