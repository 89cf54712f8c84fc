"""Rejected rows are people whom nobody can tell, until a later list brings them corrected."""

from collections.abc import Sequence

from django.db.models import QuerySet

from insurers.models import AffectedList, Breach, Insurer


def correctable_lists(*, breach: Breach, insurer: Insurer) -> QuerySet[AffectedList]:
    """Return the lists whose rejected rows a new list may bring again, corrected."""
    return AffectedList.objects.open_to_campaigns().filter(
        breach=breach, insurer=insurer, rows_rejected__gt=0
    )


def rows_to_correct(lists: Sequence[AffectedList]) -> int:
    """Return how many rejected rows, each somebody who is not told, no later list corrects.

    A list that `corrects` another brings its rejected rows again: what it holds usable is taken
    off, and its own rejected rows are people of the first one.
    """
    corrections: dict[int, list[AffectedList]] = {}
    for found in lists:
        if found.corrects_id is not None:
            corrections.setdefault(found.corrects_id, []).append(found)
    known = {found.pk for found in lists}

    def remaining(found: AffectedList) -> int:
        later = corrections.get(found.pk, [])
        usable = sum(one.rows - one.rows_rejected for one in later)
        return max(found.rows_rejected - usable, sum(remaining(one) for one in later))

    return sum(remaining(found) for found in lists if found.corrects_id not in known)
