"""What the states of messages mean for people, and which may follow which.

Always, in people: listed = told + in progress + unreachable + exempt + told already + cancelled.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from notifications.models import State


class Standing(models.TextChoices):
    """Where a listed person stands; every state belongs to exactly one."""

    TOLD = "told", _("informées")
    IN_PROGRESS = "in_progress", _("en cours")
    UNREACHABLE = "unreachable", _("injoignables")
    EXEMPT = "exempt", _("dispensées")
    TOLD_ALREADY = "told_already", _("déjà informées")
    CANCELLED = "cancelled", _("annulées")


STANDING_OF: dict[State, Standing] = {
    State.PENDING: Standing.IN_PROGRESS,
    State.SENDING: Standing.IN_PROGRESS,
    State.DEFERRED: Standing.IN_PROGRESS,
    State.ACCEPTED: Standing.TOLD,
    State.DELIVERED: Standing.TOLD,
    State.UNCERTAIN: Standing.TOLD,
    State.COMPLAINED: Standing.TOLD,
    State.BOUNCED: Standing.UNREACHABLE,
    State.FAILED: Standing.UNREACHABLE,
    State.SUPPRESSED: Standing.UNREACHABLE,
    State.UNREACHABLE: Standing.UNREACHABLE,
    State.EXEMPT: Standing.EXEMPT,
    State.TOLD_ALREADY: Standing.TOLD_ALREADY,
    State.CANCELLED: Standing.CANCELLED,
}

# A message that is being sent ends in one of these.
OUTCOMES = frozenset({State.ACCEPTED, State.DEFERRED, State.BOUNCED, State.FAILED, State.UNCERTAIN})
FAILURES = frozenset({State.BOUNCED, State.FAILED})
IN_PROGRESS = frozenset(
    s for s, standing in STANDING_OF.items() if standing == Standing.IN_PROGRESS
)
