"""An address of more than eight members waits for an approver's word, given on a page."""

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import AuditEntry
from insurers.models import AffectedMember
from notifications.campaigns.steps import CampaignRefused
from notifications.models import Campaign, CampaignState, CrowdedChoice, Notification, Told
from notifications.outbox.crowded import confirm_addresses, confirmed_and_waiting, tell_confirmed
from notifications.register.figures import campaign_figures
from notifications.states import Standing
from tests import cast
from tests.conftest import as_role
from tests.notifications.effects import check_figures
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


def home(*, mobile: str = "") -> Campaign:
    """A home for the elderly, and somebody else."""
    rows = [member(n, email="ehpad@example.fr", mobile=mobile) for n in range(9)]
    return built([*rows, member(20, email="a@example.fr")])


def confirm(campaign: Campaign) -> None:
    confirm_addresses(
        campaign_id=campaign.pk,
        choices=list(CrowdedChoice.objects.values_list("pk", flat=True)),
        approver_id=cast.armand().pk,
        now=cast.NOW,
    )
    with as_role("worker"):
        tell_confirmed(campaign_id=campaign.pk, now=timezone.now())


def test_the_page_says_how_many_and_on_which_rows(client: Client) -> None:
    campaign = home()
    cast.sign_in(client, cast.armand())
    page = client.get(f"/espace/campagnes/{campaign.pk}/adresses-partagees/").content.decode()
    choice = CrowdedChoice.objects.get()
    assert "9 personnes, dont lignes " + ", ".join(map(str, choice.first_rows)) in page
    assert "ehpad" not in page


def test_who_is_reached_by_another_channel_does_not_wait() -> None:
    rows = [member(n, email="ehpad@example.fr", mobile=f"06399800{n:02d}") for n in range(9)]
    built(rows)
    assert not CrowdedChoice.objects.exists()


def test_a_confirmed_address_gets_one_message_for_all(mail: Recorder) -> None:
    campaign = home()
    send(campaign)
    confirm(campaign)
    check_figures()
    send(campaign)
    assert mail.recipients == ["a@example.fr", "ehpad@example.fr"]
    assert campaign_figures(campaign).people[Standing.TOLD] == 10
    assert campaign.state == CampaignState.FINISHED
    check_figures()


def test_it_is_applied_once(mail: Recorder) -> None:
    campaign = home()
    confirm(campaign)
    with as_role("worker"):
        tell_confirmed(campaign_id=campaign.pk, now=timezone.now())
    assert (Notification.objects.count(), confirmed_and_waiting()) == (2, [])


def test_who_was_told_elsewhere_meanwhile_is_left_out() -> None:
    campaign = home()
    taken = Told.objects.get()
    for found in AffectedMember.objects.filter(list_id=campaign.affected_list_id)[:4]:
        if found.ordinal != taken.ordinal:
            Told.objects.create(
                breach_id=campaign.breach_id,
                insurer_id=campaign.insurer_id,
                operator_id=taken.operator_id,
                fingerprint=found.fingerprint,
                name_tag=found.name_tag,
                campaign_id=campaign.pk + 1000,
                list_id=0,
                ordinal=found.ordinal,
            )
    confirm(campaign)
    figures = campaign_figures(campaign)
    assert figures.adds_up
    assert figures.people[Standing.TOLD_ALREADY] + figures.people[Standing.IN_PROGRESS] == 10
    assert figures.people[Standing.TOLD_ALREADY] > 0


def test_a_preparer_sees_and_does_not_confirm(client: Client) -> None:
    campaign = home()
    cast.sign_in(client, cast.paule())
    address = f"/espace/campagnes/{campaign.pk}/adresses-partagees/"
    assert "Confirmer et écrire" not in client.get(address).content.decode()
    real = CrowdedChoice.objects.get().pk
    assert client.post(address, {"real": real}).status_code == 403


def test_who_submitted_cannot_confirm() -> None:
    campaign = home()
    with pytest.raises(CampaignRefused):
        confirm_addresses(
            campaign_id=campaign.pk,
            choices=[CrowdedChoice.objects.get().pk],
            approver_id=campaign.submitted_by_id,
            now=cast.NOW,
        )


def test_an_approver_confirms_on_the_page(client: Client) -> None:
    campaign = home()
    cast.sign_in(client, cast.armand())
    address = f"/espace/campagnes/{campaign.pk}/adresses-partagees/"
    client.post(address, {"real": CrowdedChoice.objects.get().pk})
    assert confirmed_and_waiting() == [campaign.pk]
    assert AuditEntry.objects.filter(action="campaign.addresses_confirmed").exists()


def test_another_insurers_addresses_do_not_exist(client: Client) -> None:
    campaign = home()
    cast.sign_in(client, cast.didier())
    address = f"/espace/campagnes/{campaign.pk}/adresses-partagees/"
    assert client.get(address).status_code == 404
