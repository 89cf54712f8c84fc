"""A purge: the key first, then the rows; what stays is the proof."""

from collections.abc import Callable, Sequence

import pytest
from django.db import connection
from django.db.models import Sum

from audit.models import AuditEntry
from insurers import tasks
from insurers.lists.contacts import (
    EMAIL_ERASED,
    EMAIL_SHARED,
    ContactOpener,
    open_contacts,
)
from insurers.lists.keystore import KeyNotFoundError, key_store
from insurers.lists.purging import (
    PurgeRefusedError,
    purge_contacts,
    purge_list,
    purges_under_way,
    run_purge,
)
from insurers.lists.sealing import DamagedError
from insurers.lists.withdrawal import decide_to_withdraw, withdraw_list
from insurers.models import AffectedList, AffectedMember, ListingMark, ListPurge, ListState
from notifications.campaigns.cancelling import cancel_messages
from notifications.campaigns.steps import CampaignRefused
from notifications.campaigns.stopping import cancel_campaign
from notifications.channels import Outcome
from notifications.models import (
    Campaign,
    CampaignState,
    Channel,
    CrowdedAddress,
    Notification,
    State,
    Tally,
    Told,
)
from notifications.outbox.settling import settle_stale
from notifications.register.figures import campaign_figures
from notifications.register.glance import lines_of
from notifications.sending.leases import claim_batch, close_batch
from notifications.sending.outcomes import finish_if_done, record_outcome
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import (
    LISE,
    OMAR,
    accepted,
    csv_file,
    members_of,
    read,
    table_exists,
)
from tests.notifications.story import (
    accepted_list,
    approved,
    built,
    member,
    reviewed_list,
    submitted,
)

pytestmark = pytest.mark.django_db


def taken_in() -> AffectedList:
    """A list that may be purged: it was withdrawn before anybody was told."""
    affected_list = accepted(csv_file(LISE, OMAR))
    withdraw(affected_list)
    return affected_list


def withdraw(affected_list: AffectedList) -> None:
    decide_to_withdraw(affected_list=affected_list, decided_by=cast.paule(), now=cast.NOW)
    with as_role("worker"):
        withdraw_list(list_id=affected_list.pk)
    affected_list.refresh_from_db()


def run(purge: ListPurge) -> None:
    with as_role("worker"):
        run_purge(purge_id=purge.pk, now=cast.NOW)
    purge.refresh_from_db()


def without_contacts(affected_list: AffectedList) -> ListPurge:
    purge = purge_contacts(affected_list=affected_list, requested_by=cast.paule(), now=cast.NOW)
    run(purge)
    affected_list.refresh_from_db()
    return purge


def test_contacts_go_and_members_stay() -> None:
    affected_list = taken_in()
    before = [(m.ordinal, m.fingerprint, m.name_tag) for m in members_of(affected_list)]
    without_contacts(affected_list)
    members = members_of(affected_list)
    assert [(m.ordinal, m.fingerprint, m.name_tag) for m in members] == before
    assert {(m.contact, m.email_fingerprint, m.phone_fingerprint) for m in members} == {
        (None, None, None)
    }
    assert affected_list.contacts_purged_at == cast.NOW


def test_a_copy_made_before_the_purge_opens_with_no_key_that_is_left() -> None:
    affected_list = taken_in()
    copy = [(m.ordinal, bytes(m.contact or b"")) for m in members_of(affected_list)]
    without_contacts(affected_list)
    with pytest.raises(KeyNotFoundError):
        open_contacts(affected_list)
    keys = [key_store().get(name) for name in key_store().names()]
    assert len(keys) == 1  # The breach's: no contact of the insurer is left.
    for key in keys:
        for ordinal, sealed in copy:
            with pytest.raises(DamagedError):
                ContactOpener(key).open(ordinal, sealed)


def test_the_rewritten_partition_is_visible_and_indexed() -> None:
    affected_list = taken_in()
    without_contacts(affected_list)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relispartition, (SELECT count(*) FROM pg_index WHERE indrelid = c.oid)"
            " FROM pg_class c WHERE oid = to_regclass(%s)",
            [f"members.list_{affected_list.pk}"],
        )
        assert cursor.fetchone() == (True, 2)


def test_a_purged_list_has_no_members_and_keeps_its_counts() -> None:
    affected_list = taken_in()
    run(purge_list(affected_list=affected_list, requested_by=None, now=cast.NOW))
    affected_list.refresh_from_db()
    assert not table_exists(affected_list.pk)
    assert not AffectedMember.objects.exists()
    assert not key_store().exists(f"list/{affected_list.pk}/1")
    assert (affected_list.state, affected_list.members) == (ListState.WITHDRAWN, 2)
    assert not ListingMark.objects.exists()
    assert affected_list.purged_at == affected_list.contacts_purged_at == cast.NOW


