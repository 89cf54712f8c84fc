"""Sending over a real SMTP socket: each outcome recorded, what is in doubt marked."""

from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from notifications.channels import Outcome
from notifications.models import CampaignState, Channel, Notification, State, Told
from notifications.notices.rendering import LANGUAGES, MessageLayout, lay_out
from notifications.references import derive, fingerprint
from notifications.register.figures import campaign_figures
from notifications.sending.leases import LOCK_SPACE, claim_batch, recover_batches
from notifications.sending.outcomes import LeaseLostError, record_outcome
from notifications.states import Standing
from tests.conftest import as_role
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


def states(channel: Channel = Channel.EMAIL) -> list[str]:
    found = Notification.objects.filter(channel=channel).order_by("pk")
    return list(found.values_list("state", flat=True))


def test_every_address_gets_one_message_and_the_campaign_ends(mail: Recorder) -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(250)])
    send(campaign)
    assert sorted(mail.recipients) == sorted(f"p{n}@example.fr" for n in range(250))
    assert campaign.state == CampaignState.FINISHED
    assert campaign_figures(campaign).people[Standing.TOLD] == 250


def test_the_message_is_what_was_approved(mail: Recorder) -> None:
    send(built([member(1, email="camille@example.fr")]))
    message = mail.messages[0]
    reference = derive(Notification.objects.get().pk)
    body = message.get_body(("plain",))
    assert body is not None
    assert message["Auto-Submitted"] == "auto-generated"
    assert "Bonjour Camille Phare" in body.get_content() or "Phare" in body.get_content()
    assert reference in body.get_content()
    assert not any(name in message for name in ("List-Unsubscribe", "Precedence"))


def test_what_all_messages_share_is_laid_out_once_a_language(
    mail: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.sending.batches.BATCH_SIZE", 2)
    made = []

    def counted(*args: Any, **options: Any) -> MessageLayout:
        made.append(options["language"])
        return lay_out(*args, **options)

    monkeypatch.setattr("notifications.sending.letterheads.lay_out", counted)
    send(built([member(n, email=f"p{n}@example.fr") for n in range(7)]))
    assert (len(mail.recipients), sorted(made)) == (7, sorted(LANGUAGES))


def test_text_and_html_hold_the_same_reference_and_no_link(mail: Recorder) -> None:
    send(built([member(1, email="camille@example.fr")]))
    for kind in ("plain", "html"):
        body = mail.messages[0].get_body((kind,))
        assert body is not None
        assert derive(Notification.objects.get().pk) in body.get_content()
        assert "http" not in body.get_content()


def test_a_family_message_names_nobody(mail: Recorder) -> None:
    send(built([member(n, email="foyer@example.fr", name=f"Secret;Prénom{n}") for n in range(3)]))
    body = mail.messages[0].get_body(("plain",))
    assert body is not None
    assert "Secret" not in body.get_content()
    assert "3 personnes" in body.get_content()


def test_an_unlikely_name_gives_a_neutral_salutation(mail: Recorder) -> None:
    send(built([member(1, email="x@example.fr", name="Http://evil;Gagnez 1000")]))
    body = mail.messages[0].get_body(("plain",))
    assert body is not None
    assert body.get_content().startswith("Madame, Monsieur,")


def test_the_reference_is_kept_as_a_fingerprint_only(mail: Recorder) -> None:
    send(built([member(1, email="camille@example.fr")]))
    message = Notification.objects.get()
    assert bytes(message.reference_fingerprint or b"") == fingerprint(derive(message.pk))


def test_a_refused_address_bounces_and_releases_the_claim(mail: Recorder) -> None:
    mail.answers["gone@example.fr"] = "550 no such user"
    campaign = built([member(1, email="gone@example.fr"), member(2, email="here@example.fr")])
    send(campaign)
    assert states() == [State.BOUNCED, State.ACCEPTED]
    assert Told.objects.count() == 1
    assert campaign_figures(campaign).unreachable_by_reason == {"smtp-550": 1}


def test_a_refused_address_falls_back_to_the_mobile(mail: Recorder) -> None:
    mail.answers["gone@example.fr"] = "550 no such user"
    rows = [
        member(1, email="gone@example.fr", mobile="0639980001"),
        member(2, email="gone@example.fr"),
    ]
    campaign = built(rows)
    send(campaign)
    figures = campaign_figures(campaign)
    assert states(Channel.SMS) == [State.ACCEPTED]
    assert (figures.people[Standing.TOLD], figures.people[Standing.UNREACHABLE]) == (1, 1)
    assert figures.adds_up


def test_a_temporary_refusal_is_tried_again_later(mail: Recorder) -> None:
    mail.answers["full@example.fr"] = "452 mailbox full"
    campaign = built([member(1, email="full@example.fr")])
    send(campaign)
    message = Notification.objects.get()
    assert (message.state, message.attempts) == (State.DEFERRED, 1)
    assert message.due_at > timezone.now()
    assert campaign.state == CampaignState.SENDING


def test_a_connection_cut_after_data_leaves_one_message_in_doubt(mail: Recorder) -> None:
    mail.drop_at = 2
    send(built([member(n, email=f"p{n}@example.fr") for n in range(4)]))
    assert states()[:2] == [State.ACCEPTED, State.UNCERTAIN]
    assert len(mail.recipients) == len(set(mail.recipients)) == 2


def test_a_provider_that_is_down_leaves_everything_pending() -> None:
    with override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=1):
        send(built([member(1, email="a@example.fr")]))
    assert states() == [State.PENDING]


