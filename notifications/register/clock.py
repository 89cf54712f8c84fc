"""The clock of Article 33(1): from the insurer's awareness to its notification of the authority."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from insurers.models import Declaration


class ClockState(models.TextChoices):
    """In the order of what an inspector looks at first."""

    LATE = "late", _("en retard")
    UNKNOWN = "unknown", _("pas de date")
    RUNNING = "running", _("en cours")
    MET = "met", _("respecté")
    NOT_DUE = "not_due", _("sans objet")


TAGS = {
    ClockState.LATE: "tag-danger",
    ClockState.MET: "tag-success",
    ClockState.RUNNING: "tag-warning",
}


class Clock(NamedTuple):
    """Where the clock stands: `margin` is what was left, or is left now; negative, how late."""

    state: ClockState
    deadline_at: datetime | None = None
    notified_at: datetime | None = None
    margin: timedelta = timedelta()

    @property
    def is_stopped(self) -> bool:
        """Whether the authority was notified."""
        return self.notified_at is not None

    @property
    def tag(self) -> str:
        """The class of the tag that shows the state."""
        return TAGS.get(self.state, "")

    @property
    def words(self) -> str:
        """By how much, in whole days and hours; nothing without a deadline."""
        if self.deadline_at is None:
            return ""
        margin = abs(self.margin)
        shown = {"days": margin.days, "hours": margin.seconds // 3600}
        if self.state == ClockState.LATE:
            late = gettext("de %(days)s j %(hours)s h") % shown
            return late if self.is_stopped else late + gettext(", pas notifiée")
        if self.is_stopped:
            return gettext("avec %(days)s j %(hours)s h d’avance") % shown
        return gettext("encore %(days)s j %(hours)s h") % shown


class Declared(NamedTuple):
    """Of a declaration, what the clock needs."""

    is_concerned: bool
    awareness_at: datetime | None
    authority_notified_at: datetime | None


def clock_of(*, declaration: Declaration | Declared | None, now: datetime) -> Clock:
    """Return the clock of a declaration; unknown while it dates no awareness.

    An insurer that declared itself not concerned has nothing to notify.
    """
    if declaration is not None and not declaration.is_concerned:
        return Clock(ClockState.NOT_DUE)
    if declaration is None or declaration.awareness_at is None:
        return Clock(ClockState.UNKNOWN)
    deadline = declaration.awareness_at + timedelta(hours=settings.AUTHORITY_HOURS)
    notified = declaration.authority_notified_at
    margin = deadline - (notified or now)
    if margin < timedelta():
        state = ClockState.LATE
    else:
        state = ClockState.MET if notified else ClockState.RUNNING
    return Clock(state, deadline, notified, margin)
