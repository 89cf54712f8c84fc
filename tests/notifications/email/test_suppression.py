"""An address that bounced gets nothing more, for a year, from that insurer."""

from datetime import timedelta

import pytest
from django.utils import timezone

from notifications.models import Channel, Notification, State, Suppression
from notifications.register.figures import campaign_figures
from notifications.sending.suppression import LASTS, forget_suppressions, purge_suppressions
from notifications.states import Standing
from tests import cast
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db

GONE = "gone@example.fr"


@pytest.fixture
def bounced(mail: Recorder) -> Recorder:
    """The address is refused once; after that its server would take anything."""
    mail.answers[GONE] = "550 5.1.1 no such user"
    send(built([member(1, email=GONE)]))
    del mail.answers[GONE]
    return mail


def test_a_refusal_suppresses_the_address_for_a_year(bounced: Recorder) -> None:
    found = Suppression.objects.get()
    assert found.insurer == cast.phare()
    assert found.until_at - found.since_at == timedelta(days=365)


def test_nothing_is_sent_to_a_suppressed_address_and_the_reason_is_told(bounced: Recorder) -> None:
    campaign = built([member(2, email=GONE), member(3, email="here@example.fr")])
    send(campaign)
    assert bounced.recipients == ["here@example.fr"]
    figures = campaign_figures(campaign)
    assert figures.people_by_state[State.SUPPRESSED] == 1
    assert figures.unreachable_by_reason == {"suppressed": 1}
    assert figures.adds_up


def test_another_insurers_suppression_says_nothing(mail: Recorder) -> None:
    campaign = built([member(1, email=GONE)])
    address = Notification.objects.get().address_fingerprint
    assert address is not None
    Suppression.objects.create(
        insurer=cast.dune(),
        address_fingerprint=address,
        reason="smtp-550",
        since_at=timezone.now(),
        until_at=timezone.now() + LASTS,
    )
    send(campaign)
    assert mail.recipients == [GONE]


def test_people_of_a_suppressed_address_go_on_to_their_mobile(bounced: Recorder) -> None:
    campaign = built([member(2, email=GONE, mobile="0639980001")])
    send(campaign)
    states = Notification.objects.filter(campaign=campaign).values_list("channel", "state")
    assert (Channel.SMS, State.ACCEPTED) in set(states)
    assert campaign_figures(campaign).people[Standing.TOLD] == 1


def test_an_address_is_written_to_again_after_a_year(bounced: Recorder) -> None:
    Suppression.objects.update(until_at=timezone.now() - timedelta(seconds=1))
    send(built([member(2, email=GONE)]))
    assert bounced.recipients == [GONE]


def test_what_ended_is_forgotten(bounced: Recorder) -> None:
    now = timezone.now()
    assert purge_suppressions(now=now) == 0
    assert purge_suppressions(now=now + LASTS) == 1


def test_the_purge_of_contacts_forgets_an_insurers_suppressions_only(bounced: Recorder) -> None:
    assert forget_suppressions(insurer_id=cast.dune().pk) == 0
    assert forget_suppressions(insurer_id=cast.phare().pk) == 1


def test_a_refusal_for_policy_suppresses_nothing(mail: Recorder) -> None:
    mail.answers[GONE] = "550 5.7.1 policy"
    send(built([member(1, email=GONE)]))
    assert not Suppression.objects.exists()
