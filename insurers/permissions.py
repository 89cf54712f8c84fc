"""Who may do what: memberships, mandates and the operator's role, read once for a request.

`request.staff` (set by `breachportal.middleware.StaffMiddleware`) is the answer; row-level
security holds the same set of insurers underneath.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.utils import timezone

from insurers.known_ids import id_text, known_id
from insurers.models import Insurer, Mandate, Membership, Role
from insurers.plain_rows import plain_rows
from insurers.row_security import ScopeRole, row_scope, set_row_scope

View = TypeVar("View", bound=Callable[..., Any])
Row = TypeVar("Row", bound=Model)

EVERY_ROLE = (Role.PREPARER, Role.APPROVER, Role.VIEWER)


class Refused(PermissionDenied):
    """The person may not do this; the trail of `insurer_id`, where known, says so."""

    def __init__(self, insurer_id: UUID | None = None) -> None:
        super().__init__()
        self.insurer_id = insurer_id


@dataclass(frozen=True)
class StaffScope:
    """What a signed-in person may reach at this moment.

    `roles` are those of confirmed, running memberships, by insurer; `mandated` are an
    auditor's breaches, by insurer. Without either, and not being the operator, the person
    is nobody: the account exists and opens nothing.
    """

    user_id: int
    role: ScopeRole
    roles: Mapping[UUID, frozenset[Role]] = field(default_factory=dict)
    mandated: Mapping[UUID, frozenset[int]] = field(default_factory=dict)

    @cached_property
    def insurer_ids(self) -> frozenset[UUID]:
        """The insurers whose rows the person may read."""
        return frozenset(self.roles) | frozenset(self.mandated)

    @property
    def breach_ids(self) -> frozenset[int]:
        """The breaches of an auditor's mandates, whichever insurer they go with."""
        return frozenset().union(*self.mandated.values())

    @property
    def mandated_together(self) -> dict[frozenset[int], list[UUID]]:
        """The insurers of an auditor's mandates, by the breaches that go with them."""
        together: dict[frozenset[int], list[UUID]] = {}
        for insurer_id, breach_ids in self.mandated.items():
            together.setdefault(breach_ids, []).append(insurer_id)
        return together

    @property
    def prepares_somewhere(self) -> bool:
        """Whether the person may send a list for at least one insurer."""
        return any(roles & {Role.PREPARER, Role.APPROVER} for roles in self.roles.values())

    @property
    def approves_somewhere(self) -> bool:
        """Whether the person is an approver of at least one insurer."""
        return any(Role.APPROVER in roles for roles in self.roles.values())

    def has_role(self, insurer_id: UUID, *roles: Role) -> bool:
        """Whether the person holds one of these roles there (any role, if none is named)."""
        return bool(self.roles.get(insurer_id, frozenset()) & frozenset(roles or EVERY_ROLE))

    def may_read(self, insurer_id: UUID, breach_id: int | None = None) -> bool:
        """Whether the person may read an insurer's rows, for a breach where one is named."""
        if insurer_id in self.roles:
            return True
        mandated = self.mandated.get(insurer_id)
        return mandated is not None and (breach_id is None or breach_id in mandated)

    def readable_in(self, breach_id: int) -> list[UUID]:
        """The insurers whose rows the person may read for a breach."""
        mandated = (pk for pk, breaches in self.mandated.items() if breach_id in breaches)
        return [*self.roles, *mandated]


def scope_of(user: Any, now: datetime) -> StaffScope:
    """Read a person's scope and apply it to the transaction that is open.

    A membership counts once confirmed and until it ends, a mandate through its last day.
    Operators keep the portal and hold no membership, so they read no insurer's rows.
    """
    set_row_scope(insurers=(), role="nobody", user_id=user.pk)
    scope = _read_scope(user, now)
    set_row_scope(insurers=scope.insurer_ids, role=scope.role, user_id=scope.user_id)
    return scope


