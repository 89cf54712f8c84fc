"""How many days what is kept of people stays: the portal's own, unless a breach or insurer differs.

What has no days of its own stays until the breach is closed (`closing.py`), a year (reports of
suspicious messages), three years (the trail), or for good (the register).
"""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import F

from notifications.models import RetentionPeriod


@dataclass(frozen=True)
class Periods:
    """Days after the end of the last campaign of a list, and after its acceptance."""

    contacts_days: int
    problems_days: int


def periods_of(*, breach_id: int, insurer_id: UUID) -> Periods:
    """Return the days in force for an insurer in a breach: its own, the breach's, the portal's."""
    rows = RetentionPeriod.objects.filter(breach=breach_id)
    mine = rows.filter(insurer=insurer_id) | rows.filter(insurer=None)
    found = mine.order_by(F("insurer").asc(nulls_last=True)).first()
    if found is not None:
        return Periods(found.contacts_days, found.problems_days)
    return Periods(settings.RETENTION_CONTACTS_DAYS, settings.RETENTION_PROBLEMS_DAYS)
