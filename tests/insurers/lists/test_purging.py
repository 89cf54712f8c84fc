"""A purge: the key first, then the rows; what stays is the proof."""

import pytest
from django.db import connection

from audit.models import AuditEntry
from insurers import tasks
from insurers.lists.contacts import open_contacts
from insurers.lists.keystore import KeyNotFoundError, key_store
from insurers.lists.purging import (
    PurgeRefusedError,
    purge_contacts,
    purge_list,
    purges_under_way,
    run_purge,
)
from insurers.lists.sealing import DamagedError, ListSealer
from insurers.models import AffectedList, AffectedMember, ListPurge, ListState
from notifications.campaigns import CampaignRefused
from notifications.models import Campaign, CampaignState
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
from tests.notifications.story import approved, submitted

pytestmark = pytest.mark.django_db


def taken_in() -> AffectedList:
    return accepted(csv_file(LISE, OMAR))


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
    assert len(keys) == 2
    for key in keys:
        for ordinal, sealed in copy:
            with pytest.raises(DamagedError):
                ListSealer(key=key, list_id=affected_list.pk).open(ordinal, sealed)


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
    assert (affected_list.state, affected_list.members) == (ListState.ACCEPTED, 2)
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
def test_a_list_whose_campaign_is_in_progress_is_not_purged(purge_of: object) -> None:
    affected_list = taken_in()
    campaign = approved(affected_list)
    with pytest.raises(PurgeRefusedError):
        purge_of(affected_list=affected_list, requested_by=None, now=cast.NOW)  # type: ignore[operator]
    Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.FINISHED)
    purge_of(affected_list=affected_list, requested_by=None, now=cast.NOW)  # type: ignore[operator]


def test_no_campaign_is_submitted_once_a_purge_was_asked_for() -> None:
    affected_list = taken_in()
    purge_contacts(affected_list=affected_list, requested_by=None, now=cast.NOW)
    with pytest.raises(CampaignRefused):
        submitted(affected_list)