def _read_scope(user: Any, now: datetime) -> StaffScope:
    if not user.is_active:
        return StaffScope(user.pk, "nobody")
    if user.is_staff or user.is_superuser:
        return StaffScope(user.pk, "operator")
    roles: dict[UUID, frozenset[Role]] = {}
    for insurer_id, role in Membership.objects.filter(
        user=user, confirmed_at__isnull=False, ended_at=None
    ).values_list("insurer_id", "role"):
        roles[insurer_id] = roles.get(insurer_id, frozenset()) | {Role(role)}
    if roles:
        return StaffScope(user.pk, "staff", roles=roles)
    mandates = Mandate.objects.filter(user=user, until_date__gte=timezone.localdate(now))
    breaches: dict[int, set[int]] = {}
    for mandate_id, breach_id in mandates.values_list("pk", "breaches"):
        breaches.setdefault(mandate_id, set()).update({breach_id} - {None})
    together = {mandate_id: frozenset(found) for mandate_id, found in breaches.items()}
    mandated: dict[UUID, frozenset[int]] = {}
    for mandate_id, insurer_id in plain_rows(
        Mandate.insurers.through.objects.filter(mandate__in=breaches), "mandate", "insurer"
    ):
        insurer, more = known_id(insurer_id), together[mandate_id]
        mandated[insurer] = mandated[insurer] | more if insurer in mandated else more
    return StaffScope(user.pk, "auditor" if mandated else "nobody", mandated=mandated)


def is_still_staff(*, user_id: int, insurer_id: UUID, roles: Iterable[Role] = EVERY_ROLE) -> bool:
    """Whether an account holds a role at an insurer now, whatever opened the page before."""
    return Membership.objects.filter(
        user=user_id,
        insurer=insurer_id,
        role__in=list(roles),
        confirmed_at__isnull=False,
        ended_at=None,
        user__is_active=True,
        user__is_staff=False,
        user__is_superuser=False,
    ).exists()


def breaches_mandated(*, user_id: int, insurer_id: UUID, today: date) -> list[int]:
    """Return the breaches in which an account may review an insurer now; none without mandate."""
    mandates = Mandate.objects.filter(
        user=user_id,
        insurers=insurer_id,
        until_date__gte=today,
        user__is_active=True,
        user__is_staff=False,
        user__is_superuser=False,
    )
    return sorted(set(mandates.values_list("breaches", flat=True)) - {None})


@contextmanager
def within(scope: StaffScope) -> Iterator[None]:
    """Open a transaction with this scope, in a view that manages its own."""
    with row_scope(insurers=scope.insurer_ids, role=scope.role, user_id=scope.user_id):
        yield


def opens_its_own_transactions(view: View) -> View:
    """Mark a view that works long (an upload): it wraps its queries in `within(request.staff)`."""
    view.opens_its_own_transactions = True  # type: ignore[attr-defined]
    return view


def staff_of(request: HttpRequest) -> StaffScope:
    """Return the scope that the middleware set on a staff page's request."""
    scope = request.staff  # type: ignore[attr-defined]
    assert isinstance(scope, StaffScope)
    return scope


def require_role(scope: StaffScope, insurer_id: UUID, *roles: Role) -> None:
    """Raise Refused unless the person holds one of the roles there (any, if none is named)."""
    if not scope.has_role(insurer_id, *roles):
        raise Refused(insurer_id)


def require_reader(scope: StaffScope, insurer_id: UUID, breach_id: int | None = None) -> None:
    """Raise Refused unless the person may read the insurer's rows, as staff or auditor."""
    if not scope.may_read(insurer_id, breach_id):
        raise Refused(insurer_id)


def require_operator(scope: StaffScope) -> None:
    """Raise Refused unless the person operates the portal."""
    if scope.role != "operator":
        raise Refused


def may_keep_team(scope: StaffScope, insurer_id: UUID) -> bool:
    """Whether the person invites, confirms and ends roles there: an approver, or the operator."""
    return scope.role == "operator" or scope.has_role(insurer_id, Role.APPROVER)


def require_team_keeper(scope: StaffScope, insurer_id: UUID) -> None:
    """Raise Refused unless the person keeps the insurer's team."""
    if not may_keep_team(scope, insurer_id):
        raise Refused(insurer_id)


def readable(scope: StaffScope, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Keep the rows (with `insurer` and `breach`) that the person may read."""
    if scope.role != "auditor":
        return rows.filter(insurer__in=one_of(scope.insurer_ids))
    mandated = Q(pk=None)
    for breach_ids, insurer_ids in scope.mandated_together.items():
        mandated |= Q(insurer__in=one_of(insurer_ids), breach__in=breach_ids)
    return rows.filter(mandated)


def readable_insurers(scope: StaffScope) -> QuerySet[Insurer]:
    """Return the insurers whose rows the person may read; raise Refused when there is none."""
    if not scope.insurer_ids:
        raise Refused
    return Insurer.objects.filter(pk__in=one_of(scope.insurer_ids))


def one_of(insurer_ids: Iterable[UUID]) -> RawSQL:
    """Return insurers as what « in » compares with: one parameter, however many they are."""
    together = ",".join(map(id_text, insurer_ids))
    return RawSQL("SELECT unnest(string_to_array(%s, ',')::uuid[])", [together])
