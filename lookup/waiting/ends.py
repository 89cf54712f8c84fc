"""How waits end: the address goes, a count by insurer and month stays (worker)."""

from collections import Counter
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from lookup.models import Ending, SentConfirmation, WaitingAddress, WaitingTally
from lookup.waiting.limits import CONFIRMED_FOR, COUNTED_FOR, UNCONFIRMED_FOR


def end_wait(*, address: WaitingAddress, ending: Ending, now: datetime) -> None:
    """Erase an address, and count it unless it was removed meanwhile, or never confirmed."""
    with transaction.atomic():
        erased, _by_model = WaitingAddress.objects.filter(pk=address.pk).delete()
        if erased and address.confirmed_at is not None:
            _count(address.insurer_id, ending, people=1, now=now)


def forget_old(*, now: datetime) -> None:
    """Erase what was not confirmed in time, what waited too long, and old counts of messages."""
    WaitingAddress.objects.filter(confirmed_at=None, asked_at__lte=now - UNCONFIRMED_FOR).delete()
    SentConfirmation.objects.filter(sent_at__lte=now - COUNTED_FOR).delete()
    with transaction.atomic():
        old = WaitingAddress.objects.filter(confirmed_at__lte=now - CONFIRMED_FOR)
        rows = list(old.select_for_update().values_list("pk", "insurer_id"))
        WaitingAddress.objects.filter(pk__in=[pk for pk, _insurer in rows]).delete()
        for insurer_id, people in Counter(insurer for _pk, insurer in rows).items():
            _count(insurer_id, Ending.EXPIRED, people=people, now=now)


def _count(insurer_id: UUID, ending: Ending, *, people: int, now: datetime) -> None:
    # One worker at a time counts these endings; the web role counts removals only.
    row = {"insurer_id": insurer_id, "month_date": _month(now), "ending": ending}
    if not WaitingTally.objects.filter(**row).update(people=F("people") + people):
        WaitingTally.objects.create(**row, people=people)


def _month(now: datetime) -> date:
    return timezone.localdate(now).replace(day=1)
