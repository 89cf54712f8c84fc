"""A breach that is closed: keys first, then whatever is kept by person; counts stay."""

from datetime import timedelta
from unittest import mock

import pytest
from django.db import ProgrammingError, connection, transaction
from django.db.models import Sum

from insurers.lists.finding import find_member
from insurers.lists.keystore import KeyDestroyedError, key_store
from insurers.lists.receiving import Announced, start_upload
from insurers.lists.upload_problems import UploadProblem, UploadRefused
from insurers.models import (
    AffectedList,
    AffectedMember,
    Breach,
    FingerprintKey,
    ListEffect,
    ListState,
)
from notifications import references
from notifications.campaigns.cancelling import cancel_messages
from notifications.models import (
    Campaign,
    CampaignState,
    DeliveryEvent,
    Erasure,
    ErasureKind,
    Notification,
    NotificationMember,
    ProviderReference,
    Receipt,
    Sample,
    Tally,
    Told,
)
from notifications.register.glance import lines_of
from notifications.replies.outcomes import FIRST_NUMBER
from notifications.retention import closing
from notifications.retention.closing import close_what_is_due, hindrances
from notifications.verifying.sent import find_message
from tests import cast
from tests.conftest import as_role
from tests.notifications.story import accepted_list, built, member, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail")]

PEOPLE = [
    member(1, email="famille@example.fr"),
    member(2, email="famille@example.fr"),
    member(3, email="lise@example.fr"),
    member(4),
]


@pytest.fixture
def campaign() -> Campaign:
    made = built(PEOPLE)
    send(made)
    return made


def close(*, on: timedelta = timedelta(0)) -> None:
    breach = cast.breach()
    breach.closing_date = cast.NOW.date()
    breach.save()
    with as_role("worker"):
        close_what_is_due(now=cast.NOW + on)


def test_nothing_kept_by_person_stays_and_the_register_says_the_same(campaign: Campaign) -> None:
    before = lines_of(breach=campaign.breach, insurers=[campaign.insurer.pk])[0].figures
    counted = list(Tally.objects.order_by("pk").values())
    messages = Notification.objects.count()
    close()
    for model in (AffectedMember, Notification, NotificationMember, Told, ProviderReference):
        assert not model.objects.exists(), model
    assert not DeliveryEvent.objects.exclude(notification_id=None).exists()
    after = lines_of(breach=campaign.breach, insurers=[campaign.insurer.pk])[0].figures
    assert after == before
    assert after.adds_up
    assert after.listed == 4
    assert list(Tally.objects.order_by("pk").values()) == counted
    # And the events still give it.
    left = DeliveryEvent.objects.filter(state="accepted").aggregate(people=Sum("people"))
    assert left == {"people": 3}
    proof = Erasure.objects.get(kind=ErasureKind.MESSAGES)
    assert proof.counts["messages"] == messages == 2
    assert proof.counts["claims"] == 3
    assert proof.finished_at == cast.NOW


