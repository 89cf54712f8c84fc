"""A later list adds, replaces or withdraws: nobody lost, nobody told twice, each counted once."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from insurers.lists.withdrawal import decide_to_withdraw, withdraw_list
from insurers.models import AffectedList, AffectedMember, ListEffect, ListState
from notifications.campaigns.approving import approve_campaign
from notifications.campaigns.steps import CampaignRefused
from notifications.channels import Outcome
from notifications.models import CampaignState, Channel, Notification, ReceiptKind, State, Told
from notifications.outbox.settling import settle_stale
from notifications.receipts.applying import record_receipt
from notifications.register.figures import campaign_figures, list_figures
from notifications.sending.doubts import DOUBT_DELAY, resolve_doubts
from notifications.sending.leases import abandon_batch, claim_batch, close_batch, recover_batches
from notifications.sending.outcomes import record_outcome
from notifications.states import Standing
from tests import cast
from tests.conftest import as_role
from tests.notifications.effects import (
    add,
    check_figures,
    line,
    prepare,
    replace,
    send,
    told_twice,
    withdraw,
    withdraw_whole,
)
from tests.notifications.story import EVERY_POINT, accepted_list, member, submitted
from tests.smtp import Recorder

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail")]


@pytest.fixture
def _both_operators() -> None:
    cast.phare_at_both_operators()


def people() -> dict[Standing, int]:
    return {standing: count for standing, count in line().figures.standings if count}


# Adding


def test_people_listed_with_the_same_contact_stay_where_they_are() -> None:
    add(member(1, email="lise@example.fr"))
    second = add(member(1, email="lise@example.fr"), member(2, email="omar@example.fr"))
    assert (second.members, second.members_uncounted) == (2, 1)
    assert (second.rows_already_listed, second.rows_contact_changed) == (1, 0)
    assert line().figures.listed == 2


def test_a_row_without_a_contact_changes_nothing() -> None:
    add(member(1, email="lise@example.fr"))
    assert add(member(1), member(2)).rows_already_listed == 1


def test_a_corrected_contact_after_a_bounce_is_told(mail: Recorder) -> None:
    mail.answers["lise@exemple.fr"] = "550 no such user"
    send(prepare(add(member(1, email="lise@exemple.fr"))))
    second = add(member(1, email="lise@example.fr"))
    assert (second.members, second.rows_contact_changed) == (1, 1)
    send(prepare(second))
    assert mail.recipients == ["lise@example.fr"]
    assert people() == {Standing.TOLD: 1}


def test_a_first_contact_for_somebody_without_any_is_told(mail: Recorder) -> None:
    send(prepare(add(member(1), member(2, email="omar@example.fr"))))
    send(prepare(add(member(1, email="lise@example.fr"))))
    assert sorted(mail.recipients) == ["lise@example.fr", "omar@example.fr"]
    assert people() == {Standing.TOLD: 2}


def test_a_corrected_contact_takes_the_place_of_one_not_yet_written_to(mail: Recorder) -> None:
    first = prepare(add(member(1, email="lise@exemple.fr"), member(2, email="omar@example.fr")))
    second = add(member(1, email="lise@example.fr"))
    assert campaign_figures(first).cancelled_by_reason == {"corrected": 1}
    send(first)
    send(prepare(second))
    assert sorted(mail.recipients) == ["lise@example.fr", "omar@example.fr"]
    assert people() == {Standing.TOLD: 2}


def test_somebody_told_is_not_told_again_at_another_address(mail: Recorder) -> None:
    send(prepare(add(member(1, email="lise@example.fr"))))
    second = prepare(add(member(1, email="lise@autre.example.fr")))
    send(second)
    assert mail.recipients == ["lise@example.fr"]
    assert campaign_figures(second).people[Standing.TOLD_ALREADY] == 1
    assert people() == {Standing.TOLD: 1}


def test_a_name_that_was_missing_does_not_have_somebody_told_twice(mail: Recorder) -> None:
    send(prepare(add(member(1, email="lise@example.fr", name=";"))))
    send(prepare(add(member(1, email="lise@autre.example.fr"))))
    assert mail.recipients == ["lise@example.fr"]


def test_a_bounce_after_the_correction_was_left_out_is_made_good(mail: Recorder) -> None:
    mail.answers["lise@exemple.fr"] = "550 no such user"
    first = prepare(add(member(1, email="lise@exemple.fr")))
    batch = claim_batch(campaign_id=first.pk, channel=Channel.EMAIL, now=timezone.now())
    assert batch is not None
    second = send(prepare(add(member(1, email="lise@example.fr"))))
    assert second.state == CampaignState.FINISHED
    message = Notification.objects.get(campaign=first)
    with as_role("worker"):
        record_outcome(
            batch_id=batch, outcome=Outcome(message.pk, State.BOUNCED, "x"), now=timezone.now()
        )
        settle_stale(now=timezone.now())
    second.refresh_from_db()
    send(second)
    assert mail.recipients == ["lise@example.fr"]
    assert people() == {Standing.TOLD: 1}


def test_a_twin_is_not_taken_for_the_other(mail: Recorder) -> None:
    send(prepare(add(member(1, email="lise@example.fr", name="Marin;Lise"))))
    send(prepare(add(member(1, email="lou@example.fr", name="Marin;Lou"))))
    assert sorted(mail.recipients) == ["lise@example.fr", "lou@example.fr"]
    assert people() == {Standing.TOLD: 2}


# Lists of different operators


@pytest.mark.usefixtures("_both_operators")
def test_somebody_of_two_operators_counts_once_in_the_register(mail: Recorder) -> None:
    first = add(member(1, email="lise@example.fr"))
    second = add(
        member(1, email="lise@example.fr"),
        member(2, email="omar@example.fr"),
        operators=["betapay"],
    )
    assert line().figures.listed == 2
    send(prepare(first))
    assert people() == {Standing.TOLD: 1, Standing.IN_PROGRESS: 1}
    send(prepare(second))
    assert people() == {Standing.TOLD: 2}
    assert mail.recipients.count("lise@example.fr") == 2  # Once for each operator's data.


@pytest.mark.usefixtures("_both_operators")
def test_who_is_unreachable_on_one_list_and_told_on_another_counts_as_told() -> None:
    send(prepare(add(member(1))))
    assert people() == {Standing.UNREACHABLE: 1}
    send(prepare(add(member(1, email="lise@example.fr"), operators=["betapay"])))
    assert people() == {Standing.TOLD: 1}


@pytest.mark.usefixtures("_both_operators")
def test_who_leaves_one_list_counts_on_the_other() -> None:
    add(member(1, email="lise@example.fr"))
    second = prepare(add(member(1, email="lise@example.fr"), "", operators=["betapay"]))
    withdraw(member(1))
    assert line().figures.listed == 1
    assert campaign_figures(second).people[Standing.IN_PROGRESS] == 1


@pytest.mark.usefixtures("_both_operators")
def test_who_counted_on_a_list_that_leaves_whole_counts_on_the_other() -> None:
    first = add(member(1, email="lise@example.fr"))
    second = add(member(1, email="lise@example.fr"), "", operators=["betapay"])
    assert (first.members_uncounted, second.members_uncounted) == (0, 1)
    replace(member(2, email="omar@example.fr"))
    second.refresh_from_db()
    assert second.members_uncounted == 0
    assert line().figures.listed == 2


# Replacing


def test_replacing_a_list_that_no_campaign_uses_takes_it_out_whole() -> None:
    first = add(member(1, email="lise@example.fr"), member(2, email="omar@example.fr"))
    second = replace(member(2, email="omar@example.fr"), member(3, email="ines@example.fr"))
    first.refresh_from_db()
    assert first.state == ListState.WITHDRAWN
    assert (second.members, second.people_withdrawn) == (2, 2)
    assert line().figures.listed == 2


def test_replacing_a_list_in_use_cancels_who_is_gone_and_keeps_the_others(mail: Recorder) -> None:
    first = prepare(add(member(1, email="lise@example.fr"), member(2, email="omar@example.fr")))
    second = replace(member(2, email="omar@example.fr"), member(3, email="ines@example.fr"))
    assert (second.members, second.rows_already_listed) == (2, 1)
    assert campaign_figures(first).cancelled_by_reason == {"replaced": 1}
    send(first)
    send(prepare(second))
    assert sorted(mail.recipients) == ["ines@example.fr", "omar@example.fr"]
    assert people() == {Standing.TOLD: 2}


def test_who_was_told_and_is_gone_stays_told() -> None:
    first = send(prepare(add(member(1, email="lise@example.fr"))))
    replace(member(2, email="omar@example.fr"))
    assert campaign_figures(first).people[Standing.TOLD] == 1
    assert people() == {Standing.TOLD: 1, Standing.IN_PROGRESS: 1}


def test_a_submitted_campaign_on_a_list_taken_out_cannot_be_approved() -> None:
    campaign = submitted(add(member(1, email="lise@example.fr")))
    replace(member(1, email="lise@example.fr"), member(2))
    with pytest.raises(CampaignRefused):
        approve_campaign(
            campaign_id=campaign.pk,
            approver_id=cast.armand().pk,
            checked_points=EVERY_POINT,
            shared_addresses_confirmed=False,
            now=cast.NOW,
        )


# Withdrawing


def test_a_withdrawal_cancels_what_is_not_sent(mail: Recorder) -> None:
    first = prepare(add(member(1, email="lise@example.fr"), member(2, email="omar@example.fr")))
    assert withdraw(member(1)).people_withdrawn == 1
    assert campaign_figures(first).cancelled_by_reason == {"withdrawn": 1}
    assert send(first).state == CampaignState.FINISHED
    assert mail.recipients == ["omar@example.fr"]
    assert people() == {Standing.TOLD: 1}


@pytest.mark.parametrize("is_used", [False, True])
def test_nobody_stays_on_a_list_that_is_about_to_be_withdrawn(is_used: bool) -> None:
    wrong = add(member(1, email="a@example.fr"))
    if is_used:
        prepare(wrong)
    decide_to_withdraw(affected_list=wrong, decided_by=cast.paule(), now=cast.NOW)
    right = accepted_list([member(1, email="a@example.fr"), member(2)])
    assert (right.members, right.rows_already_listed) == (2, 0)
    with as_role("worker"):
        withdraw_list(list_id=wrong.pk)
        settle_stale(now=cast.NOW)
    assert check_figures().listed == 2


def test_a_withdrawal_leaves_no_member_key_or_campaign_of_its_own() -> None:
    add(member(1, email="lise@example.fr"))
    withdrawal = withdraw(member(1), member(9))
    assert not AffectedMember.objects.filter(list_id=withdrawal.pk).exists()
    with pytest.raises(CampaignRefused):
        submitted(withdrawal)


def test_a_family_keeps_its_message_for_those_who_stay(mail: Recorder) -> None:
    rows = [member(n, email="foyer@example.fr") for n in (1, 2, 3)]
    first = prepare(add(*rows))
    withdraw(member(1))
    message = Notification.objects.get()
    assert (message.people, message.state) == (2, State.PENDING)
    send(first)
    assert mail.recipients == ["foyer@example.fr"]
    assert people() == {Standing.TOLD: 2}


def test_who_was_told_stays_told_after_a_withdrawal() -> None:
    first = send(prepare(add(member(1, email="lise@example.fr"))))
    withdraw(member(1))
    assert campaign_figures(first).people[Standing.TOLD] == 1
    assert people() == {Standing.TOLD: 1}


def test_who_is_unreachable_and_withdrawn_is_no_longer_counted() -> None:
    send(prepare(add(member(1), member(2, email="omar@example.fr"))))
    withdraw(member(1))
    assert people() == {Standing.TOLD: 1}


def test_a_message_in_hand_at_the_withdrawal_counts_once_it_left() -> None:
    first = prepare(add(member(1, email="lise@example.fr")))
    batch = claim_batch(campaign_id=first.pk, channel=Channel.EMAIL, now=timezone.now())
    assert batch is not None
    withdraw(member(1))
    message = Notification.objects.get()
    assert message.state == State.SENDING
    with as_role("worker"):
        record_outcome(
            batch_id=batch, outcome=Outcome(message.pk, State.ACCEPTED), now=timezone.now()
        )
        settle_stale(now=timezone.now())
    check_figures()
    assert people() == {Standing.TOLD: 1}


def test_a_message_given_back_after_the_withdrawal_is_never_leased_again() -> None:
    first = prepare(add(member(1, email="lise@example.fr")))
    batch = claim_batch(campaign_id=first.pk, channel=Channel.EMAIL, now=timezone.now())
    assert batch is not None
    withdraw(member(1))
    with as_role("worker"):
        close_batch(batch_id=batch, now=timezone.now(), due_at=timezone.now())
        assert not claim_batch(campaign_id=first.pk, channel=Channel.EMAIL, now=timezone.now())
        settle_stale(now=timezone.now())
    check_figures()
    assert Notification.objects.get().state == State.CANCELLED
    assert line().figures.listed == 0


def test_a_message_in_doubt_is_not_sent_again_to_who_was_withdrawn(mail: Recorder) -> None:
    first = prepare(add(member(1, email="lise@example.fr"), member(2, email="omar@example.fr")))
    batch = claim_batch(campaign_id=first.pk, channel=Channel.EMAIL, now=timezone.now())
    assert batch is not None
    abandon_batch(batch_id=batch)  # As when its worker is killed.
    withdraw(member(1))
    with as_role("worker"):
        assert recover_batches(now=timezone.now()) == 1
        settle_stale(now=timezone.now())
        assert resolve_doubts(now=timezone.now() + DOUBT_DELAY) == 1
        settle_stale(now=timezone.now())
    assert send(first).state == CampaignState.FINISHED
    assert mail.recipients == ["omar@example.fr"]
    assert campaign_figures(first).cancelled_by_reason == {"withdrawn": 1}
    assert people() == {Standing.TOLD: 1}


def test_a_soft_bounce_of_who_was_withdrawn_is_the_last_word() -> None:
    first = send(prepare(add(member(1, email="lise@example.fr"), INES)))
    withdraw(member(1))
    lise = Notification.objects.order_by("ordinal")[0]
    with as_role("worker"):
        record_receipt(
            sender="email:phare",
            kind=ReceiptKind.SOFT,
            receipt_id="soft",
            notification_id=lise.pk,
            now=timezone.now(),
        )
        settle_stale(now=timezone.now())
    assert send(first).state == CampaignState.FINISHED
    assert campaign_figures(first).cancelled_by_reason == {"withdrawn": 1}
    assert people() == {Standing.TOLD: 1}


def test_a_fallback_to_the_mobile_leaves_out_who_was_withdrawn(mail: Recorder) -> None:
    mail.answers["foyer@example.fr"] = "550 no such user"
    first = prepare(
        add(
            member(1, email="foyer@example.fr", mobile="0639980001"),
            member(2, email="foyer@example.fr", mobile="0639980002"),
        )
    )
    withdraw(member(1))
    send(first)
    assert Notification.objects.filter(channel=Channel.SMS).count() == 1
    assert people() == {Standing.TOLD: 1}


def test_a_withdrawal_before_the_outbox_sends_nothing() -> None:
    first = add(member(1, email="lise@example.fr"), member(2, email="omar@example.fr"))
    withdraw(member(1))
    first.refresh_from_db()
    assert list_figures(first).people[Standing.CANCELLED] == 1
    campaign = prepare(first)
    assert campaign_figures(campaign).cancelled_by_reason == {"withdrawn": 1}
    assert Notification.objects.count() == 1


def test_a_whole_list_is_withdrawn_without_a_file(mail: Recorder) -> None:
    found = add(member(1, email="lise@example.fr"), member(2, email="omar@example.fr"))
    first = prepare(found)
    withdraw_whole(found)
    send(first)
    assert (mail.recipients, people()) == ([], {})
    assert Told.objects.count() == 0


def test_people_withdrawn_by_mistake_can_be_listed_again(mail: Recorder) -> None:
    found = add(member(1, email="lise@example.fr"))
    withdraw_whole(found)
    again = add(member(1, email="lise@example.fr"))
    send(prepare(again))
    assert mail.recipients == ["lise@example.fr"]
    assert people() == {Standing.TOLD: 1}


def test_withdrawn_and_listed_again_after_being_told_is_told_once(mail: Recorder) -> None:
    found = add(member(1, email="lise@example.fr"))
    send(prepare(found))
    withdraw_whole(found)
    send(prepare(add(member(1, email="lise@example.fr"))))
    assert mail.recipients == ["lise@example.fr"]
    assert people() == {Standing.TOLD: 1}


# Named by several lists

LISE_AND_OMAR = [member(1, email="lise@example.fr"), member(2, email="omar@example.fr")]
INES = member(3, email="ines@example.fr")


@pytest.mark.parametrize("second_is_used", [False, True])
@pytest.mark.parametrize("first_is_used", [False, True])
def test_who_another_list_names_stays_listed_and_is_told_from_there(
    mail: Recorder, first_is_used: bool, second_is_used: bool
) -> None:
    first = add(*LISE_AND_OMAR)
    if first_is_used:
        prepare(first)
    second = add(LISE_AND_OMAR[0], INES)
    campaign = prepare(second) if second_is_used else None
    withdraw_whole(first)
    assert line().figures.listed == 2
    send(campaign or prepare(second))
    assert sorted(mail.recipients) == ["ines@example.fr", "lise@example.fr"]
    assert people() == {Standing.TOLD: 2}


def test_who_was_told_from_the_list_that_leaves_is_not_told_from_the_other(mail: Recorder) -> None:
    first = add(*LISE_AND_OMAR)
    send(prepare(first))
    second = prepare(add(LISE_AND_OMAR[0], INES))
    withdraw_whole(first)
    send(second)
    assert mail.recipients.count("lise@example.fr") == 1
    assert campaign_figures(second).people[Standing.TOLD_ALREADY] == 1
    assert people() == {Standing.TOLD: 3}


def test_who_waits_on_the_first_of_two_lists_is_told_once(mail: Recorder) -> None:
    first, second = (prepare(found) for found in (add(*LISE_AND_OMAR), add(*LISE_AND_OMAR, INES)))
    send(second)
    send(first)
    assert told_twice(mail.recipients) == []
    assert people() == {Standing.TOLD: 3}


@pytest.mark.usefixtures("_both_operators")
@pytest.mark.parametrize("is_used", [False, True])
def test_who_a_narrower_list_names_stays_when_the_wider_one_is_replaced(
    mail: Recorder, is_used: bool
) -> None:
    wide = ("alphapay", "betapay")
    first = add(*LISE_AND_OMAR, operators=wide)
    if is_used:
        prepare(first)
    narrow = add(LISE_AND_OMAR[0], "")
    accepted_list([INES], effect=ListEffect.REPLACE, operators=wide)
    assert check_figures().listed == 2
    send(prepare(narrow))
    assert mail.recipients == ["lise@example.fr"]


def test_a_corrected_address_comes_back_when_the_list_that_corrected_it_leaves(
    mail: Recorder,
) -> None:
    first = add(member(1, email="lise@example.fr"))
    second = add(member(1, email="lise@exemple.fr"))
    withdraw_whole(second)
    assert line().figures.listed == 1
    send(prepare(first))
    assert mail.recipients == ["lise@example.fr"]


def test_it_does_not_where_a_later_list_says_the_same(mail: Recorder) -> None:
    first = add(member(1, email="lise@exemple.fr"))
    second = add(member(1, email="lise@example.fr"))
    third = add(member(1, email="lise@example.fr"), INES)
    withdraw_whole(second)
    for found in (first, third):
        send(prepare(found))
    assert sorted(mail.recipients) == ["ines@example.fr", "lise@example.fr"]


@pytest.mark.parametrize("leave", [lambda: withdraw(member(1)), lambda: replace(INES)])
def test_who_was_withdrawn_or_replaced_does_not_come_back(leave: Callable[[], object]) -> None:
    prepare(add(member(1, email="lise@example.fr"), INES))
    prepare(add(member(1, email="lise@exemple.fr")))
    leave()
    third = add(member(1, email="lise@autre.example.fr"))
    withdraw_whole(third)
    assert line().figures.listed == 1


def test_a_file_that_withdraws_takes_a_person_off_every_list() -> None:
    prepare(add(*LISE_AND_OMAR))
    add(*LISE_AND_OMAR, INES)
    withdrawal = withdraw(LISE_AND_OMAR[0])
    assert (withdrawal.people_withdrawn, withdrawal.report.leaving) == (1, 1)
    assert line().figures.listed == 2


def test_who_is_replaced_on_two_lists_is_one_person() -> None:
    prepare(add(*LISE_AND_OMAR))
    add(*LISE_AND_OMAR, INES)
    replaced = replace(INES)
    assert (replaced.people_withdrawn, replaced.report.gone) == (3, 2)
    assert line().figures.listed == 1


@pytest.mark.parametrize("leave", [lambda: withdraw(*LISE_AND_OMAR), lambda: replace(INES)])
def test_who_left_before_does_not_leave_again(leave: Callable[[], AffectedList]) -> None:
    send(prepare(add(*LISE_AND_OMAR)))
    corrects = add(member(1, email="lise@autre.example.fr"))
    prepare(corrects)
    withdraw_whole(corrects)
    left = leave()
    assert (left.people_withdrawn, left.report.leaving, left.report.leaving_told) == (1, 1, 1)


def test_who_was_told_at_an_address_corrected_since_leaves_as_told() -> None:
    send(prepare(add(*LISE_AND_OMAR)))
    add(member(1, email="lise@autre.example.fr"))
    left = withdraw(LISE_AND_OMAR[0])
    assert (left.people_withdrawn, left.report.leaving, left.report.leaving_told) == (1, 1, 1)


# Rejected rows


def test_rejected_rows_stand_beside_the_figures_until_a_list_corrects_them() -> None:
    bad = "A9;31/02/1980;Marin;Lise;lise@example.fr;;"
    first = accepted_list([member(1, email="omar@example.fr"), bad, bad.replace("A9", "A8")])
    assert line().rows_rejected == 2
    accepted_list([member(2, email="lise@example.fr")], corrects=first)
    assert line().rows_rejected == 1
    assert check_figures().listed == 2
