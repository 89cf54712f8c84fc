"""Where a person stands, in every state that staff on the phone may meet."""

import pytest

from insurers.lists.withdrawal import decide_to_withdraw, withdraw_list
from insurers.models import AffectedList, Ended, ListEffect
from notifications.campaigns.cancelling import cancel_messages
from notifications.models import Campaign, CampaignState, Channel, Notification, ReceiptKind, State
from notifications.outbox.building import build_outbox
from notifications.replies.standing import ListingStanding, standing_of
from tests import cast
from tests.conftest import as_role
from tests.notifications.receipts.test_receipts import receive
from tests.notifications.story import accepted_list, approved, built, member, send, submitted
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db

GONE = "gone@example.fr"


def standing(number: int = 7, *, birth_rank: str = "") -> list[ListingStanding]:
    with as_role("worker"):
        return standing_of(
            insurer_id=cast.phare().pk,
            member_number=f"{number:09d}",
            birth_date="1980-03-12",
            birth_rank=birth_rank,
        )


def states(number: int = 7) -> list[tuple[str, str]]:
    """Return channel and state of each message, on the one list where the person stands."""
    (listing,) = standing(number)
    return [(message["channel"], message["state"]) for message in listing["messages"]]


def why_none(number: int = 7) -> str:
    (listing,) = standing(number)
    assert listing["messages"] == []
    return listing["none"]


def test_nothing_but_codes_numbers_and_times_is_said(mail: Recorder) -> None:
    found = accepted_list([member(7, email="camille@example.fr", mobile="0639980007")])
    campaign = approved(found)
    build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    send(campaign)
    (listing,) = standing()
    (message,) = listing["messages"]
    assert set(listing) == {
        "list_id",
        "breach_id",
        "accepted_at",
        "operators",
        "ended",
        "messages",
    }
    assert listing["list_id"] == found.pk
    assert listing["breach_id"] == cast.breach().pk
    assert listing["accepted_at"] == cast.NOW.isoformat()
    assert listing["operators"] == [cast.operator().pk]
    assert set(message) == {
        "campaign_id",
        "kind",
        "campaign_state",
        "channel",
        "state",
        "reason",
        "first_at",
        "last_at",
    }
    assert message["first_at"] is not None
    for secret in ("camille", "Phare", "000000007", "63998", "1980"):
        assert secret not in str(listing)


def test_before_a_campaign_and_before_its_approval() -> None:
    found = accepted_list([member(7, email="camille@example.fr")])
    assert why_none() == "no_campaign"
    campaign = submitted(found)
    assert why_none() == "campaign_submitted"
    Campaign.objects.filter(pk=campaign.pk).update(
        state=CampaignState.APPROVED, approved_by=cast.armand(), approved_at=cast.NOW
    )
    assert why_none() == "campaign_approved"


def test_a_message_waits_then_is_accepted_then_delivered(mail: Recorder) -> None:
    campaign = built([member(7, email="camille@example.fr")])
    assert states() == [("email", State.PENDING)]
    (listing,) = standing()
    assert listing["messages"][0]["first_at"] is None
    send(campaign)
    assert states() == [("email", State.ACCEPTED)]
    (listing,) = standing()
    first = listing["messages"][0]["first_at"]
    receive(Notification.objects.get(), ReceiptKind.DELIVERED)
    (listing,) = standing()
    (message,) = listing["messages"]
    assert message["state"] == State.DELIVERED
    assert message["first_at"] == first
    assert (message["last_at"] or "") > (first or "")


def test_a_bounce_then_the_sms(mail: Recorder) -> None:
    mail.answers[GONE] = "550 no"
    send(built([member(7, email=GONE, mobile="0639980007")]))
    assert states() == [("email", State.BOUNCED), ("sms", State.ACCEPTED)]
    (listing,) = standing()
    assert listing["messages"][0]["reason"] == "smtp-550"


