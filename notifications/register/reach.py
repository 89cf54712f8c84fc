"""Which breaches of the register a person may open."""

from django.db.models import QuerySet

from insurers.models import Breach
from insurers.permissions import StaffScope


def readable_breaches(scope: StaffScope) -> QuerySet[Breach]:
    """Return the breaches of an auditor's mandates, or all that touch the person's insurers."""
    if scope.role == "auditor":
        return Breach.objects.filter(pk__in=scope.breach_ids)
    return Breach.objects.filter(
        operator_parts__operator__affiliations__insurer__in=scope.insurer_ids
    ).distinct()
