"""Who sent an exemption back, or refused to lift it, and when: the trail alone knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.models import AuditEntry, Outcome
from audit.trail import insurer_scope
from notifications.models import Exemption, ExemptionState

# What an exemption's last entry was where it is in one of these states because of a refusal.
REFUSING = {
    ExemptionState.RETURNED: "exemption.returned",
    ExemptionState.STANDING: "exemption.lift_returned",
}


@dataclass(frozen=True)
class Refusal:
    """That somebody refused; `is_own` where it was whoever had asked for the lift."""

    at: datetime
    account: str
    is_own: bool


def last_refusals(found: Sequence[Exemption]) -> dict[int, Refusal]:
    """Return the refusal that stands, by exemption, of exemptions of one insurer.

    Nothing where the trail's month was dropped since: the exemption says what was asked.
    """
    open_ones = {f"exemption:{one.pk}": one for one in found if one.state in REFUSING}
    if not open_ones:
        return {}
    entries = AuditEntry.objects.filter(
        scope=insurer_scope(found[0].insurer_id),
        action__in=REFUSING.values(),
        subject__in=open_ones,
        outcome=Outcome.DONE,
    )
    refusals = {}
    for entry in entries.order_by("sequence"):
        one = open_ones[entry.subject]
        if entry.action == REFUSING[ExemptionState(one.state)]:
            account = entry.actor.removeprefix("account:")
            refusals[one.pk] = Refusal(entry.at, account, account == str(one.lift_asked_by_id))
    return refusals