def test_each_of_a_family_learns_what_failed_before(mail: Recorder) -> None:
    mail.answers[GONE] = "550 no"
    rows = [member(7, email=GONE, mobile="0639980007"), member(8, email=GONE, mobile="0639980008")]
    send(built([*rows, member(9, email=GONE)]))
    for number in (7, 8):
        assert states(number) == [("email", State.BOUNCED), ("sms", State.ACCEPTED)]
    assert states(9) == [("email", State.BOUNCED)]


def test_a_letter() -> None:
    campaign = approved(accepted_list([member(7)]))
    campaign.plan["channels"] = ["email", "sms", "letter"]
    campaign.save(update_fields=["plan"])
    build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    assert states() == [(Channel.LETTER, State.PENDING)]


def test_those_who_cannot_be_reached() -> None:
    crowd = [member(20 + n, email="accueil@example.fr") for n in range(9)]
    built([member(7), member(8, email="pas une adresse"), *crowd])
    assert why_none(7) == "no_contact"
    assert why_none(8) == "invalid_contact"
    assert why_none(20) == "shared_address"


def test_told_already_by_another_list(mail: Recorder) -> None:
    send(built([member(7, email="camille@example.fr")]))
    build_outbox(
        campaign_id=approved(accepted_list([member(7, email="camille@example.fr"), member(8)])).pk,
        now=cast.NOW,
    )
    newer, older = standing()
    assert (newer["messages"], newer.get("none")) == ([], "told_already")
    assert [message["state"] for message in older["messages"]] == [State.ACCEPTED]


def test_a_cancelled_campaign() -> None:
    campaign = built([member(7, email="camille@example.fr")])
    Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.CANCELLED)
    with as_role("worker"):
        cancel_messages(campaign_id=campaign.pk, now=cast.NOW)
    assert states() == [("email", State.CANCELLED)]


def test_whoever_was_withdrawn_is_said_to_be(mail: Recorder) -> None:
    rows = [member(7, email="a@example.fr"), member(8, email="b@example.fr")]
    send(built(rows))
    accepted_list([member(7)], effect=ListEffect.WITHDRAW)
    (listing,) = standing()
    assert listing["ended"] == Ended.WITHDRAWN
    assert [message["state"] for message in listing["messages"]] == [State.ACCEPTED]
    (other,) = standing(8)
    assert other["ended"] == ""


def test_whoever_was_replaced_or_corrected_is_said_to_be(mail: Recorder) -> None:
    send(built([member(7, email="a@example.fr"), member(8, email="b@example.fr")]))
    accepted_list([member(8, email="autre@example.fr")], effect=ListEffect.REPLACE)
    (listing,) = standing()
    assert listing["ended"] == Ended.REPLACED
    newer, older = standing(8)
    assert (newer["ended"], older["ended"]) == ("", Ended.CORRECTED)


def test_whose_contact_was_corrected_stands_on_the_later_list() -> None:
    accepted_list([member(7, email="ancien@example.fr")])
    accepted_list([member(7, email="nouveau@example.fr")])
    newer, older = standing()
    assert (newer["ended"], older["ended"]) == ("", Ended.CORRECTED)


@pytest.mark.parametrize("is_told", [False, True])
def test_a_list_withdrawn_as_a_whole_is_still_found(mail: Recorder, is_told: bool) -> None:
    if is_told:
        campaign = built([member(7, email="camille@example.fr")])
        send(campaign)
    else:
        accepted_list([member(7, email="camille@example.fr")])
    found = AffectedList.objects.get()
    decide_to_withdraw(affected_list=found, decided_by=cast.paule(), now=cast.NOW)
    with as_role("worker"):
        withdraw_list(list_id=found.pk)
    (listing,) = standing()
    assert listing["ended"] == Ended.WITHDRAWN
    assert bool(listing["messages"]) == is_told


def test_twins_are_two_listings_and_the_rank_tells_them_apart() -> None:
    accepted_list(
        [
            member(7, email="a@example.fr", name="Phare;Camille"),
            member(7, email="b@example.fr", name="Phare;Claude"),
        ]
    )
    assert len(standing()) == 2
    assert standing(birth_rank="2") == standing()
