"""Which alerts a person may read."""

from django.db.models import Q, QuerySet

from insurers.permissions import StaffScope, one_of
from notifications.models import Alert


def running_alerts(scope: StaffScope) -> int:
    """Return how many alerts of a person's wait for somebody to act."""
    return alerts_of(scope).filter(ended_at=None).count()


def alerts_of(scope: StaffScope) -> QuerySet[Alert]:
    """Return the alerts that a person may read."""
    if scope.role == "operator":
        return Alert.objects.filter(is_for_operator=True)
    if scope.role == "staff":
        return Alert.objects.filter(insurer__in=one_of(scope.insurer_ids))
    mandated = Q(insurer=None, breach=None) | Q(insurer=None, breach__in=scope.breach_ids)
    for breach_ids, insurer_ids in scope.mandated_together.items():
        of_breaches = Q(breach=None) | Q(breach__in=breach_ids)
        mandated |= Q(insurer__in=one_of(insurer_ids)) & of_breaches
    return Alert.objects.filter(mandated)
