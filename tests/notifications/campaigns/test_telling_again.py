"""Only an approved complement or correction tells again, and only who was told."""

import pytest
from django.db import IntegrityError, transaction

from audit.models import AuditEntry
from insurers.models import AffectedList
from notifications.campaigns.approving import approve_campaign
from notifications.campaigns.steps import CampaignRefused
from notifications.campaigns.submitting import submit_campaign
from notifications.models import Campaign, CampaignKind, CampaignState, Channel, Told
from notifications.outbox.building import build_outbox
from notifications.register.figures import campaign_figures
from notifications.states import Standing
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications.effects import (
    add,
    check_figures,
    line,
    prepare,
    send,
    told_twice,
    withdraw,
    withdraw_whole,
)
from tests.notifications.story import EVERY_POINT, member, notice_for
from tests.smtp import Recorder

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail")]
LISE, OMAR, INES = (
    member(number, email=f"{name}@example.fr")
    for number, name in enumerate(("lise", "omar", "ines"), 1)
)
REASON = "La liste des données exposées était incomplète."


def complement(found: AffectedList, *, reason: str = REASON) -> Campaign:
    return submit_campaign(
        version=notice_for(found),
        affected_list=found,
        channels=(Channel.EMAIL, Channel.SMS),
        kind=CampaignKind.COMPLEMENT,
        kind_reason=reason,
        submitted_by_id=cast.paule().pk,
        now=cast.NOW,
    )


def approve(campaign: Campaign) -> Campaign:
    approve_campaign(
        campaign_id=campaign.pk,
        approver_id=cast.armand().pk,
        checked_points=EVERY_POINT,
        shared_addresses_confirmed=False,
        now=cast.NOW,
    )
    with as_role("worker"):
        build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    check_figures()
    campaign.refresh_from_db()
    return campaign


def told_list(*rows: str) -> AffectedList:
    found = add(*rows)
    send(prepare(found))
    return found


def test_a_complement_tells_again_who_was_told(mail: Recorder) -> None:
    found = told_list(member(1, email="lise@example.fr"))
    send(approve(complement(found)))
    assert mail.recipients == ["lise@example.fr"] * 2
    assert Told.objects.count() == 1


def test_who_is_on_two_lists_is_told_again_from_the_one_they_were_told_from(
    mail: Recorder,
) -> None:
    first = told_list(member(1, email="lise@example.fr"))
    second = told_list(member(1, email="lise@example.fr"), member(2, email="omar@example.fr"))
    send(approve(complement(second)))
    assert mail.recipients.count("lise@example.fr") == 1
    send(approve(complement(first)))
    assert sorted(mail.recipients) == ["lise@example.fr"] * 2 + ["omar@example.fr"] * 2


def test_who_was_told_from_a_list_that_left_is_told_again_from_the_other(mail: Recorder) -> None:
    first = told_list(member(1, email="lise@example.fr"))
    second = told_list(member(1, email="lise@example.fr"), member(2, email="omar@example.fr"))
    withdraw_whole(first)
    send(approve(complement(second)))
    assert mail.recipients.count("lise@example.fr") == 2


@pytest.mark.parametrize("first", ["lise@example.fr", ""])
def test_who_is_on_two_other_lists_is_told_again_from_one_that_gives_an_address(
    mail: Recorder, first: str
) -> None:
    left = told_list(member(1, email="lise@exemple.fr"))
    lists = [told_list(member(1, email=first), OMAR), told_list(LISE, INES)]
    withdraw_whole(left)
    for found in lists:
        send(approve(complement(found)))
    assert mail.recipients.count("lise@example.fr") == 1
    assert told_twice(mail.recipients) == ["omar@example.fr", "ines@example.fr"]


def test_who_was_not_told_has_nothing_to_complete(mail: Recorder) -> None:
    mail.answers["omar@example.fr"] = "550 no such user"
    found = told_list(member(1, email="lise@example.fr"), member(2, email="omar@example.fr"))
    again = send(approve(complement(found)))
    assert campaign_figures(again).cancelled_by_reason == {"not_told_before": 1}
    assert mail.recipients == ["lise@example.fr"] * 2


def test_people_told_again_count_once_and_their_messages_twice() -> None:
    found = told_list(member(1, email="lise@example.fr"))
    send(approve(complement(found)))
    figures = line().figures
    assert (figures.listed, figures.people[Standing.TOLD], figures.messages_total) == (1, 1, 2)


def test_a_second_complement_may_follow_a_first(mail: Recorder) -> None:
    found = told_list(member(1, email="lise@example.fr"))
    send(approve(complement(found)))
    send(approve(complement(found)))
    assert len(mail.recipients) == 3


def test_who_was_withdrawn_gets_no_complement(mail: Recorder) -> None:
    found = told_list(member(1, email="lise@example.fr"), member(2, email="omar@example.fr"))
    again = approve(complement(found))
    withdraw(member(1))
    send(again)
    assert sorted(mail.recipients) == ["lise@example.fr", "omar@example.fr", "omar@example.fr"]


def test_it_needs_a_reason() -> None:
    found = told_list(member(1, email="lise@example.fr"))
    with pytest.raises(CampaignRefused):
        complement(found, reason=" ")


def test_the_database_refuses_one_without_a_reason() -> None:
    campaign = prepare(add(member(1, email="lise@example.fr")))
    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(kind=CampaignKind.CORRECTION)


def test_it_waits_for_the_notice_to_be_sent() -> None:
    found = add(member(1, email="lise@example.fr"))
    with pytest.raises(CampaignRefused):
        complement(found)
    prepare(found)
    with pytest.raises(CampaignRefused):
        complement(found)


def test_a_second_notice_on_the_list_is_refused() -> None:
    found = told_list(member(1, email="lise@example.fr"))
    with pytest.raises(CampaignRefused):
        submit_campaign(
            version=notice_for(found),
            affected_list=found,
            channels=(Channel.EMAIL, Channel.SMS),
            submitted_by_id=cast.paule().pk,
            now=cast.NOW,
        )


@pytest.mark.parametrize("change", [{"kind": "correction"}, {"kind_reason": "Autre motif."}])
def test_kind_and_reason_are_part_of_what_is_approved(change: dict[str, str]) -> None:
    campaign = complement(told_list(member(1, email="lise@example.fr")))
    Campaign.objects.filter(pk=campaign.pk).update(**change)
    with pytest.raises(CampaignRefused):
        approve(campaign)


def test_the_approver_reads_kind_and_reason(client: WebClient) -> None:
    campaign = complement(told_list(member(1, email="lise@example.fr")))
    cast.sign_in(client, cast.armand())
    html = client.get(f"/espace/campagnes/{campaign.pk}/").content.decode()
    assert "informées à nouveau" in html
    assert REASON in html


def test_it_is_submitted_from_the_notice_page(client: WebClient) -> None:
    found = told_list(member(1, email="lise@example.fr"))
    version = notice_for(found)
    cast.sign_in(client, cast.paule())
    client.post(
        f"/espace/avis/{version.notice_id}/soumettre/",
        {
            "version": version.number,
            "affected_list": found.pk,
            "channels": ["email"],
            "kind": "complement",
            "kind_reason": REASON,
        },
    )
    campaign = Campaign.objects.get(kind=CampaignKind.COMPLEMENT)
    assert (campaign.state, campaign.kind_reason) == (CampaignState.SUBMITTED, REASON)
    entry = AuditEntry.objects.filter(action="campaign.submitted").latest("pk")
    assert '"complement"' in entry.detail
