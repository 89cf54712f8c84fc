"""Versions of a notice: what changed, and what a change does to what waits with one before."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.test import Client, override_settings
from hypothesis import given
from hypothesis import strategies as st

from audit.models import AuditEntry
from insurers.models import AffectedList, ExposedData, Role
from notifications.campaigns.approving import approve_campaign, return_campaign
from notifications.campaigns.steps import CampaignRefused
from notifications.campaigns.submitting import submit_campaign
from notifications.models import Approval, Campaign, CampaignState, Channel
from notifications.notices.content import NoticeContent
from notifications.notices.revising import Revision, revise
from notifications.notices.version_changes import changes, pieces
from notifications.outbox.building import build_outbox
from tests import cast
from tests.conftest import as_role
from tests.notifications.story import (
    APPROVAL,
    EVERY_POINT,
    approved,
    complete,
    draft_for,
    notice_for,
    submitted,
    with_outbox,
)

pytestmark = pytest.mark.django_db


def revised(campaign: Campaign, **texts: str) -> Revision:
    version = campaign.notice_version
    content = NoticeContent.from_json(version.content)
    return revise(
        notice=version.notice,
        content=replace(content, fr=replace(content.fr, **texts)),
        changes=version.number,
        author_id=cast.paule().pk,
        now=cast.NOW,
    )


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


def test_a_change_returns_what_was_submitted_with_the_version_before(listed: AffectedList) -> None:
    campaign = submitted(listed)
    revision = revised(campaign, advice="Changez vos habitudes, et méfiez-vous des appels reçus.")
    campaign.refresh_from_db()
    assert (len(revision.taken_back), campaign.state) == (1, CampaignState.RETURNED)
    assert str(revision.version.number) in campaign.return_comment


def test_a_change_after_approval_makes_a_draft_again(listed: AffectedList) -> None:
    campaign = approved(listed)
    assert revised(campaign, advice="Méfiez-vous des appels qui citent vos soins.").taken_back == (
        campaign,
    )
    campaign.refresh_from_db()
    assert (campaign.state, campaign.approved_by_id) == (CampaignState.RETURNED, None)
    with as_role("worker"):
        assert not build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    campaign.affected_list.refresh_from_db()
    assert not campaign.affected_list.is_in_use


def test_a_campaign_under_way_keeps_the_version_that_was_approved(listed: AffectedList) -> None:
    campaign = with_outbox(approved(listed))
    assert revised(campaign, advice="Méfiez-vous des appels qui citent vos soins.").taken_back == ()
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENDING


def test_saving_the_same_again_is_no_version(listed: AffectedList) -> None:
    campaign = submitted(listed)
    revision = revised(campaign)
    campaign.refresh_from_db()
    assert (revision.is_new, campaign.state) == (False, CampaignState.SUBMITTED)


def test_an_approved_campaign_that_starts_later_can_be_returned(listed: AffectedList) -> None:
    campaign = approved(listed, starts_at=cast.NOW + timedelta(hours=1))
    with as_role("worker"):
        assert not build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    returned = return_campaign(
        campaign_id=campaign.pk, approver_id=cast.armand().pk, comment="Trop tôt.", now=cast.NOW
    )
    assert returned.state == CampaignState.RETURNED


@pytest.mark.parametrize("missing", EVERY_POINT)
def approve(campaign: Campaign, points: Collection[str] = EVERY_POINT) -> Campaign:
    return approve_campaign(
        campaign_id=campaign.pk,
        approver_id=cast.armand().pk,
        checked_points=points,
        shared_addresses_confirmed=False,
        now=cast.NOW,
    )


@override_settings(SMS_ACCOUNT={"sender": "MutPhare"})
@pytest.mark.parametrize("missing", EVERY_POINT)
def test_an_approver_vouches_for_each_point(listed: AffectedList, missing: str) -> None:
    campaign = submitted(listed)
    with pytest.raises(CampaignRefused):
        approve(campaign, set(EVERY_POINT) - {missing})
    approve(campaign)
    assert set(Approval.objects.get().checked_points) == set(EVERY_POINT)


def test_a_point_left_out_is_named_and_the_others_stay_ticked(
    client: Client, listed: AffectedList
) -> None:
    campaign = submitted(listed)
    cast.sign_in(client, cast.armand())
    ticked = {name: "on" for name in APPROVAL if name != "point_measures"}
    answer = client.post(f"/espace/campagnes/{campaign.pk}/approuver/", ticked)
    assert answer.status_code == 422
    form = answer.context["approval_form"]
    assert list(form.errors) == ["point_measures"]
    assert form["point_nature"].value() is True


def test_the_approver_sees_what_changed_since_the_last_approval(
    client: Client, listed: AffectedList
) -> None:
    first = approved(listed)
    revision = revised(first, advice="Prévenez vos proches : ils recevront peut-être des appels.")
    second = submit(revision, first)
    page = cast.sign_in(client, cast.armand()).get(f"/espace/campagnes/{second.pk}/")
    assert "approuvée la dernière" in page.content.decode()
    assert "<ins>" in page.content.decode()
    assert "Prévenez" in page.content.decode()


def submit(revision: Revision, campaign: Campaign) -> Campaign:
    return submit_campaign(
        version=revision.version,
        affected_list=campaign.affected_list,
        channels=(Channel.EMAIL,),
        submitted_by_id=cast.paule().pk,
        now=cast.NOW,
    )


def test_only_the_latest_version_is_submitted(client: Client, listed: AffectedList) -> None:
    campaign = submitted(listed)
    old = Revision(campaign.notice_version, is_new=False)
    revised(campaign, advice="Méfiez-vous des appels qui citent vos soins de santé.")
    with pytest.raises(CampaignRefused):
        submit(old, campaign)
    cast.sign_in(client, cast.paule())
    form = {"version": 2, "affected_list": campaign.affected_list_id, "channels": "email"}
    client.post(f"/espace/avis/{campaign.notice_version.notice_id}/soumettre/", form)
    assert Campaign.objects.count() == 1


def test_what_the_directory_has_learnt_since_is_to_be_said(listed: AffectedList) -> None:
    campaign = submitted(listed)
    ExposedData.objects.filter(category__code="bank_details").update(
        is_exposed=True, certainty="confirmed"
    )
    with pytest.raises(CampaignRefused):
        approve(campaign)


def test_who_made_and_who_approved_it_are_mailed_when_a_change_takes_it_back(
    listed: AffectedList, django_capture_on_commit_callbacks: Any
) -> None:
    campaign = approved(listed)
    cast.member_of(cast.phare(), "petra", Role.PREPARER)
    content = replace(NoticeContent.from_json(campaign.notice_version.content), dpo_name="Dom")
    with django_capture_on_commit_callbacks(execute=True):
        revise(
            notice=campaign.notice_version.notice,
            content=content,
            changes=campaign.notice_version.number,
            author_id=cast.user("petra").pk,
            now=cast.NOW,
        )
    told = {address for message in django_mail.outbox for address in message.to}
    assert told == {cast.paule().email, cast.armand().email}


@pytest.mark.parametrize("text", ["a ", "a\n"])
def test_texts_that_repeat_are_compared_in_a_moment(text: str) -> None:
    before, after = text * 2500, (text.replace("a", "b") + text) * 1250
    found = pieces(before, after)
    assert "".join(piece.text for piece in found if piece.kind != "added") == before
    assert "".join(piece.text for piece in found if piece.kind != "removed") == after


@given(st.text("ab \n", max_size=60), st.text("ab \n", max_size=60))
def test_pieces_are_both_texts(before: str, after: str) -> None:
    found = pieces(before, after)
    assert "".join(piece.text for piece in found if piece.kind != "added") == before
    assert "".join(piece.text for piece in found if piece.kind != "removed") == after
    assert all(piece.text for piece in found)


def test_the_versions_page_compares_two(client: Client, listed: AffectedList) -> None:
    version = notice_for(listed)
    cast.sign_in(client, cast.vera())
    page = client.get(f"/espace/avis/{version.notice_id}/versions/").content.decode()
    assert "De la version 1 à la version 2" in page
    assert bytes(version.sha256).hex() in page
    assert "<ins>" in page


def test_two_people_who_write_at_once_are_told(client: Client, listed: AffectedList) -> None:
    draft = draft_for(listed)
    address = f"/espace/avis/{draft.notice_id}/"
    cast.sign_in(client, cast.paule())
    shown = client.get(address)
    data = {name: value for name, value in shown.context["form"].initial.items() if value}
    revise(
        notice=draft.notice,
        content=complete(NoticeContent.from_json(draft.content)),
        changes=draft.number,
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