def test_a_refused_sender_halts_the_campaign_and_loses_nobody(mail: Recorder) -> None:
    mail.sender_answer = "550 not you"
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(3)])
    send(campaign)
    assert (campaign.state, campaign.halt_reason) == (CampaignState.HALTED, "sender_refused")
    assert states() == [State.PENDING] * 3


def test_an_unexpected_fault_halts_and_leaves_one_message_in_doubt(
    mail: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(3)])
    monkeypatch.delattr("notifications.channels.email.compose")
    with pytest.raises(NameError):
        send(campaign)
    with as_role("worker"):
        recover_batches(now=timezone.now())
    campaign.refresh_from_db()
    assert (campaign.state, campaign.halt_reason) == (CampaignState.HALTED, "unexpected")
    assert states() == [State.UNCERTAIN, State.PENDING, State.PENDING]


def test_a_campaign_halts_when_failures_pass_a_tenth(mail: Recorder) -> None:
    rows = [member(n, email=f"p{n}@example.fr") for n in range(220)]
    mail.answers = {f"p{n}@example.fr": "550 no" for n in range(0, 220, 5)}
    campaign = built(rows)
    send(campaign)
    assert (campaign.state, campaign.halt_reason) == (CampaignState.HALTED, "failures")
    assert states().count(State.PENDING) > 0


def test_a_lost_worker_leaves_the_first_unrecorded_message_in_doubt() -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(3)])
    batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=timezone.now())
    assert batch is not None
    first = Notification.objects.order_by("pk").first()
    assert first is not None
    record_outcome(batch_id=batch, outcome=Outcome(first.pk, State.ACCEPTED), now=timezone.now())
    _free(batch)
    with as_role("worker"):
        assert recover_batches(now=timezone.now()) == 1
    assert states() == [State.ACCEPTED, State.UNCERTAIN, State.PENDING]
    assert campaign_figures(campaign).adds_up


def test_a_recovered_message_can_no_longer_be_recorded_by_the_old_batch() -> None:
    campaign = built([member(1, email="a@example.fr")])
    batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=timezone.now())
    assert batch is not None
    _free(batch)
    recover_batches(now=timezone.now())
    message = Notification.objects.get()
    with pytest.raises(LeaseLostError):
        record_outcome(
            batch_id=batch, outcome=Outcome(message.pk, State.ACCEPTED), now=timezone.now()
        )


def _free(batch: int) -> None:
    """Let go of the lock, as PostgreSQL does for a connection that died."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SPACE, batch])
