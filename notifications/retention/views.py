"""What is kept of an insurer's people, until when, and the proof of what was erased."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from insurers.models import AffectedList, Breach, Insurer, ListPurge
from insurers.permissions import readable, readable_insurers, staff_of
from notifications.models import Erasure
from notifications.retention.closing import Hindrance, hindrances
from notifications.retention.due import Due, due_of
from notifications.retention.periods import Periods, Terms, read_terms

PROOFS_SHOWN = 200


@dataclass(frozen=True)
class Keeping:
    """One insurer in one breach: its days, what goes next, what has gone."""

    insurer: Insurer
    breach: Breach
    periods: Periods
    dues: list[Due]
    purges: QuerySet[ListPurge]
    erasures: QuerySet[Erasure]
    hindrances: list[Hindrance]


@require_safe
def retention(request: HttpRequest) -> HttpResponse:
    """Show a section for each insurer and breach within the person's reach."""
    scope = staff_of(request)
    insurers = {insurer.pk: insurer for insurer in readable_insurers(scope)}
    lists = readable(scope, AffectedList.objects.select_related("breach", "report"))
    places: dict[tuple[UUID, int], list[AffectedList]] = {}
    for affected_list in lists.order_by("breach", "pk"):
        place = affected_list.insurer_id, affected_list.breach_id
        places.setdefault(place, []).append(affected_list)
    terms = read_terms()
    closing = {found[0].breach for found in places.values() if found[0].breach.closing_date}
    hindered = {breach.pk: hindrances(breach=breach) for breach in closing}
    keepings = [
        _keeping(insurers[insurer_id], found, terms, hindered.get(breach_id, []))
        for (insurer_id, breach_id), found in places.items()
    ]
    keepings.sort(key=lambda keeping: keeping.insurer.name)
    return render(request, "notifications/retention.html", {"keepings": keepings})


def _keeping(
    insurer: Insurer, lists: Sequence[AffectedList], terms: Terms, hindered: Iterable[Hindrance]
) -> Keeping:
    breach, mine = lists[0].breach, Q(insurer=insurer) | Q(insurer=None)
    return Keeping(
        insurer=insurer,
        breach=breach,
        periods=terms.of(breach_id=breach.pk, insurer_id=insurer.pk),
        dues=due_of(lists),
        purges=ListPurge.objects.filter(list__in=lists).order_by("-requested_at")[:PROOFS_SHOWN],
        erasures=Erasure.objects.filter(mine, breach=breach).order_by("-begun_at")[:PROOFS_SHOWN],
        hindrances=[found for found in hindered if found.insurer == insurer.name],
    )
