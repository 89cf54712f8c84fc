"""The insurer's area says what to do next to whom it falls."""

import pytest
from django.test import Client

from notifications.campaigns.approving import return_campaign
from tests import cast
from tests.notifications.story import accepted_list, member, submitted

pytestmark = pytest.mark.django_db

TO_APPROVE = "relire la campagne soumise"


def space(client: Client, name: str) -> str:
    return cast.sign_in(client, getattr(cast, name)()).get("/espace/").content.decode()


def test_a_submitted_campaign_is_the_approvers_next_step_and_not_its_preparers(
    client: Client,
) -> None:
    cast.declaration()
    campaign = submitted(accepted_list([member(1, email="a@example.fr")]))
    assert TO_APPROVE in (page := space(client, "armand"))
    assert f'href="/espace/campagnes/{campaign.pk}/"' in page
    assert TO_APPROVE not in (page := space(client, "paule"))
    assert "faire approuver la campagne par une autre personne" in page


def test_a_returned_campaign_no_longer_waits_for_the_approver(client: Client) -> None:
    campaign = submitted(accepted_list([member(1, email="a@example.fr")]))
    return_campaign(
        campaign_id=campaign.pk, approver_id=cast.armand().pk, comment="Précisez.", now=cast.NOW
    )
    assert TO_APPROVE not in space(client, "armand")


@pytest.mark.parametrize(("name", "offered"), [("paule", True), ("armand", True), ("vera", False)])
def test_sending_a_list_is_offered_to_those_who_may(
    client: Client, name: str, offered: bool
) -> None:
    assert ("Envoyer une liste" in space(client, name)) == offered


def test_the_operator_is_led_to_the_administration(client: Client) -> None:
    cast.phare()
    assert 'href="/admin/"' in space(client, "odile")


def test_a_notice_whose_lists_are_all_taken_offers_nothing_to_submit(client: Client) -> None:
    campaign = submitted(accepted_list([member(1, email="a@example.fr")]))
    cast.sign_in(client, cast.paule())
    page = client.get(f"/espace/avis/{campaign.notice_version.notice_id}/").content.decode()
    assert "Aucune liste acceptée n’attend d’avis" in page
    assert "/soumettre/" not in page