def test_the_keys_go_first_and_for_good(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr(closing, "purge_list", fail)
    with pytest.raises(RuntimeError):
        close()
    with pytest.raises(KeyDestroyedError):
        key_store().get(f"breach/{campaign.breach_id}/1")
    assert AffectedMember.objects.count() == 4
    # A database restored from before knows the key again, and finds nobody.
    FingerprintKey.objects.update(destroyed_at=None)
    with pytest.raises(KeyDestroyedError), as_role("worker"):
        find_member(
            breach_id=campaign.breach_id,
            insurer_id=campaign.insurer_id,
            identifier="000000001",
            birth_date="1980-03-12",
        )


def test_what_providers_said_of_answers_stays(campaign: Campaign) -> None:
    """Of another breach, perhaps: an answer is no notification, and has a number above all."""
    answer = {"sender": "default", "notification_id": FIRST_NUMBER + 7}
    notice = {"sender": "default", "notification_id": Notification.objects.latest("pk").pk}
    for number, said in enumerate((answer, notice)):
        ProviderReference.objects.create(**said, reference=f"reference {number}")
        Receipt.objects.create(**said, key=f"key {number}", kind="delivered", received_at=cast.NOW)
    close()
    for model in (ProviderReference, Receipt):
        left = set(model.objects.values_list("notification_id", flat=True))
        assert left == {FIRST_NUMBER + 7}


def test_samples_of_its_lists_go(campaign: Campaign) -> None:
    withdrawn = accepted_list([member(9)])
    AffectedList.objects.filter(pk=withdrawn.pk).update(state=ListState.WITHDRAWN)
    for affected_list in (campaign.affected_list, withdrawn):
        Sample.objects.create(
            affected_list=affected_list,
            insurer=campaign.insurer,
            seed="a",
            size=1,
            asked_by=cast.aude(),
            asked_at=cast.NOW,
        )
    close()
    assert not Sample.objects.exists()


def test_a_run_goes_on_where_one_was_killed(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "SLICE", 1)
    erase, calls = closing._erase_slice, []

    def die_at_the_second(*args: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("killed here")
        erase(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(closing, "_erase_slice", die_at_the_second)
    with pytest.raises(RuntimeError):
        close()
    assert Notification.objects.count() == 1
    monkeypatch.setattr(closing, "_erase_slice", erase)
    close(on=timedelta(hours=1))
    assert not Notification.objects.exists()
    proof = Erasure.objects.get(kind=ErasureKind.MESSAGES)
    assert (proof.counts["messages"], proof.begun_at) == (2, cast.NOW)
    close(on=timedelta(hours=2))
    proof.refresh_from_db()
    assert proof.finished_at == cast.NOW + timedelta(hours=1)


def test_who_was_not_told_keeps_a_breach_open(campaign: Campaign) -> None:
    waiting = accepted_list([member(9, email="ines@example.fr")])
    close()
    (hindrance,) = hindrances(breach=cast.breach())
    assert hindrance.insurer == campaign.insurer.name
    assert f"liste n° {waiting.pk}" in hindrance.what
    assert AffectedMember.objects.count() == 5
    assert key_store().exists(f"breach/{campaign.breach_id}/1")


def test_nothing_goes_before_the_day(campaign: Campaign) -> None:
    Breach.objects.update(closing_date=cast.NOW.date() + timedelta(days=1))
    with as_role("worker"):
        close_what_is_due(now=cast.NOW)
    assert Notification.objects.count() == 2
    assert not Erasure.objects.exists()


def test_no_list_is_taken_for_a_closed_breach(campaign: Campaign) -> None:
    close()
    with pytest.raises(UploadRefused) as refused:
        start_upload(
            announced=Announced(
                breach=cast.breach(),
                insurer=campaign.insurer,
                population=cast.insured_people(),
                operators=[cast.operator()],
                effect=ListEffect.ADD,
                size_bytes=10,
            ),
            author=cast.paule(),
            now=cast.NOW,
        )
    assert refused.value.problem == UploadProblem.BREACH_CLOSED


def test_a_reference_of_a_closed_breach_is_unknown(campaign: Campaign) -> None:
    reference = references.derive(Notification.objects.latest("pk").pk)
    with as_role("web"):
        assert find_message(reference=reference) is not None
    close()
    with as_role("web"):
        assert find_message(reference=reference) is None


def test_an_event_only_loses_its_message(campaign: Campaign) -> None:
    change = "UPDATE notifications_deliveryevent SET {} WHERE notification_id IS NOT NULL"
    cases = [
        ("people = 0", "permission denied"),
        ("state = 'bounced'", "permission denied"),
        ("notification_id = notification_id + 1", "never changed"),
    ]
    for what, why in cases:
        with (
            pytest.raises(ProgrammingError, match=why),
            as_role("worker"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(change.format(what))


def test_a_campaign_that_is_being_cancelled_is_settled_first() -> None:
    """A worker may have its message in hand: what became of it is still to be written down."""
    campaign = built(PEOPLE)
    AffectedList.objects.update(state=ListState.WITHDRAWN)
    Campaign.objects.update(state=CampaignState.CANCELLED)
    close()
    assert Notification.objects.count() == 2
    assert key_store().exists(f"breach/{campaign.breach_id}/1")
    with as_role("worker"):
        cancel_messages(campaign_id=campaign.pk, now=cast.NOW)
    close(on=timedelta(hours=1))
    assert not Notification.objects.exists()


def test_a_clock_that_was_set_back_hinders_no_proof(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(closing, "_erase_slice", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            close(on=timedelta(hours=1))
    close()
    proof = Erasure.objects.get(kind=ErasureKind.MESSAGES)
    assert proof.finished_at == proof.begun_at == cast.NOW + timedelta(hours=1)
