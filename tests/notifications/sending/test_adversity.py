"""What servers and addresses do at their worst: nobody is lost, blocked or told twice."""

from datetime import timedelta

import pytest
from aiosmtpd.smtp import SMTP, syntax
from django.test import override_settings
from django.utils import timezone

from notifications.campaigns.stopping import resume_campaign
from notifications.channels import Outcome
from notifications.models import CampaignState, Channel, Notification, SenderPace, State, Told
from notifications.register.figures import campaign_figures
from notifications.sending.leases import claim_batch
from notifications.sending.outcomes import record_outcome
from notifications.states import Standing
from tests import cast
from tests.notifications.story import accepted_list, built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


def make_due() -> None:
    waiting = Notification.objects.filter(state__in=(State.PENDING, State.DEFERRED))
    waiting.update(due_at=timezone.now() - timedelta(days=1))
    SenderPace.objects.update(rests_until_at=None)


def test_a_421_on_one_address_blocks_nobody_else(mail: Recorder) -> None:
    mail.answers["poison@example.fr"] = "421 4.7.0 try later"
    rows = [member(0, email="poison@example.fr")]
    campaign = built(rows + [member(n, email=f"p{n}@example.fr") for n in range(1, 120)])
    for _ in range(12):
        send(campaign)
        make_due()
    assert len(mail.received) == 119


def test_a_refusal_of_the_data_command_concerns_one_message(
    mail: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    original = SMTP.smtp_DATA

    @syntax("DATA")  # type: ignore[untyped-decorator]
    async def refuse_first(self: SMTP, arg: str) -> None:
        seen.append(1)
        if len(seen) == 1:
            await self.push("554 5.7.1 content policy")
            return
        await original(self, arg)

    monkeypatch.setattr(SMTP, "smtp_DATA", refuse_first)
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(3)])
    send(campaign)
    assert (campaign.state, len(mail.received)) == (CampaignState.FINISHED, 2)


def test_a_crowded_number_is_no_way_out_either(mail: Recorder) -> None:
    rows = [member(n, email=f"gone{n}@example.fr", mobile="0639980001") for n in range(9)]
    mail.answers = {f"gone{n}@example.fr": "550 no" for n in range(9)}
    campaign = built(rows)
    send(campaign)
    assert campaign_figures(campaign).people[Standing.TOLD] == 0


def test_people_behind_a_crowded_address_keep_their_own_mobile(mail: Recorder) -> None:
    rows = [member(n, email="inconnu@example.fr", mobile=f"06399800{n:02d}") for n in range(9)]
    campaign = built(rows)
    send(campaign)
    assert campaign_figures(campaign).people[Standing.TOLD] == 9


def test_nobody_joins_a_message_that_failed() -> None:
    campaign = built(
        [
            member(0, mobile="0639980001"),
            member(1, email="gone@example.fr", mobile="0639980001"),
        ]
    )
    for channel, state in ((Channel.SMS, State.FAILED), (Channel.EMAIL, State.BOUNCED)):
        batch = claim_batch(campaign_id=campaign.pk, channel=channel, now=timezone.now())
        assert batch is not None
        message = Notification.objects.get(channel=channel)
        record_outcome(batch_id=batch, outcome=Outcome(message.pk, state), now=timezone.now())
    figures = campaign_figures(campaign)
    assert figures.adds_up
    assert figures.people[Standing.UNREACHABLE] == 2
    assert Told.objects.count() == 0


def test_who_resumes_has_judged_the_failures_so_far(mail: Recorder) -> None:
    mail.answers = {f"p{n}@example.fr": "550 no" for n in range(0, 600, 5)}
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(600)])
    send(campaign)
    resume_campaign(campaign_id=campaign.pk, approver_id=cast.armand().pk, now=timezone.now())
    send(campaign)
    assert campaign.state == CampaignState.FINISHED


def test_no_message_is_dated_while_the_provider_is_down() -> None:
    campaign = built([member(1, email="a@example.fr")])
    with override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=1):
        send(campaign)
    assert campaign.first_message_at is None


def test_a_temporary_failure_ends_after_its_attempts(mail: Recorder) -> None:
    mail.answers["full@example.fr"] = "452 full"
    campaign = built([member(1, email="full@example.fr")])
    for _ in range(8):
        send(campaign)
        make_due()
    message = Notification.objects.get()
    assert (message.state, message.attempts) == (State.FAILED, 6)
    assert campaign.state == CampaignState.FINISHED
    assert Told.objects.count() == 0


def test_a_person_whose_name_is_missing_once_is_not_told_twice(mail: Recorder) -> None:
    send(built([member(1, email="a@example.fr", name="Phare;Camille")]))
    again = [
        member(1, email="a@example.fr", name=";"),
        member(2, email="b@example.fr", name="Phare;Alix"),
        member(2, email="b@example.fr", name=";"),
    ]
    found = accepted_list(again)
    assert (found.members, found.members_uncounted, found.rows_already_listed) == (2, 1, 1)


def test_a_server_that_never_answers_halts_the_campaign(mail: Recorder) -> None:
    mail.drops_all = True
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(50)])
    for _ in range(10):
        send(campaign)
        make_due()
    assert (campaign.state, campaign.halt_reason) == (CampaignState.HALTED, "no_answer")
    assert Notification.objects.filter(state=State.UNCERTAIN).count() == 3
