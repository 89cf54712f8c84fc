"""A campaign stops by itself, says why and to whom, and goes on at an approver's word only."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.core import mail as django_mail
from django.test import Client, override_settings
from django.utils import timezone

from audit.models import AuditEntry
from insurers.models import AffectedMember
from notifications.campaigns.halting import (
    REFUSED_IN_A_ROW,
    RefusalsInARow,
    halt_if_failing,
    halt_refused,
)
from notifications.channels import Outcome
from notifications.models import (
    Acceptance,
    Campaign,
    CampaignState,
    Channel,
    Notification,
    ReceiptKind,
    State,
    Suppression,
)
from notifications.receipts.applying import record_receipt
from notifications.sending.leases import claim_batch
from notifications.sending.outcomes import record_outcome
from notifications.sending.suppression import suppress_address_of
from tests import cast
from tests.conftest import as_role
from tests.notifications.effects import check_figures
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db

OnCommit = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def halted(mail: Recorder, django_capture_on_commit_callbacks: OnCommit) -> Campaign:
    """Halted by a server that refuses every address; Vera only views, Paule and Armand act."""
    cast.vera()
    mail.answers = {f"p{n}@example.fr": "550 no" for n in range(60)}
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(60)])
    with django_capture_on_commit_callbacks(execute=True):
        send(campaign)
    return campaign


def test_a_server_that_refuses_everything_is_left_after_twenty(halted: Campaign) -> None:
    assert (halted.state, halted.halt_reason) == (CampaignState.HALTED, "all_refused")
    assert Notification.objects.filter(state=State.BOUNCED).count() == REFUSED_IN_A_ROW
    assert Notification.objects.filter(state=State.PENDING).count() == 60 - REFUSED_IN_A_ROW
    check_figures()


def test_addresses_are_not_set_aside_for_what_their_server_refuses_everybody(
    mail: Recorder,
) -> None:
    built([member(99, email="gone@example.fr")])
    one = Notification.objects.get()
    suppress_address_of(notification_id=one.pk, reason="dsn-5.1.1", now=cast.NOW)
    mail.answers = {f"p{n}@example.fr": "550 no" for n in range(60)}
    send(built([member(n, email=f"p{n}@example.fr") for n in range(60)]))
    (kept,) = Suppression.objects.all()
    assert kept.address_fingerprint == one.address_fingerprint
    detail = AuditEntry.objects.get(action="campaign.halted").detail
    assert f'"suppressions_lifted":{REFUSED_IN_A_ROW}' in detail.replace(" ", "")


def bounce(campaign: Campaign, *, receipt: bool = False) -> Notification:
    """Have the campaign's first message refused, at once or by a receipt."""
    batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=timezone.now())
    assert batch is not None
    one = Notification.objects.filter(campaign=campaign).order_by("pk")[0]
    state = State.ACCEPTED if receipt else State.BOUNCED
    record_outcome(batch_id=batch, outcome=Outcome(one.pk, state, "550"), now=timezone.now())
    if receipt:
        hear(one, ReceiptKind.HARD)
    return one


def hear(message: Notification, kind: ReceiptKind) -> None:
    with as_role("worker"):
        record_receipt(
            sender="email:portal",
            kind=kind,
            receipt_id=f"{message.pk} {kind}",
            notification_id=message.pk,
            code="dsn-5.1.1",
            now=timezone.now(),
        )


def test_an_address_that_a_receipt_names_stays_set_aside() -> None:
    since = timezone.now()
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(3)])
    bounce(campaign, receipt=True)
    halt_refused(campaign_id=campaign.pk, channel=Channel.EMAIL, since=since, now=timezone.now())
    assert Suppression.objects.count() == 1


@pytest.mark.parametrize("complains_first", [True, False])
def test_who_complained_of_another_campaign_meanwhile_stays_set_aside(
    complains_first: bool,
) -> None:
    earlier = built([member(7, email="same@example.fr")])
    batch = claim_batch(campaign_id=earlier.pk, channel=Channel.EMAIL, now=timezone.now())
    one = Notification.objects.get()
    assert batch is not None
    record_outcome(batch_id=batch, outcome=Outcome(one.pk, State.ACCEPTED), now=timezone.now())
    campaign = built([member(8, email="same@example.fr")])
    since = timezone.now()
    if complains_first:
        hear(one, ReceiptKind.COMPLAINED)
    bounce(campaign)
    if not complains_first:
        hear(one, ReceiptKind.COMPLAINED)
    halt_refused(campaign_id=campaign.pk, channel=Channel.EMAIL, since=since, now=timezone.now())
    assert Suppression.objects.count() == 1


