"""Draw people of a list at random, so that anybody who knows the seed draws the same (worker).

Candidate number i (from 0) is row 2 + (SHA-256 of « seed:i », as a big-endian number, modulo the
number of rows): rows are those of the uploaded file, its header being row 1. A row drawn before,
or of which the list has nobody (rejected, a duplicate), is passed over.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count, islice

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from audit.models import Outcome
from audit.trail import account, insurer_scope, record
from insurers.models import AffectedList, AffectedMember
from insurers.permissions import breaches_mandated
from notifications.models import Sample
from notifications.samples.histories import histories

FIRST_ROW = 2
AT_ONCE = 2_000
KEPT_FOR = timedelta(days=30)
SEED = re.compile(r"[0-9A-Za-z-]{1,40}")


class SampleRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """The list has nobody to draw from: it is not accepted, or its people are erased."""


def ask_sample(
    *, affected_list: AffectedList, asked_by_id: int, seed: str, size: int, now: datetime
) -> Sample:
    """Leave a sample to be drawn to the worker; raise SampleRefused where there is nobody."""
    if not AffectedList.objects.with_members().that_list_people().filter(pk=affected_list.pk):
        raise SampleRefused
    with transaction.atomic():
        sample = Sample.objects.create(
            affected_list=affected_list,
            insurer_id=affected_list.insurer_id,
            seed=seed,
            size=size,
            asked_by_id=asked_by_id,
            asked_at=now,
        )
        record(
            action="sample.asked",
            scope=insurer_scope(affected_list.insurer_id),
            actor=account(asked_by_id),
            subject=f"list:{affected_list.pk}",
            detail={"seed": seed, "members": size},
        )
    return sample


def draw_what_waits(*, now: datetime) -> None:
    """Draw the samples that were asked for, and forget the old ones."""
    Sample.objects.filter(asked_at__lte=now - KEPT_FOR).delete()
    for sample in Sample.objects.filter(made_at=None).order_by("asked_at"):
        if _is_mandated(sample, now):
            draw(sample=sample, now=now)
        else:
            _refuse(sample)


def _is_mandated(sample: Sample, now: datetime) -> bool:
    """Whether whoever asked may review the list now, whatever let them ask."""
    breaches = breaches_mandated(
        user_id=sample.asked_by_id, insurer_id=sample.insurer_id, today=timezone.localdate(now)
    )
    return sample.affected_list.breach_id in breaches


@transaction.atomic
def _refuse(sample: Sample) -> None:
    record(
        action="sample.asked",
        scope=insurer_scope(sample.insurer_id),
        actor=account(sample.asked_by_id),
        subject=f"list:{sample.affected_list_id}",
        outcome=Outcome.REFUSED,
    )
    sample.delete()


def draw(*, sample: Sample, now: datetime) -> None:
    """Draw one, with what became of each person."""
    members = AffectedMember.objects.filter(list_id=sample.affected_list_id)
    last_row = members.aggregate(last=Max("ordinal"))["last"] or 0
    ordinals = _draw(sample, last_row)
    rows = histories(affected_list=sample.affected_list, ordinals=ordinals)
    # It may have gone meanwhile, with its breach.
    asked = Sample.objects.filter(pk=sample.pk)
    asked.update(rows=rows, drawn_from=last_row, made_at=now)


def candidates(seed: str, last_row: int) -> Iterator[int]:
    """Yield row numbers without end, some more than once."""
    rows = last_row - FIRST_ROW + 1
    for number in count():
        digest = hashlib.sha256(f"{seed}:{number}".encode()).digest()
        yield FIRST_ROW + int.from_bytes(digest, "big") % rows


def _draw(sample: Sample, last_row: int) -> list[int]:
    """Return the rows drawn, in the order of the draw."""
    people = AffectedMember.objects.filter(list_id=sample.affected_list_id)
    wanted = min(sample.size, sample.affected_list.members)
    drawn: dict[int, None] = {}
    candidate = candidates(sample.seed, last_row) if last_row >= FIRST_ROW else iter(())
    seen: set[int] = set()
    while len(drawn) < wanted and len(seen) < last_row - FIRST_ROW + 1:
        some = list(islice(candidate, AT_ONCE))
        seen.update(some)
        there = set(people.filter(ordinal__in=some).values_list("ordinal", flat=True))
        drawn |= dict.fromkeys(row for row in some if row in there)
    return list(drawn)[:wanted]
