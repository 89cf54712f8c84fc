"""Nothing is sent without a complete notice and a second person's approval."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail as django_mail
from django.db import IntegrityError, connection, transaction
from django.test import Client

from audit.models import AuditEntry
from insurers.models import AffectedList, Role
from notifications.campaigns.approving import approve_campaign, return_campaign
from notifications.campaigns.steps import CampaignRefused
from notifications.models import Campaign, CampaignState, NoticeVersion
from tests import cast
from tests.conftest import as_role
from tests.insurers.api.programs import new_token
from tests.notifications.story import (
    APPROVAL,
    EVERY_POINT,
    draft_for,
    notice_for,
    submitted,
)

pytestmark = pytest.mark.django_db

OnCommit = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def campaign(listed: AffectedList) -> Campaign:
    return submitted(listed)


def approve(campaign: Campaign, person_id: int) -> Campaign:
    return approve_campaign(
        campaign_id=campaign.pk,
        approver_id=person_id,
        checked_points=EVERY_POINT,
        shared_addresses_confirmed=False,
        now=cast.NOW,
    )


def test_an_approver_approves(campaign: Campaign) -> None:
    assert approve(campaign, cast.armand().pk).state == CampaignState.APPROVED


def test_who_uploaded_edited_or_submitted_cannot_approve(campaign: Campaign) -> None:
    with pytest.raises(CampaignRefused):
        approve(campaign, cast.paule().pk)


def test_one_person_with_both_roles_cannot_approve_her_own_work(
    campaign: Campaign, client: Client
) -> None:
    cast.member_of(cast.phare(), "paule", Role.APPROVER)
    cast.sign_in(client, cast.paule())
    client.post(f"/espace/campagnes/{campaign.pk}/approuver/", APPROVAL)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SUBMITTED
    assert AuditEntry.objects.filter(action="campaign.approved", outcome="refused").exists()


def test_an_editor_of_any_version_cannot_approve(campaign: Campaign) -> None:
    NoticeVersion.objects.filter(number=1).update(edited_by=cast.armand())
    with pytest.raises(CampaignRefused):
        approve(campaign, cast.armand().pk)


def test_who_made_the_token_that_sent_the_list_cannot_approve(campaign: Campaign) -> None:
    token = new_token(by=cast.armand()).token
    AffectedList.objects.update(uploaded_by=None, uploaded_with=token)
    with pytest.raises(CampaignRefused):
        approve(campaign, cast.armand().pk)


def test_the_database_refuses_the_submitter_as_approver(campaign: Campaign) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.update(approved_by=campaign.submitted_by, approved_at=cast.NOW)


def test_the_database_refuses_to_send_without_approval(campaign: Campaign) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.update(state=CampaignState.SENDING)


def test_what_changed_after_submission_cannot_be_approved(campaign: Campaign) -> None:
    NoticeVersion.objects.filter(pk=campaign.notice_version_id).update(sha256=b"\0" * 32)
    with pytest.raises(CampaignRefused):
        approve(campaign, cast.armand().pk)


def test_the_web_role_cannot_change_a_saved_version(campaign: Campaign) -> None:
    with pytest.raises(Exception, match="permission denied"), transaction.atomic(), as_role("web"):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE notifications_noticeversion SET content = '{}'")


def test_an_incomplete_notice_cannot_be_submitted(client: Client, listed: AffectedList) -> None:
    draft = draft_for(listed)
    cast.sign_in(client, cast.paule())
    client.post(
        f"/espace/avis/{draft.notice_id}/soumettre/",
        {"version": draft.number, "affected_list": listed.pk, "channels": ["email"]},
    )
    assert not Campaign.objects.exists()


def test_the_start_asked_for_on_the_page_is_in_the_plan_by_the_clock_of_paris(
    client: Client, listed: AffectedList
) -> None:
    version = notice_for(listed)
    cast.sign_in(client, cast.paule())
    client.post(
        f"/espace/avis/{version.notice_id}/soumettre/",
        {
            "version": version.number,
            "affected_list": listed.pk,
            "channels": ["email"],
            "starts_at": "2099-07-01T08:30",
        },
    )
    assert Campaign.objects.get().starts_at == datetime(2099, 7, 1, 6, 30, tzinfo=UTC)


def test_a_preparer_does_not_reach_approval(campaign: Campaign, client: Client) -> None:
    cast.sign_in(client, cast.paule())
    answer = client.post(f"/espace/campagnes/{campaign.pk}/approuver/", APPROVAL)
    assert answer.status_code == 403


def test_another_insurers_campaign_does_not_exist(campaign: Campaign, client: Client) -> None:
    cast.sign_in(client, cast.didier())
    assert client.get(f"/espace/campagnes/{campaign.pk}/").status_code == 404


def test_a_returned_list_can_be_submitted_again(campaign: Campaign) -> None:
    return_campaign(
        campaign_id=campaign.pk, approver_id=cast.armand().pk, comment="Précisez.", now=cast.NOW
    )
    assert submitted(campaign.affected_list).pk != campaign.pk


def test_a_returned_campaign_is_mailed_to_those_who_prepared_it(
    campaign: Campaign, django_capture_on_commit_callbacks: OnCommit
) -> None:
    cast.vera()
    armand = cast.armand().pk
    with django_capture_on_commit_callbacks(execute=True):
        return_campaign(
            campaign_id=campaign.pk, approver_id=armand, comment="Précisez.", now=cast.NOW
        )
    sent = [(mail.to, mail.subject) for mail in django_mail.outbox]
    assert sent == [
        (
            ["paule@phare.example.fr"],
            f"Campagne n° {campaign.pk} de {cast.phare()}\u00a0: à corriger",
        )
    ]
    assert f"/espace/campagnes/{campaign.pk}/" in django_mail.outbox[0].body
    assert "Précisez." not in django_mail.outbox[0].body


def test_a_list_has_one_campaign_at_a_time(campaign: Campaign) -> None:
    with pytest.raises(CampaignRefused):
        submitted(campaign.affected_list)


def test_each_step_is_in_the_trail(campaign: Campaign) -> None:
    approve(campaign, cast.armand().pk)
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"notice.saved", "campaign.submitted", "campaign.approved"} <= actions


def test_a_notice_form_shows_what_is_missing(client: Client, listed: AffectedList) -> None:
    draft = draft_for(listed)
    cast.sign_in(client, cast.paule())
    page = client.get(f"/espace/avis/{draft.notice_id}/").content.decode()
    assert "34(2), 33(3)(c)" in page


def test_saving_makes_a_new_version(client: Client, listed: AffectedList) -> None:
    version = notice_for(listed)
    cast.sign_in(client, cast.paule())
    page = client.get(f"/espace/avis/{version.notice_id}/")
    data = {name: value for name, value in page.context["form"].initial.items() if value}
    client.post(f"/espace/avis/{version.notice_id}/", data | {"fr_subject": "Autre objet"})
    assert version.notice.versions.count() == 3


def test_the_approver_previews_the_version_submitted(campaign: Campaign, client: Client) -> None:
    cast.sign_in(client, cast.armand())
    page = client.get(f"/espace/campagnes/{campaign.pk}/").content.decode()
    address = f"/espace/avis/{campaign.notice_version.notice_id}/apercu/?version=2"
    assert address in page
    assert "Version 2" in client.get(address).content.decode()


def test_an_auditor_of_another_breach_sees_nothing_of_this_one(
    campaign: Campaign, client: Client
) -> None:
    auditor = cast.aude()
    auditor.mandates.get().breaches.clear()
    cast.sign_in(client, auditor)
    notice = campaign.notice_version.notice_id
    for address in (f"/espace/campagnes/{campaign.pk}/", f"/espace/avis/{notice}/apercu/"):
        assert client.get(address).status_code == 404
    assert (
        f"/espace/campagnes/{campaign.pk}/" not in client.get("/espace/campagnes/").content.decode()
    )


def test_a_form_sent_after_the_session_ended_comes_back_to_its_page(
    campaign: Campaign, client: Client
) -> None:
    answer = client.post(
        f"/espace/campagnes/{campaign.pk}/approuver/",
        headers={"Referer": f"http://testserver/espace/campagnes/{campaign.pk}/"},
    )
    assert answer["Location"].endswith(f"next=/espace/campagnes/{campaign.pk}/")
