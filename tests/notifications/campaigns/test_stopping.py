"""Pause, resume and cancel: between two messages, nothing lost, nothing sent after."""

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import AuditEntry
from insurers.models import Role
from notifications.campaigns.cancelling import cancel_messages, cancel_what_waits
from notifications.campaigns.steps import CampaignRefused
from notifications.campaigns.stopping import cancel_campaign, pause_campaign, resume_paused
from notifications.channels import Outcome
from notifications.models import Campaign, CampaignState, Channel, Notification, State, Told
from notifications.register.figures import campaign_figures
from notifications.sending.leases import claim_batch, close_batch
from notifications.sending.outcomes import record_outcome
from notifications.states import Standing
from tests import cast
from tests.conftest import as_role
from tests.notifications.effects import add, check_figures, prepare, withdraw_whole
from tests.notifications.effects import send as send_and_check
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


def family(number: int) -> list[str]:
    return [member(n, email=f"p{n}@example.fr") for n in range(number)]


def pause(campaign: Campaign) -> None:
    pause_campaign(campaign_id=campaign.pk, person_id=cast.paule().pk, now=cast.NOW)


def cancel(campaign: Campaign) -> None:
    cancel_campaign(campaign_id=campaign.pk, approver_id=cast.armand().pk, now=cast.NOW)


def test_a_paused_campaign_sends_nothing(mail: Recorder) -> None:
    campaign = built(family(3))
    pause(campaign)
    send(campaign)
    assert (mail.recipients, campaign.state) == ([], CampaignState.PAUSED)


def test_it_resumes_exactly_where_it_stopped(mail: Recorder) -> None:
    campaign = built(family(3))
    send_some(campaign, 1)
    pause(campaign)
    send(campaign)
    resume_paused(campaign_id=campaign.pk, person_id=cast.paule().pk, now=cast.NOW)
    send_and_check(campaign)
    assert sorted(mail.recipients) == [f"p{n}@example.fr" for n in range(1, 3)]


def send_some(campaign: Campaign, number: int) -> None:
    """Record some messages as accepted, as if a worker had sent them."""
    batch = claim_batch(
        campaign_id=campaign.pk, channel=Channel.EMAIL, now=timezone.now(), limit=number
    )
    assert batch is not None
    for message in Notification.objects.filter(batch=batch):
        record_outcome(
            batch_id=batch, outcome=Outcome(message.pk, State.ACCEPTED), now=timezone.now()
        )
    close_batch(batch_id=batch, now=timezone.now(), due_at=timezone.now())


def test_cancelling_lets_go_of_whoever_was_not_told(mail: Recorder) -> None:
    campaign = built(family(3))
    send_some(campaign, 1)
    cancel(campaign)
    with as_role("worker"):
        assert cancel_messages(campaign_id=campaign.pk, now=cast.NOW) == 2
    send(campaign)
    figures = campaign_figures(campaign)
    assert (figures.people[Standing.TOLD], figures.people[Standing.CANCELLED]) == (1, 2)
    assert (mail.recipients, Told.objects.count()) == ([], 1)
    check_figures()


def test_what_a_worker_held_comes_back_and_is_cancelled() -> None:
    campaign = built(family(3))
    batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=cast.NOW)
    assert batch is not None
    cancel(campaign)
    close_batch(batch_id=batch, now=cast.NOW, due_at=cast.NOW)
    with as_role("worker"):
        cancel_what_waits(now=cast.NOW)
    assert set(Notification.objects.values_list("state", flat=True)) == {State.CANCELLED}
    check_figures()


def test_a_lease_is_refused_once_the_campaign_is_stopped() -> None:
    campaign = built(family(1))
    pause(campaign)
    assert claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=cast.NOW) is None


def test_whom_a_cancelled_campaign_left_is_told_by_the_list_sent_again(mail: Recorder) -> None:
    first = prepare(add(*family(3)))
    send_some(first, 1)
    cancel(first)
    cancel_messages(campaign_id=first.pk, now=cast.NOW)
    withdraw_whole(first.affected_list)
    send_and_check(prepare(add(*family(3))))
    assert sorted(mail.recipients) == ["p1@example.fr", "p2@example.fr"]


def test_each_of_them_is_in_the_trail() -> None:
    campaign = built(family(1))
    pause(campaign)
    resume_paused(campaign_id=campaign.pk, person_id=cast.paule().pk, now=cast.NOW)
    cancel(campaign)
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"campaign.paused", "campaign.resumed", "campaign.cancelled"} <= actions


def test_a_finished_campaign_cannot_be_paused_or_cancelled(mail: Recorder) -> None:
    campaign = built(family(1))
    send(campaign)
    for act in (pause, cancel):
        with pytest.raises(CampaignRefused):
            act(campaign)


def test_a_preparer_pauses_and_does_not_cancel(client: Client) -> None:
    campaign = built(family(1))
    cast.sign_in(client, cast.paule())
    client.post(f"/espace/campagnes/{campaign.pk}/pause/")
    answer = client.post(f"/espace/campagnes/{campaign.pk}/annuler/definitivement/")
    assert (answer.status_code, Campaign.objects.get().state) == (403, CampaignState.PAUSED)


def test_a_viewer_does_neither(client: Client) -> None:
    campaign = built(family(1))
    cast.sign_in(client, cast.member_of(cast.phare(), "vera", Role.VIEWER))
    assert client.post(f"/espace/campagnes/{campaign.pk}/pause/").status_code == 403


def test_an_approver_is_told_what_cancelling_means_then_cancels(client: Client) -> None:
    campaign = built(family(2))
    cast.sign_in(client, cast.armand())
    page = client.get(f"/espace/campagnes/{campaign.pk}/annuler/").content.decode()
    client.post(f"/espace/campagnes/{campaign.pk}/annuler/definitivement/")
    assert "2 personnes ne recevront rien" in page
    assert Campaign.objects.get().state == CampaignState.CANCELLED
    assert client.get(f"/espace/campagnes/{campaign.pk}/").status_code == 200


def test_the_pages_offer_what_may_be_done_now(client: Client) -> None:
    campaign = built(family(1))
    cast.sign_in(client, cast.paule())
    address = f"/espace/campagnes/{campaign.pk}/"
    assert "Mettre en pause" in client.get(address).content.decode()
    client.post(f"{address}pause/")
    assert "Continuer l’envoi" in client.get(address).content.decode()
    client.post(f"{address}continuer/")
    assert Campaign.objects.get().state == CampaignState.SENDING
