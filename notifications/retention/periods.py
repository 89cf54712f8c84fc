"""How many days what is kept of people stays: the portal's own, unless a breach or insurer differs.

What has no days of its own stays until the breach is closed (`closing.py`), a year (reports of
suspicious messages), three years (the trail), or for good (the register).
"""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from notifications.models import RetentionPeriod


@dataclass(frozen=True)
class Periods:
    """Days after the end of the last campaign of a list, and after its acceptance."""

    contacts_days: int
    problems_days: int


@dataclass(frozen=True)
class Terms:
    """The days in force everywhere, read once."""

    _own: dict[tuple[int, UUID | None], Periods]

    def of(self, *, breach_id: int, insurer_id: UUID) -> Periods:
        """Return those of an insurer in a breach: its own, the breach's, or the portal's."""
        for place in ((breach_id, insurer_id), (breach_id, None)):
            if place in self._own:
                return self._own[place]
        return Periods(settings.RETENTION_CONTACTS_DAYS, settings.RETENTION_PROBLEMS_DAYS)


def read_terms() -> Terms:
    """Return the days that the operator set, and the portal's for all else."""
    rows = RetentionPeriod.objects.values_list(
        "breach", "insurer", "contacts_days", "problems_days"
    )
    return Terms({(breach, insurer): Periods(*days) for breach, insurer, *days in rows})
