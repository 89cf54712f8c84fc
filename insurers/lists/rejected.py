"""Rejected rows are people whom nobody can tell, until a later list brings them corrected."""

from collections.abc import Sequence

from insurers.models import AffectedList


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