def test_a_list_can_be_purged_after_its_contacts() -> None:
    affected_list = taken_in()
    without_contacts(affected_list)
    run(purge_list(affected_list=affected_list, requested_by=None, now=cast.NOW))
    assert not table_exists(affected_list.pk)


@pytest.mark.parametrize("purge_of", [purge_list, purge_contacts])
def test_a_purge_that_died_after_the_key_is_finished_by_the_sweep(
    purge_of: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    affected_list = taken_in()
    purge = purge_of(affected_list=affected_list, requested_by=None, now=cast.NOW)  # type: ignore[operator]
    ListPurge.objects.filter(pk=purge.pk).update(key_destroyed_at=cast.NOW)
    key_store().destroy(f"list/{affected_list.pk}/1")
    monkeypatch.setattr(tasks, "enqueue", lambda task, **ids: task(**ids))
    with as_role("worker"):
        tasks.resume_lists()
    assert purges_under_way() == []
    assert not AffectedMember.objects.exclude(contact=None).exists()


def test_the_proof_says_what_went_when_and_who_asked() -> None:
    affected_list = taken_in()
    purge = without_contacts(affected_list)
    assert (purge.members, purge.contacts, purge.key_name) == (2, 2, f"list/{affected_list.pk}/1")
    assert purge.requested_by == cast.paule()
    assert purge.key_destroyed_at == purge.finished_at == cast.NOW
    entries = AuditEntry.objects.filter(action__in=("list.purge_asked", "list.purged"))
    assert [entry.action for entry in entries.order_by("pk")] == ["list.purge_asked", "list.purged"]


def test_asking_twice_is_one_purge() -> None:
    affected_list = taken_in()
    first = without_contacts(affected_list)
    assert without_contacts(affected_list) == first


def test_a_list_that_is_not_accepted_is_not_purged() -> None:
    with pytest.raises(PurgeRefusedError):
        purge_list(affected_list=read(csv_file(LISE)), requested_by=None, now=cast.NOW)


@pytest.mark.parametrize("purge_of", [purge_list, purge_contacts])
def test_a_list_whose_campaign_is_in_progress_is_not_purged(
    purge_of: Callable[..., ListPurge],
) -> None:
    affected_list = accepted(csv_file(LISE, OMAR))
    campaign = approved(affected_list)
    with pytest.raises(PurgeRefusedError):
        purge_of(affected_list=affected_list, requested_by=None, now=cast.NOW)
    Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.FINISHED)
    purge_of(affected_list=affected_list, requested_by=None, now=cast.NOW)


def test_a_list_whose_campaign_was_cancelled_is_purged_once_nothing_waits() -> None:
    campaign = built([member(1, email="a@example.fr")])
    affected_list = campaign.affected_list
    cancel_campaign(campaign_id=campaign.pk, approver_id=cast.armand().pk, now=cast.NOW)
    with pytest.raises(PurgeRefusedError):
        purge_list(affected_list=affected_list, requested_by=None, now=cast.NOW)
    cancel_messages(campaign_id=campaign.pk, now=cast.NOW)
    withdraw(affected_list)
    run(purge_list(affected_list=affected_list, requested_by=None, now=cast.NOW))
    assert members_of(affected_list) == []


def test_an_accepted_list_of_which_nobody_was_told_is_not_purged() -> None:
    with pytest.raises(PurgeRefusedError) as refused:
        purge_list(affected_list=accepted(csv_file(LISE)), requested_by=None, now=cast.NOW)
    assert "retirez" in str(refused.value.message)


def test_no_campaign_is_submitted_once_a_purge_was_asked_for() -> None:
    affected_list = finished([member(1, email="a@example.fr")]).affected_list
    purge_contacts(affected_list=affected_list, requested_by=None, now=cast.NOW)
    with pytest.raises(CampaignRefused):
        submitted(affected_list)


def finished(rows: Sequence[str]) -> Campaign:
    """A campaign over these rows, all its messages taken by the server."""
    campaign = built(rows)
    for message in Notification.objects.filter(campaign=campaign):
        batch = claim_batch(campaign_id=campaign.pk, channel=Channel(message.channel), now=cast.NOW)
        if batch is None:
            break
        for leased in Notification.objects.filter(batch=batch):
            outcome = Outcome(leased.pk, State.ACCEPTED, "")
            record_outcome(batch_id=batch, outcome=outcome, now=cast.NOW)
        close_batch(batch_id=batch, now=cast.NOW, due_at=cast.NOW)
    assert finish_if_done(campaign_id=campaign.pk, now=cast.NOW)
    campaign.refresh_from_db()
    return campaign


def people(campaign: Campaign) -> dict[str, int]:
    figures = campaign_figures(campaign)
    return {standing.value: count for standing, count in figures.people.items() if count}


