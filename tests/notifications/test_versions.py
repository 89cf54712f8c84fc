"""Versions of a notice: what changed, and what a change does to what waits with one before."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client

from audit.models import AuditEntry
from notifications.campaigns import CampaignRefused, approve_campaign, return_campaign
from notifications.models import Campaign, CampaignState
from notifications.notices import NoticeContent
from notifications.outbox import build_outbox
from notifications.revising import Revision, revise
from notifications.version_changes import changes, pieces
from tests import cast
from tests.conftest import as_role
from tests.notifications.story import (
    EVERY_POINT,
    accepted_list,
    approved,
    built,
    complete,
    draft_for,
    member,
    notice_for,
    submitted,
)

pytestmark = pytest.mark.django_db


def revised(campaign: Campaign, **texts: str) -> Revision:
    version = campaign.notice_version
    content = NoticeContent.from_json(version.content)
    return revise(
        notice=version.notice,
        content=replace(content, fr=replace(content.fr, **texts)),
        author_id=cast.paule().pk,
        now=cast.NOW,
    )


@pytest.fixture
def lists_rows() -> list[str]:
    return [member(1, email="a@example.fr")]


def test_words_that_went_and_came_are_told_apart() -> None:
    found = pieces("Le portail est fermé.", "Le portail est rouvert.")
    assert [(piece.kind, piece.text) for piece in found] == [
        ("same", "Le portail est "),
        ("removed", "fermé."),
        ("added", "rouvert."),
    ]


def test_each_field_that_changed_is_named_once() -> None:
    before = NoticeContent(exposed=("birth_date",), dpo_name="Dominique")
    after = replace(before, exposed=("birth_date", "member_number"), dpo_name="Dom")
    found = changes(before, after, categories={"birth_date": "Naissance", "member_number": "N°"})
    assert [change.field for change in found] == ["exposed", "dpo_name"]
    assert changes(before, before, categories={}) == []


def test_a_change_returns_what_was_submitted_with_the_version_before(lists_rows: list[str]) -> None:
    campaign = submitted(accepted_list(lists_rows))
    revision = revised(campaign, advice="Changez vos habitudes, et méfiez-vous des appels reçus.")
    campaign.refresh_from_db()
    assert (revision.taken_back, campaign.state) == (1, CampaignState.RETURNED)
    assert str(revision.version.number) in campaign.return_comment


def test_a_change_after_approval_makes_a_draft_again(lists_rows: list[str]) -> None:
    campaign = approved(accepted_list(lists_rows))
    assert revised(campaign, advice="Méfiez-vous des appels qui citent vos soins.").taken_back == 1
    campaign.refresh_from_db()
    assert (campaign.state, campaign.approved_by_id) == (CampaignState.RETURNED, None)
    with as_role("worker"):
        assert not build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    campaign.affected_list.refresh_from_db()
    assert not campaign.affected_list.is_in_use


def test_a_campaign_under_way_keeps_the_version_that_was_approved(lists_rows: list[str]) -> None:
    campaign = built(lists_rows)
    assert revised(campaign, advice="Méfiez-vous des appels qui citent vos soins.").taken_back == 0
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENDING


def test_saving_the_same_again_is_no_version(lists_rows: list[str]) -> None:
    campaign = submitted(accepted_list(lists_rows))
    revision = revised(campaign)
    campaign.refresh_from_db()
    assert (revision.is_new, campaign.state) == (False, CampaignState.SUBMITTED)


def test_an_approved_campaign_that_starts_later_can_be_returned(lists_rows: list[str]) -> None:
    campaign = approved(accepted_list(lists_rows), starts_at=cast.NOW + timedelta(hours=1))
    with as_role("worker"):
        assert not build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    returned = return_campaign(
        campaign_id=campaign.pk, approver_id=cast.armand().pk, comment="Trop tôt.", now=cast.NOW
    )
    assert returned.state == CampaignState.RETURNED


@pytest.mark.parametrize("missing", EVERY_POINT)
def test_an_approver_vouches_for_each_point(lists_rows: list[str], missing: str) -> None:
    campaign = submitted(accepted_list(lists_rows))
    if missing not in [*campaign.plan["channels"], *EVERY_POINT[:-1]]:
        pytest.fail("no such point")
    with pytest.raises(CampaignRefused):
        approve_campaign(
            campaign_id=campaign.pk,
            approver_id=cast.armand().pk,
            checked_points=set(EVERY_POINT) - {missing},
            shared_addresses_confirmed=False,
            now=cast.NOW,
        )


def test_the_points_are_kept_with_the_approval(lists_rows: list[str]) -> None:
    campaign = approved(accepted_list(lists_rows))
    assert set(campaign.checked_points) <= set(EVERY_POINT)
    assert "consequences" in campaign.checked_points


def test_the_approver_sees_what_changed_since_the_last_approval(
    client: Client, lists_rows: list[str]
) -> None:
    first = approved(accepted_list(lists_rows))
    revision = revised(first, advice="Prévenez vos proches : ils recevront peut-être des appels.")
    Campaign.objects.filter(pk=first.pk).update(
        state=CampaignState.FINISHED, approved_by=cast.armand(), approved_at=cast.NOW
    )
    second = Campaign.objects.create(
        insurer=first.insurer,
        breach=first.breach,
        notice_version=revision.version,
        affected_list=first.affected_list,
        kind="complement",
        kind_reason="Précision",
        plan=first.plan,
        sha256=b"",
        state=CampaignState.SUBMITTED,
        submitted_by=cast.paule(),
        submitted_at=cast.NOW,
    )
    page = cast.sign_in(client, cast.armand()).get(f"/espace/campagnes/{second.pk}/")
    assert "<ins>" in page.content.decode()
    assert "Prévenez" in page.content.decode()


def test_the_versions_page_compares_two(client: Client, lists_rows: list[str]) -> None:
    version = notice_for(accepted_list(lists_rows))
    cast.sign_in(client, cast.vera())
    page = client.get(f"/espace/avis/{version.notice_id}/versions/").content.decode()
    assert "De la version 1 à la version 2" in page
    assert bytes(version.sha256).hex() in page
    assert "<ins>" in page


def test_two_people_who_write_at_once_are_told(client: Client, lists_rows: list[str]) -> None:
    draft = draft_for(accepted_list(lists_rows))
    address = f"/espace/avis/{draft.notice_id}/"
    cast.sign_in(client, cast.paule())
    shown = client.get(address)
    data = {name: value for name, value in shown.context["form"].initial.items() if value}
    revise(
        notice=draft.notice,
        content=complete(NoticeContent.from_json(draft.content)),
        author_id=cast.armand().pk,
        now=cast.NOW,
    )
    answer = client.post(address, data)
    assert "pendant que vous écriviez" in answer.content.decode()
    assert draft.notice.versions.count() == 2
    data["changes"] = answer.context["form"]["changes"].value()
    client.post(address, data)
    assert draft.notice.versions.count() == 3
    assert AuditEntry.objects.filter(action="notice.saved").count() == 3
