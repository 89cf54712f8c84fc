"""Workers that ask at the same moment for slots of one sender: no more than its pace in all."""

from threading import Barrier

from django.utils import timezone

from notifications.models import SenderPace
from notifications.sending.pacing import Pace, Slots, reserve
from tests.faults.test_effects_at_once import at_once, mail  # noqa: F401 (a fixture)
from tests.smtp import Recorder

WORKERS = 6
SENDERS = range(20)  # asked one after the other, by all workers at once


def reserved_at_once(pace: Pace) -> list[list[Slots]]:
    """Have every worker ask each sender for more than its pace allows to all of them."""
    given: list[list[Slots]] = [[] for _ in SENDERS]
    now, ready = timezone.now(), Barrier(WORKERS, timeout=30)
    # Where there is no row yet, whoever inserts it makes the others wait.
    SenderPace.objects.bulk_create(
        SenderPace(sender=f"email:{sender}", next_at=now, day_date=timezone.localdate(now))
        for sender in SENDERS
    )

    def ask() -> None:
        for sender in SENDERS:
            ready.wait()
            slots = reserve(sender=f"email:{sender}", pace=pace, at_most=100, now=now)
            given[sender].append(slots)

    at_once(*[ask] * WORKERS)
    return given


def test_slots_of_a_second_are_shared_out(mail: Recorder) -> None:  # noqa: F811
    for given in reserved_at_once(Pace(per_second=10)):
        starts = [one.start + one.spacing * place for one in given for place in range(one.count)]
        assert len(starts) == len(set(starts)) == 10


def test_a_day_has_its_number_for_all_of_them(mail: Recorder) -> None:  # noqa: F811
    for given in reserved_at_once(Pace(per_day=250)):
        assert sum(one.count for one in given) == 250
