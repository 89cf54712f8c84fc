"""The outbox: one message per address, everybody accounted for, nobody told twice."""

import pytest
from django.db.models import Sum

from insurers.models import AffectedMember
from notifications.models import Campaign, Channel, CoveredMember, Notification, Tally, Told
from notifications.outbox.building import build_outbox, count_reach
from notifications.register.figures import campaign_figures
from notifications.states import Standing
from tests import cast
from tests.conftest import as_role
from tests.notifications.story import accepted_list, approved, built, member

pytestmark = pytest.mark.django_db


def people(campaign: Campaign, standing: Standing) -> int:
    return campaign_figures(campaign).people[standing]


def test_the_worker_role_builds_it() -> None:
    campaign = approved(accepted_list([member(1, email="a@example.fr")]))
    with as_role("worker"):
        assert build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    assert Notification.objects.count() == 1


def test_it_is_built_once() -> None:
    campaign = built([member(1, email="a@example.fr")])
    assert not build_outbox(campaign_id=campaign.pk, now=cast.NOW)


def test_a_family_on_one_address_gets_one_message_that_covers_all() -> None:
    built([member(number, email="famille@example.fr") for number in range(4)])
    message = Notification.objects.get()
    assert (message.people, CoveredMember.objects.count()) == (4, 4)


def test_the_mobile_serves_where_there_is_no_email() -> None:
    built([member(1, email="a@example.fr", mobile="0639980001"), member(2, mobile="0639980002")])
    assert sorted(Notification.objects.values_list("channel", flat=True)) == ["email", "sms"]


def test_people_without_a_contact_are_unreachable_with_the_reason() -> None:
    campaign = built(
        [member(1, email="a@example.fr"), member(2), member(3, email="pas une adresse")]
    )
    reasons = campaign_figures(campaign).unreachable_by_reason
    assert reasons == {"no_contact": 1, "invalid_contact": 1}


def test_a_crowded_address_waits_for_the_approvers_word() -> None:
    campaign = built([member(number, email="inconnu@example.fr") for number in range(9)])
    assert campaign_figures(campaign).unreachable_by_reason == {"shared_address": 9}


def test_eight_on_one_address_are_a_family_and_wait_for_nobody() -> None:
    built([member(number, email="famille@example.fr") for number in range(8)])
    assert Notification.objects.get().people == 8


def test_a_confirmed_crowded_address_is_written_to() -> None:
    rows = [member(number, email="ehpad@example.fr") for number in range(9)]
    built(rows, shared_addresses_confirmed=True)
    assert Notification.objects.get().people == 9


def test_members_claimed_by_another_campaign_are_left_out() -> None:
    first = built([member(1, email="a@example.fr")])
    second = approved(accepted_list([member(2, email="b@example.fr")]))
    other = AffectedMember.objects.get(list_id=second.affected_list_id)
    Told.objects.update(fingerprint=other.fingerprint, name_tag=other.name_tag)
    build_outbox(campaign_id=second.pk, now=cast.NOW)
    second.refresh_from_db()
    assert people(second, Standing.TOLD_ALREADY) == 1
    assert Notification.objects.exclude(campaign=first).count() == 0


def test_the_figures_add_up_to_the_list() -> None:
    rows = [member(n, email=f"p{n}@example.fr") for n in range(5)]
    rows += [member(n) for n in range(5, 8)] + [member(8, mobile="0639980008")]
    figures = campaign_figures(built(rows))
    assert (figures.listed, figures.adds_up) == (9, True)


def test_tallies_equal_the_events() -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(3)])
    pending = Tally.objects.filter(campaign=campaign, state="pending", channel=Channel.EMAIL)
    assert pending.aggregate(total=Sum("people"))["total"] == 3


def test_reach_is_counted_in_people_and_addresses() -> None:
    rows = [member(n, email="famille@example.fr") for n in range(3)]
    rows += [member(10, mobile="0639980010"), member(11), member(12, email="faux")]
    reach = count_reach(affected_list=accepted_list(rows))
    assert (reach.email_people, reach.email_addresses) == (3, 1)
    assert (reach.phone_only_people, reach.no_contact_people) == (1, 1)
    assert reach.invalid_contact_people == 1


def test_reach_leaves_out_who_is_told_from_another_list() -> None:
    built([member(1, email="lise@example.fr")])
    second = accepted_list([member(1, email="lise@example.fr"), member(2, email="omar@example.fr")])
    assert count_reach(affected_list=second).email_people == 1
