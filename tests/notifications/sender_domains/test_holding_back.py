"""A domain that turns out to fail stops what is being sent as it, until an approver says why."""

import pytest
from django.test import Client

from insurers.models import AffectedList
from notifications.campaigns.steps import CampaignRefused
from notifications.campaigns.stopping import resume_campaign
from notifications.models import Campaign, CampaignState, SendingIdentity
from notifications.sender_domains.checking import check_sender
from tests import cast
from tests.conftest import as_role
from tests.dns_server import Zone, dns_server
from tests.notifications.email.senders import identity
from tests.notifications.sender_domains.zones import zone
from tests.notifications.story import approved, with_outbox

pytestmark = pytest.mark.django_db

REASON = "La zone est corrigée, sa publication prend deux jours."
FAILING = zone(dmarc=None)


@pytest.fixture
def campaign(listed: AffectedList) -> Campaign:
    """A campaign that is being sent, approved while nothing was known of any domain."""
    return with_outbox(approved(listed))


def own(place: str = "phare") -> SendingIdentity:
    return identity(
        getattr(cast, place)(), transport="smtp", host="smtp.phare.example.fr", port=587
    )


def check(campaign: Campaign, sender: SendingIdentity | None, published: Zone) -> Campaign:
    with dns_server(published), as_role("worker"):
        check_sender(identity_id=sender.pk if sender else None, now=cast.NOW)
    campaign.refresh_from_db()
    return campaign


def resume(campaign: Campaign, reason: str = "") -> Campaign:
    return resume_campaign(
        campaign_id=campaign.pk,
        approver_id=cast.armand().pk,
        sender_override=reason,
        now=cast.NOW,
    )


def test_a_sender_that_fails_stops_its_campaigns(campaign: Campaign) -> None:
    halted = check(campaign, own(), FAILING)
    assert (halted.state, halted.halt_reason) == (CampaignState.HALTED, "sender_fails")
    assert halted.halt_told == sorted([cast.paule().pk, cast.armand().pk])


def test_the_portals_own_sender_stops_those_without_another(campaign: Campaign) -> None:
    failing = {"example.fr": ["v=spf1 mx -all"]}
    kept = own()
    assert check(campaign, None, failing).state == CampaignState.SENDING
    kept.delete()
    assert check(campaign, None, failing).state == CampaignState.HALTED


@pytest.mark.parametrize("published", [zone(), {"phare.example.fr": "servfail"}])
def test_a_sound_or_silent_domain_stops_nothing(campaign: Campaign, published: Zone) -> None:
    published = dict(published) | {"_dmarc.phare.example.fr": ["v=DMARC1; p=none"]}
    assert check(campaign, own(), published).state == CampaignState.SENDING


def test_another_insurers_sender_stops_nothing(campaign: Campaign) -> None:
    assert check(campaign, own("dune"), FAILING).state == CampaignState.SENDING


def test_what_an_approver_has_answered_for_goes_on(campaign: Campaign) -> None:
    Campaign.objects.update(sender_override=REASON)
    assert check(campaign, own(), FAILING).state == CampaignState.SENDING


def test_it_goes_on_once_the_domain_is_put_right(campaign: Campaign) -> None:
    sender = own()
    check(campaign, sender, FAILING)
    with pytest.raises(CampaignRefused):
        resume(campaign)
    check(campaign, sender, zone())
    assert resume(campaign).sender_override == ""


def test_it_goes_on_for_a_reason_and_is_not_stopped_again(campaign: Campaign) -> None:
    sender = own()
    check(campaign, sender, FAILING)
    resume(campaign, REASON)
    again = check(campaign, sender, FAILING)
    assert (again.state, again.sender_override) == (CampaignState.SENDING, REASON)


def test_the_page_says_so_and_takes_the_reason(campaign: Campaign, client: Client) -> None:
    check(campaign, own(), FAILING)
    cast.sign_in(client, cast.armand())
    page = client.get(f"/espace/campagnes/{campaign.pk}/").content.decode()
    assert "Le domaine d’envoi n’est plus conforme" in page
    client.post(
        f"/espace/campagnes/{campaign.pk}/reprendre/",
        {"sender_accepted": "on", "sender_override": REASON},
    )
    campaign.refresh_from_db()
    assert (campaign.state, campaign.sender_override) == (CampaignState.SENDING, REASON)