def test_addresses_of_e_mail_stay_set_aside_where_messages_are_refused() -> None:
    since = timezone.now()
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(3)])
    bounce(campaign)
    halt_refused(campaign_id=campaign.pk, channel=Channel.SMS, since=since, now=timezone.now())
    assert Suppression.objects.count() == 1


def test_one_channels_successes_say_nothing_of_another() -> None:
    count = RefusalsInARow().too_many_since
    found = []
    for _ in range(REFUSED_IN_A_ROW):
        found.append(count(campaign_id=1, channel=Channel.SMS, is_refused=True, now=cast.NOW))
        count(campaign_id=1, channel=Channel.EMAIL, is_refused=False, now=cast.NOW)
    assert found == [None] * (REFUSED_IN_A_ROW - 1) + [cast.NOW]


def test_those_who_prepare_and_approve_are_told_by_mail(halted: Campaign) -> None:
    told = {mail.to[0] for mail in django_mail.outbox if "arrêté" in mail.subject}
    assert told == {"paule@phare.example.fr", "armand@phare.example.fr"}


def test_the_page_says_why_and_who_was_told(halted: Campaign, client: Client) -> None:
    cast.sign_in(client, cast.paule())
    page = client.get(f"/espace/campagnes/{halted.pk}/").content.decode()
    assert "vingt messages de suite" in page
    assert "Armand, Paule" in page
    assert "Reprendre l’envoi" not in page


def test_the_trail_says_why(halted: Campaign) -> None:
    detail = AuditEntry.objects.get(action="campaign.halted").detail
    assert '"all_refused"' in detail
    assert '"people_told"' in detail


def test_a_preparer_does_not_resume(halted: Campaign, client: Client) -> None:
    cast.sign_in(client, cast.paule())
    for address in ("reprendre", "continuer"):
        client.post(f"/espace/campagnes/{halted.pk}/{address}/")
    assert Campaign.objects.get().state == CampaignState.HALTED


def test_an_approver_resumes(halted: Campaign, client: Client, mail: Recorder) -> None:
    cast.sign_in(client, cast.armand())
    client.post(f"/espace/campagnes/{halted.pk}/reprendre/")
    mail.answers = {}
    send(halted)
    assert (halted.state, len(mail.recipients)) == (CampaignState.FINISHED, 40)


def test_refusals_count_from_one_turn_to_the_next(mail: Recorder) -> None:
    mail.answers = {f"p{n}@example.fr": "550 no" for n in range(60)}
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(60)])
    for of_the_day in (15, 30):
        with override_settings(SENDING_PACE={"email": (None, of_the_day)}):
            send(campaign)
    assert (campaign.state, campaign.halt_reason) == (CampaignState.HALTED, "all_refused")
    assert Notification.objects.filter(state=State.BOUNCED).count() == REFUSED_IN_A_ROW


def test_nineteen_refusals_and_a_success_are_no_halt(mail: Recorder) -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(60)])
    first = AffectedMember.objects.order_by("ordinal").values_list("ordinal", flat=True)[0]
    sent = Notification.objects.order_by("pk").values_list("ordinal", flat=True)
    mail.answers = {
        f"p{ordinal - first}@example.fr": "550 no"
        for place, ordinal in enumerate(sent)
        if place % 20 != 19
    }
    send(campaign)
    assert campaign.state == CampaignState.FINISHED


def test_what_servers_took_counts_before_it_is_an_event() -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(220)])
    batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=timezone.now())
    assert batch is not None
    messages = list(Notification.objects.order_by("pk").values_list("pk", flat=True))
    for place, message in enumerate(messages[:120]):
        state = State.BOUNCED if place < 15 else State.ACCEPTED
        record_outcome(batch_id=batch, outcome=Outcome(message, state), now=timezone.now())
    for message in messages[120:]:
        Acceptance.objects.create(batch_id=batch, notification_id=message, at=timezone.now())
    assert not halt_if_failing(campaign_id=campaign.pk, now=timezone.now())


def test_bounces_that_come_later_count_too(mail: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.sending.batches.BATCH_SIZE", 100)
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(220)])
    with override_settings(SENDING_PACE={"email": (None, 110)}):
        send(campaign)
    with as_role("worker"):
        for message in Notification.objects.filter(state=State.ACCEPTED).order_by("pk")[:25]:
            record_receipt(
                sender="email:portal",
                kind=ReceiptKind.HARD,
                receipt_id=str(message.pk),
                notification_id=message.pk,
                code="dsn-5.1.1",
                now=timezone.now(),
            )
    send(campaign)
    assert (campaign.state, campaign.halt_reason) == (CampaignState.HALTED, "failures")
    assert len(mail.recipients) == 210