def test_messages_keep_their_figures_and_lose_their_addresses() -> None:
    campaign = finished([member(n, email="maison@example.fr") for n in range(3)])
    before = people(campaign)
    without_contacts(campaign.affected_list)
    assert people(campaign) == before == {"told": 3}
    assert set(Notification.objects.values_list("address_fingerprint", flat=True)) == {None}
    assert Told.objects.count() == 3


def test_who_was_told_is_not_told_again_after_the_purge() -> None:
    campaign = finished([member(1, email="a@example.fr")])
    run(purge_list(affected_list=campaign.affected_list, requested_by=None, now=cast.NOW))
    again = built([member(1, email="a@example.fr"), member(2, email="b@example.fr")])
    assert Notification.objects.filter(campaign=again).count() == 1
    assert people(again) == {"told_already": 1, "in_progress": 1}


def test_crowded_addresses_go_and_why_nobody_was_written_to_stays() -> None:
    campaign = finished(
        [
            *(member(n, email="accueil@example.fr") for n in range(9)),
            member(10, email="a@example.fr"),
        ]
    )
    assert CrowdedAddress.objects.exists()
    without_contacts(campaign.affected_list)
    assert not CrowdedAddress.objects.exists()
    flags = [m.contact_flags for m in members_of(campaign.affected_list)]
    assert flags == [EMAIL_ERASED | EMAIL_SHARED] * 9 + [EMAIL_ERASED]


def test_the_address_key_goes_with_the_last_contact_of_the_insurer() -> None:
    first, second = taken_in(), finished([member(1, email="a@example.fr")]).affected_list
    name = f"address/{first.insurer_id}/1"
    without_contacts(first)
    assert key_store().exists(name)
    without_contacts(second)
    assert not key_store().exists(name)
    assert AuditEntry.objects.filter(action="address_key.destroyed").count() == 1


def test_the_trail_says_once_that_the_address_key_went() -> None:
    affected_list = finished([member(1, email="a@example.fr")]).affected_list
    without_contacts(affected_list)
    run(purge_list(affected_list=affected_list, requested_by=None, now=cast.NOW))
    assert AuditEntry.objects.filter(action="address_key.destroyed").count() == 1


def test_a_later_list_is_read_under_a_new_address_key() -> None:
    without_contacts(taken_in())
    later = read(csv_file("B2;1981-01-01;;;b@example.fr;"))
    assert later.address_key == 2
    assert key_store().exists(f"address/{later.insurer_id}/2")


def test_a_list_that_is_being_read_keeps_the_address_key() -> None:
    affected_list, reading = taken_in(), read(csv_file("B2;1981-01-01;;;b@example.fr;"))
    AffectedList.objects.filter(pk=reading.pk).update(state=ListState.INGESTING)
    without_contacts(affected_list)
    assert key_store().exists(f"address/{affected_list.insurer_id}/1")


def test_settling_after_a_purge_counts_whom_it_counted_before() -> None:
    campaign = finished(
        [member(1, email="a@example.fr"), member(2), member(3, email="c@example.fr")]
    )
    without_contacts(campaign.affected_list)
    ListingMark.objects.bulk_create(
        ListingMark(list_id=m.list_id, ordinal=m.ordinal, is_counted=False, ended="", is_stale=True)
        for m in members_of(campaign.affected_list)
    )
    # They count elsewhere, say the marks; on no list that is known: they count here again.
    with as_role("worker"):
        settle_stale(now=cast.NOW)
    assert not ListingMark.objects.filter(is_stale=True).exists()
    tallies = Tally.objects.filter(campaign=campaign).values_list("state", "reason")
    moved = tallies.annotate(n=Sum("uncounted")).exclude(n=0).order_by("state")
    assert list(moved) == [("accepted", "", -2), ("unreachable", "no_contact", -1)]


def test_people_who_count_on_a_purged_list_do_not_count_twice() -> None:
    cast.phare_at_both_operators()
    first = finished([member(1, email="a@example.fr")]).affected_list
    second = accepted_list([member(1, email="b@example.fr")], operators=("betapay",))
    run(purge_list(affected_list=first, requested_by=None, now=cast.NOW))
    ListingMark.objects.filter(list_id=second.pk).update(is_stale=True)
    with as_role("worker"):
        settle_stale(now=cast.NOW)
    line = lines_of(breach=cast.breach(), insurers=[cast.phare().pk])[0]
    assert line.figures.listed == 1


def test_nobody_of_a_purged_list_is_said_to_be_gone() -> None:
    campaign = finished([member(1, email="a@example.fr"), member(2, email="b@example.fr")])
    run(purge_list(affected_list=campaign.affected_list, requested_by=None, now=cast.NOW))
    later = reviewed_list([member(1, email="a@example.fr")])
    assert (later.report.gone, later.report.previous_id) == (0, None)
