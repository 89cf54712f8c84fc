"""A campaign does not start from a domain that fails, unless its approver says why."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from audit.models import AuditEntry
from insurers.models import AffectedList
from notifications.campaigns.approving import approve_campaign
from notifications.campaigns.steps import CampaignRefused
from notifications.models import Campaign, CampaignState, SenderCheck
from notifications.sender_domains.checking import check_sender
from notifications.sender_domains.forms import SenderOverrideForm
from tests import cast
from tests.dns_server import dns_server
from tests.notifications.email.senders import identity
from tests.notifications.sender_domains.zones import zone
from tests.notifications.story import (
    APPROVAL,
    EVERY_POINT,
    submitted,
)

pytestmark = pytest.mark.django_db

REASON = "La zone est corrigée, sa publication prend deux jours."


@pytest.fixture
def campaign(listed: AffectedList) -> Campaign:
    """A campaign of the Phare's, submitted, whose own sender was looked up and fails."""
    own = identity(transport="smtp", host="smtp.phare.example.fr", port=587)
    with dns_server(zone(dmarc=None)):
        check_sender(identity_id=own.pk, now=cast.NOW)
    return submitted(listed)


def approve(campaign: Campaign, reason: str = "") -> Campaign:
    return approve_campaign(
        campaign_id=campaign.pk,
        approver_id=cast.armand().pk,
        checked_points=EVERY_POINT,
        shared_addresses_confirmed=False,
        sender_override=reason,
        now=cast.NOW,
    )


def kept(campaign: Campaign) -> dict[str, Any]:
    """Return what an approval kept of the domain."""
    assert campaign.sender_standing is not None
    return dict(campaign.sender_standing)


def test_a_failing_domain_is_refused(campaign: Campaign) -> None:
    with pytest.raises(CampaignRefused) as refusal:
        approve(campaign, "   ")
    assert "phare.example.fr" in str(refusal.value.message)


def test_the_approver_sends_all_the_same_and_says_why(campaign: Campaign) -> None:
    approve(campaign, REASON)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.sender_override) == (CampaignState.APPROVED, REASON)
    assert kept(campaign)["findings"]["dmarc"]["code"] == "dmarc_missing"
    entry = AuditEntry.objects.get(action="campaign.approved")
    assert '"sender":"fails","sender_overridden":true' in entry.detail


def test_the_database_wants_the_reason_too(campaign: Campaign) -> None:
    approve(campaign, REASON)
    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.update(sender_override="")


def test_a_sound_domain_asks_for_nothing_and_keeps_no_reason(campaign: Campaign) -> None:
    with dns_server(zone()):
        check_sender(identity_id=SenderCheck.objects.get().identity_id, now=cast.NOW)
    found = approve(campaign, REASON)
    assert (kept(found)["outcome"], found.sender_override) == ("aligned", "")


def test_what_is_not_known_does_not_hold_a_campaign_back(campaign: Campaign) -> None:
    SenderCheck.objects.all().delete()
    found = approve(campaign)
    assert kept(found)["outcome"] == "unknown"
    assert kept(found)["checked_at"] is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, ""),
        ({"sender_override": REASON}, ""),
        ({"sender_accepted": "on"}, ""),
        ({"sender_accepted": "on", "sender_override": "x" * 501}, ""),
        ({"sender_accepted": "on", "sender_override": REASON}, REASON),
    ],
)
def test_the_form_wants_the_box_ticked_and_the_reason_written(
    given: dict[str, str], reason: str
) -> None:
    assert SenderOverrideForm(given).reason() == reason


def test_the_page_says_what_fails_and_takes_the_reason(campaign: Campaign, client: Client) -> None:
    cast.sign_in(client, cast.armand())
    page = client.get(f"/espace/campagnes/{campaign.pk}/").content.decode()
    assert "Aucun enregistrement DMARC" in page
    assert 'name="sender_override"' in page
    for given in ({}, {"sender_accepted": "on", "sender_override": REASON}):
        campaign.refresh_from_db()
        assert campaign.state == CampaignState.SUBMITTED
        client.post(f"/espace/campagnes/{campaign.pk}/approuver/", APPROVAL | given)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.sender_override) == (CampaignState.APPROVED, REASON)


def test_the_reason_stays_on_the_page_and_in_the_register(
    campaign: Campaign, client: Client
) -> None:
    approve(campaign, REASON)
    SenderCheck.objects.all().delete()
    for person, path in (
        (cast.vera(), f"/espace/campagnes/{campaign.pk}/"),
        (cast.aude(), "/registre/alphapay-betapay-2026/mutuelle-du-phare/"),
    ):
        page = cast.sign_in(client, person).get(path).content.decode()
        assert REASON in page
        assert "phare.example.fr" in page


def test_a_domain_not_looked_up_is_said_as_such(campaign: Campaign, client: Client) -> None:
    SenderCheck.objects.all().delete()
    cast.sign_in(client, cast.armand())
    page = client.get(f"/espace/campagnes/{campaign.pk}/").content.decode()
    assert "n’a pas encore été interrogé" in page
    assert 'name="sender_override"' not in page
