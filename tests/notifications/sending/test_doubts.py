"""A message in doubt: sent once more at most, or never, as the approver approved."""

from datetime import timedelta

import pytest
from django.utils import timezone

from notifications.models import CampaignState, DeliveryEvent, Notification, SenderPace, State
from notifications.sending.doubts import DOUBT_DELAY, DoubtPolicy, resolve_doubts
from notifications.sending.outcomes import finish_if_done
from notifications.sending.retries import ATTEMPTS
from tests.conftest import as_role
from tests.notifications.effects import check_figures
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


def settle_doubts() -> int:
    with as_role("worker"):
        resent = resolve_doubts(now=timezone.now() + DOUBT_DELAY + timedelta(seconds=1))
    Notification.objects.filter(state=State.PENDING).update(due_at=timezone.now())
    SenderPace.objects.update(rests_until_at=None)  # The server is back.
    return resent


def test_a_doubt_is_sent_once_more_with_the_same_message_id(mail: Recorder) -> None:
    mail.drop_at = 1
    campaign = built([member(1, email="a@example.fr")])
    send(campaign)
    assert (settle_doubts(), campaign.state) == (1, CampaignState.SENDING)
    send(campaign)
    first, second = mail.messages
    message = Notification.objects.get()
    assert first["Message-ID"] == second["Message-ID"]
    assert (message.state, message.attempts) == (State.ACCEPTED, 2)
    assert message.resent_at is not None
    assert DeliveryEvent.objects.filter(reason="sent_again", notification_id=message.pk).exists()
    assert campaign.state == CampaignState.FINISHED
    check_figures()


def test_it_is_not_sent_again_before_a_receipt_had_time_to_come(mail: Recorder) -> None:
    mail.drop_at = 1
    send(built([member(1, email="a@example.fr")]))
    assert resolve_doubts(now=timezone.now()) == 0


def test_a_second_doubt_stays_one(mail: Recorder) -> None:
    mail.drops_all = True
    campaign = built([member(1, email="a@example.fr")])
    send(campaign)
    settle_doubts()
    send(campaign)
    assert settle_doubts() == 0
    assert Notification.objects.get().state == State.UNCERTAIN
    finish_if_done(campaign_id=campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.FINISHED


def test_a_policy_that_flags_never_sends_again(mail: Recorder) -> None:
    mail.drop_at = 1
    campaign = built([member(1, email="a@example.fr")], in_doubt=DoubtPolicy.FLAG)
    send(campaign)
    finish_if_done(campaign_id=campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    assert (settle_doubts(), campaign.state) == (0, CampaignState.FINISHED)
    assert mail.recipients == ["a@example.fr"]


def test_a_doubt_at_the_last_attempt_is_sent_once_more_all_the_same(mail: Recorder) -> None:
    mail.drop_at = 1
    campaign = built([member(1, email="a@example.fr")])
    Notification.objects.update(attempts=ATTEMPTS - 1)
    send(campaign)
    settle_doubts()
    send(campaign)
    assert Notification.objects.get().state == State.ACCEPTED
