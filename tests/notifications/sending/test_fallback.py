"""The channels of a plan, one after the other: e-mail, SMS, the letter list."""

from datetime import timedelta

import pytest
from django.utils import timezone

from notifications.models import (
    Campaign,
    CampaignState,
    Channel,
    CoveredMember,
    Notification,
    ReceiptKind,
    State,
)
from notifications.outbox.building import build_outbox
from notifications.receipts.applying import record_receipt
from notifications.register.figures import campaign_figures
from notifications.sending.fallback import reopen_what_waits
from notifications.sending.retries import ATTEMPTS, retry_delay
from notifications.states import Standing
from tests import cast
from tests.conftest import as_role
from tests.notifications.effects import check_figures
from tests.notifications.story import accepted_list, approved, built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


def with_letters(*rows: str) -> Campaign:
    """A campaign whose plan ends in letters, its outbox made."""
    campaign = approved(accepted_list(rows))
    campaign.plan["channels"] = ["email", "sms", "letter"]
    campaign.save(update_fields=["plan"])
    build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    campaign.refresh_from_db()
    return campaign


def letters() -> list[Notification]:
    return list(Notification.objects.filter(channel=Channel.LETTER).order_by("pk"))


def test_who_has_no_contact_gets_a_letter() -> None:
    campaign = with_letters(member(1), member(2, email="pas une adresse"))
    assert [letter.people for letter in letters()] == [1, 1]
    assert campaign_figures(campaign).people[Standing.IN_PROGRESS] == 2


def test_a_bounce_without_a_mobile_goes_to_the_letter_list(mail: Recorder) -> None:
    mail.answers["gone@example.fr"] = "550 no"
    send(with_letters(member(1, email="gone@example.fr")))
    assert [letter.state for letter in letters()] == [State.PENDING]
    check_figures()


def test_a_bounce_with_a_mobile_tries_it_before_a_letter(mail: Recorder) -> None:
    mail.answers["gone@example.fr"] = "550 no"
    send(with_letters(member(1, email="gone@example.fr", mobile="0639980001")))
    assert Notification.objects.get(channel=Channel.SMS).state == State.ACCEPTED
    assert letters() == []


def test_who_neither_mail_nor_mobile_reaches_gets_a_letter(mail: Recorder) -> None:
    mail.answers["gone@example.fr"] = "550 no"
    campaign = with_letters(member(1, email="gone@example.fr", mobile="0639980001"))
    send(campaign)
    sms = Notification.objects.get(channel=Channel.SMS)
    with as_role("worker"):
        record_receipt(
            sender="sms",
            kind=ReceiptKind.FAILED,
            receipt_id="1",
            notification_id=sms.pk,
            code="sms-undeliv",
            now=timezone.now(),
        )
    states = Notification.objects.order_by("pk").values_list("channel", "state")
    assert list(states) == [
        (Channel.EMAIL, State.BOUNCED),
        (Channel.SMS, State.FAILED),
        (Channel.LETTER, State.PENDING),
    ]
    check_figures()


def test_a_mailbox_that_stays_full_hands_its_people_on(mail: Recorder) -> None:
    mail.answers["full@example.fr"] = "452 4.2.2 full"
    campaign = built([member(1, email="full@example.fr", mobile="0639980001")])
    Notification.objects.update(attempts=ATTEMPTS - 2)
    send(campaign)
    assert not Notification.objects.filter(channel=Channel.SMS).exists()
    Notification.objects.update(due_at=timezone.now())
    send(campaign)
    states = Notification.objects.order_by("pk").values_list("channel", "state")
    assert list(states) == [(Channel.EMAIL, State.FAILED), (Channel.SMS, State.ACCEPTED)]
    check_figures()


def test_each_retry_waits_four_times_as_long_as_the_one_before() -> None:
    minutes = [retry_delay(attempts) / timedelta(minutes=1) for attempts in range(1, ATTEMPTS)]
    assert minutes == [1, 4, 16, 64, 256]


def test_a_family_divides_over_the_channels_that_each_has(mail: Recorder) -> None:
    mail.answers["gone@example.fr"] = "550 no"
    campaign = with_letters(
        member(1, email="gone@example.fr", mobile="0639980001"), member(2, email="gone@example.fr")
    )
    send(campaign)
    assert [letter.people for letter in letters()] == [1]
    assert campaign_figures(campaign).people[Standing.TOLD] == 1
    check_figures()


def test_a_message_names_somebody_who_stays_where_the_one_it_named_goes_on(mail: Recorder) -> None:
    mail.answers["gone@example.fr"] = "550 no"
    mobiles = ["0639980001", "", ""]
    rows = [member(n, email="gone@example.fr", mobile=mobile) for n, mobile in enumerate(mobiles)]
    send(built(rows))
    failed = Notification.objects.get(channel=Channel.EMAIL)
    assert (failed.people, failed.ordinal) == (2, 3)
    assert CoveredMember.objects.filter(notification_id=failed.pk).count() == 2
    check_figures()


def test_a_campaign_that_ended_while_a_receipt_gave_it_a_message_goes_on(mail: Recorder) -> None:
    campaign = built([member(1, email="a@example.fr")])
    Campaign.objects.update(state=CampaignState.FINISHED, finished_at=timezone.now())
    with as_role("worker"):
        reopen_what_waits()
    send(campaign)
    assert mail.recipients == ["a@example.fr"]
    Campaign.objects.update(state=CampaignState.FINISHED, finished_at=timezone.now())
    with as_role("worker"):
        reopen_what_waits()
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.FINISHED
