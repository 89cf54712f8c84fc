"""Who acts for an insurer now."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from insurers.models import Role


def people_with_role(*, insurer_id: UUID, roles: Iterable[Role]) -> QuerySet[Any]:
    """Return the active accounts that hold one of these roles, confirmed and not ended."""
    return (
        get_user_model()
        .objects.filter(
            is_active=True,
            memberships__insurer=insurer_id,
            memberships__role__in=list(roles),
            memberships__confirmed_at__isnull=False,
            memberships__ended_at=None,
        )
        .distinct()
    )
