"""Pace, quiet hours, start time, turns and slots: rows that all workers share."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from time import monotonic
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from notifications.models import Channel, DispatchBatch, Notification, SenderPace, State
from notifications.senders.choosing import PORTAL
from notifications.sending.batches import (
    BATCH_SECONDS,
    FIRST_BATCH,
    SMALLEST_BATCH,
    SPEEDS_KEPT,
    Crew,
    Hand,
    Speeds,
)
from notifications.sending.dispatch import dispatch
from notifications.sending.leases import BATCH_SIZE, claim_batch, close_batch
from notifications.sending.pacing import (
    Pace,
    Slots,
    account_and_pace,
    give_back_slots,
    reserve,
    rest,
)
from notifications.sending.quiet_hours import QuietHours, QuietHoursError, read_quiet_hours
from notifications.sending.recorder import Recorder as OutcomeRecorder
from notifications.sending.tickets import issue_tickets, slot_held
from notifications.sending.turns import Turn, turns_in_order
from tests import cast
from tests.conftest import as_role
from tests.notifications.email.senders import identity
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db

NOW = cast.NOW
SECOND = timedelta(seconds=1)


def dispatched(*, seconds: float) -> bool:
    recorder = OutcomeRecorder(connection)
    return dispatch(seconds=seconds, crew=Crew(recorder))


def count(now: datetime, pace: Pace, *, at_most: int = 100) -> int:
    with as_role("worker"):
        return reserve(sender="email:phare", pace=pace, at_most=at_most, now=now).count


def test_without_a_limit_a_batch_is_whole() -> None:
    assert count(NOW, Pace()) == 100


def test_slots_of_a_second_are_given_once() -> None:
    pace = Pace(per_second=10)
    assert [count(NOW, pace), count(NOW, pace), count(NOW + SECOND, pace)] == [10, 0, 10]


def test_in_any_hour_no_more_slots_than_the_pace_allows() -> None:
    pace = Pace(per_second=2)
    starts = []
    for tick in range(0, 3600, 7):
        slots = reserve(sender="s", pace=pace, at_most=100, now=NOW + timedelta(seconds=tick / 10))
        starts += [slots.start + slots.spacing * number for number in range(slots.count)]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) >= timedelta(seconds=0.5)


def test_slower_than_one_a_second_still_sends() -> None:
    pace = Pace(per_second=0.5)
    given = [count(NOW + SECOND * tick, pace) for tick in range(0, 8, 2)]
    assert given == [1, 1, 1, 1]


def test_a_day_has_its_number_and_the_next_day_begins_at_midnight_in_paris() -> None:
    pace = Pace(per_day=150)
    evening = datetime(2026, 3, 2, 22, 59, tzinfo=UTC)
    assert [count(evening, pace), count(evening, pace), count(evening, pace)] == [100, 50, 0]
    assert count(evening + 2 * timedelta(minutes=1), pace) == 100


def test_slots_that_were_not_used_count_no_longer() -> None:
    count(NOW, Pace(per_day=100))
    give_back_slots(sender="email:phare", count=40)
    assert count(NOW, Pace(per_day=100)) == 40


def test_slots_that_nobody_used_are_given_again() -> None:
    pace = Pace(per_second=10)
    with as_role("worker"):
        slots = reserve(sender="email:phare", pace=pace, at_most=100, now=NOW)
        give_back_slots(sender="email:phare", count=7, slots=slots)
    assert count(NOW, pace) == 7


def test_slots_before_those_of_another_stay_taken() -> None:
    pace = Pace(per_second=10)
    with as_role("worker"):
        slots = reserve(sender="email:phare", pace=pace, at_most=5, now=NOW)
        reserve(sender="email:phare", pace=pace, at_most=2, now=NOW)
        give_back_slots(sender="email:phare", count=5, slots=slots)
    assert count(NOW, pace) == 3


def test_a_clock_set_back_by_an_hour_does_not_stop_the_sender() -> None:
    pace = Pace(per_second=10)
    count(NOW + timedelta(hours=1), pace)
    rest(sender="email:phare", until=NOW + timedelta(hours=1), now=NOW)
    assert count(NOW, pace) == 10


def test_a_sender_that_rests_sends_nothing() -> None:
    rest(sender="email:phare", until=NOW + SECOND, now=NOW)
    assert (count(NOW, Pace()), count(NOW + SECOND, Pace())) == (0, 100)


@override_settings(SENDING_PACE={"email": (20.0, None)})
def test_messages_leave_no_faster_than_the_pace(mail: Recorder) -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(30)])
    before = timezone.now()
    send(campaign)
    assert len(mail.recipients) == 30
    assert timezone.now() - before > timedelta(seconds=29 / 20)


@override_settings(SENDING_PACE={"email": (5.0, 6), "sms": (7.0, 8)})
def test_an_identity_has_its_own_pace_and_the_portal_that_of_the_settings() -> None:
    identity(cast.dune(), messages_per_second=3, messages_per_day=4)
    found = [
        account_and_pace(insurer_id=place.pk, channel=channel)
        for place in (cast.dune(), cast.phare())
        for channel in (Channel.EMAIL, Channel.SMS)
    ]
    own, sms = f"email:{cast.dune().pk}", Pace(7.0, 8)
    assert found[0] == (own, Pace(3, 4))
    assert found[2] == (PORTAL, Pace(5.0, 6))
    assert [pace for _account, pace in (found[1], found[3])] == [sms, sms]


def test_a_day_that_is_used_up_says_to_ask_again_tomorrow() -> None:
    evening = datetime(
        2026, 3, 28, 22, 30, tzinfo=UTC
    )  # 23:30 in Paris, an hour is lost that night
    assert count(evening, Pace(per_day=5)) == 5
    with as_role("worker"):
        slots = reserve(sender="email:phare", pace=Pace(per_day=5), at_most=1, now=evening)
    assert slots.count == 0
    assert slots.start == datetime(2026, 3, 28, 23, 0, tzinfo=UTC)


@override_settings(SENDING_PACE={"email": (None, 5)})
def test_what_the_day_does_not_allow_stays(mail: Recorder) -> None:
    send(built([member(n, email=f"p{n}@example.fr") for n in range(8)]))
    assert len(mail.recipients) == 5
    assert Notification.objects.filter(state=State.PENDING).count() == 3


NIGHT = QuietHours(time(22), time(7))


@pytest.mark.parametrize(
    ("moment", "is_quiet"),
    [
        (datetime(2026, 1, 10, 20, 59, tzinfo=UTC), False),
        (datetime(2026, 1, 10, 21, 0, tzinfo=UTC), True),  # 22:00 in winter
        (datetime(2026, 7, 10, 20, 0, tzinfo=UTC), True),  # 22:00 in summer
        (datetime(2026, 7, 10, 5, 0, tzinfo=UTC), False),
        # The night of 28 to 29 March 2026 has 8 hours less one, that of October one more.
        (datetime(2026, 3, 29, 4, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 29, 5, 0, tzinfo=UTC), False),
        (datetime(2026, 10, 25, 5, 59, tzinfo=UTC), True),
        (datetime(2026, 10, 25, 6, 0, tzinfo=UTC), False),
    ],
)
def test_quiet_hours_follow_the_clock_on_the_wall(moment: datetime, is_quiet: bool) -> None:
    assert NIGHT.cover(moment) == is_quiet


def test_quiet_hours_within_a_day() -> None:
    assert QuietHours(time(12), time(14)).cover(datetime(2026, 1, 10, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize("text", ["22-7h", "22:00", "soir"])
def test_quiet_hours_that_cannot_be_read_stop_the_start(text: str) -> None:
    with pytest.raises(QuietHoursError):
        read_quiet_hours(text)


def test_nothing_leaves_during_quiet_hours(mail: Recorder) -> None:
    always = QuietHours(time(0), time(23, 59, 59, 999_999))
    campaign = built([member(1, email="a@example.fr")])
    with override_settings(QUIET_HOURS=always):
        send(campaign)
    assert mail.recipients == []


def test_nothing_leaves_before_the_start(mail: Recorder) -> None:
    moment = cast.NOW + timedelta(minutes=5)
    campaign = built([member(1, email="a@example.fr")], starts_at=moment)
    assert turns_in_order(now=moment - SECOND) == []
    assert [turn.campaign_id for turn in turns_in_order(now=moment)] == [campaign.pk]


def test_campaigns_take_turns_batch_by_batch(
    mail: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.sending.batches.BATCH_SIZE", 100)
    first = built([member(n, email=f"a{n}@example.fr") for n in range(250)])
    second = built([member(n, email=f"b{n}@example.fr") for n in range(300, 550)])
    with as_role("worker"):
        dispatched(seconds=30)
    order = list(DispatchBatch.objects.order_by("pk").values_list("campaign", flat=True))
    assert order[:4] == [first.pk, second.pk, first.pk, second.pk]
    assert len(mail.recipients) == 500


@pytest.mark.parametrize(
    ("pace", "left", "size"),
    [
        (BATCH_SIZE, 3600.0, BATCH_SIZE),
        (100.0, 3600.0, int(100 * BATCH_SECONDS)),
        (100.0, 0.5, 50),  # of the slice half a second is left
        (0.1, 3600.0, SMALLEST_BATCH),  # what is left of a longer one would go back
        (100.0, -1.0, SMALLEST_BATCH),
    ],
)
def test_a_batch_is_as_long_as_its_server_is_quick(pace: float, left: float, size: int) -> None:
    turn = Turn(7, Channel.EMAIL)
    crew = Crew(OutcomeRecorder(connection))
    crew.speeds.note(7, Channel.EMAIL, pace)
    hand = Hand(crew, end=monotonic() + left)
    assert size - 1 <= hand.next_size(turn) <= size


def test_a_process_remembers_the_campaigns_that_sent_last_and_no_others() -> None:
    speeds = Speeds()
    for campaign in range(3 * SPEEDS_KEPT):
        speeds.note(campaign, Channel.EMAIL, float(campaign))
        speeds.note(0, Channel.SMS, 7.0)  # This one goes on sending.
    known = [n for n in range(3 * SPEEDS_KEPT) if speeds.of(n, Channel.EMAIL) is not None]
    assert known == list(range(2 * SPEEDS_KEPT + 1, 3 * SPEEDS_KEPT))
    assert speeds.of(known[-1], Channel.EMAIL) == float(known[-1])
    assert speeds.of(0, Channel.SMS) == 7.0


def test_a_small_campaign_is_shared_out(mail: Recorder) -> None:
    built([member(n, email=f"a{n}@example.fr") for n in range(150)])
    with as_role("worker"):
        dispatched(seconds=30)
    leased = DispatchBatch.objects.order_by("pk").values_list("pk", flat=True)
    sizes = [Notification.objects.filter(batch=batch).count() for batch in leased]
    assert sizes == [FIRST_BATCH, 50]


def test_what_a_slow_server_leaves_of_a_batch_goes_back(
    mail: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.sending.dispatch.GRACE", -3600.0)
    built([member(n, email=f"a{n}@example.fr") for n in range(3)])
    with as_role("worker"):
        assert dispatch(seconds=0.5, crew=Crew(OutcomeRecorder(connection)))
    assert mail.recipients == []
    assert set(Notification.objects.values_list("state", flat=True)) == {State.PENDING}
    assert not DispatchBatch.objects.filter(closed_at=None).exists()


def test_a_ticket_takes_its_slot_once() -> None:
    slot, ticket = issue_tickets()[0]
    for expected in (True, False, False):
        with slot_held(slot=slot, ticket=ticket) as is_ours:
            assert is_ours == expected


def test_a_new_ticket_replaces_one_that_the_broker_kept() -> None:
    (slot, old), (_, new) = issue_tickets()[0], issue_tickets()[0]
    with slot_held(slot=slot, ticket=old) as is_ours:
        assert not is_ours
    with slot_held(slot=slot, ticket=new) as is_ours:
        assert is_ours


def test_one_row_for_each_sender(mail: Recorder) -> None:
    send(
        built(
            [member(1, email="a@example.fr", mobile="0639980001"), member(2, mobile="0639980002")]
        )
    )
    assert SenderPace.objects.count() == 2


def test_what_a_clock_that_is_ahead_gives_back_is_due_as_before() -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(3)])
    ahead = timezone.now() + timedelta(hours=1)
    batch = claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=ahead)
    assert batch is not None
    close_batch(batch_id=batch, now=ahead, due_at=ahead)
    due = Notification.objects.filter(state=State.PENDING, due_at__lte=timezone.now())
    assert due.count() == 3


def test_a_clock_set_back_by_an_hour_does_not_slow_the_batch_in_hand(
    mail: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = Slots(100, timezone.now() + timedelta(hours=1), timedelta())
    monkeypatch.setattr("notifications.sending.batches.reserve", lambda **_: slots)
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(20)])
    started = monotonic()
    send(campaign)
    assert len(mail.received) == 20
    assert monotonic() - started < 10


def test_a_clock_set_back_by_an_hour_does_not_make_a_slice_longer(
    mail: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = iter([timezone.now() + timedelta(hours=1)])
    clock = SimpleNamespace(now=lambda: next(ahead, None) or timezone.now())
    monkeypatch.setattr("notifications.sending.batches.timezone", clock)
    monkeypatch.setattr("notifications.sending.batches.BATCH_SIZE", 1)
    built([member(n, email=f"p{n}@example.fr") for n in range(100)])
    with as_role("worker"):
        assert dispatch(seconds=0.1, crew=Crew(OutcomeRecorder(connection)))
    assert len(mail.received) < 100
