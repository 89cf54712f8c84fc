"""Who reaches what, from memberships, mandates and the operator's role."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from insurers.models import Mandate, Membership, Role
from insurers.permissions import (
    Refused,
    StaffScope,
    readable_insurers,
    require_operator,
    require_reader,
    require_role,
    require_team_keeper,
    scope_of,
)
from tests import cast
from tests.conftest import as_role

pytestmark = pytest.mark.django_db

NOW = cast.NOW


def test_a_member_holds_its_roles_at_its_insurer() -> None:
    scope = scope_of(cast.paule(), NOW)
    assert scope.role == "staff"
    assert scope.roles == {cast.phare().pk: frozenset({Role.PREPARER})}
    assert scope.insurer_ids == {cast.phare().pk}


def test_a_person_can_serve_two_insurers() -> None:
    paule = cast.paule()
    cast.member_of(cast.dune(), "paule", Role.VIEWER)
    scope = scope_of(paule, NOW)
    assert scope.has_role(cast.phare().pk, Role.PREPARER)
    assert not scope.has_role(cast.dune().pk, Role.PREPARER)
    assert set(readable_insurers(scope)) == {cast.phare(), cast.dune()}


def test_the_web_role_reads_a_scope_without_having_one() -> None:
    paule, aude = cast.paule(), cast.aude()
    with as_role("web"):
        assert scope_of(paule, NOW).role == "staff"
        assert scope_of(aude, NOW).insurer_ids == {cast.phare().pk}


@pytest.mark.parametrize(
    "change",
    [{"confirmed_at": None, "confirmed_by": None}, {"ended_at": NOW}],
    ids=["unconfirmed", "ended"],
)
def test_an_unconfirmed_or_ended_membership_counts_for_nothing(change: dict[str, object]) -> None:
    paule = cast.paule()
    Membership.objects.filter(user=paule).update(**change)
    assert scope_of(paule, NOW) == StaffScope(paule.pk, "nobody")


def test_a_mandate_counts_through_its_last_day() -> None:
    aude = cast.aude()
    Mandate.objects.filter(user=aude).update(until_date=date(2026, 3, 2))
    late_evening = datetime(2026, 3, 2, 22, 59, tzinfo=UTC)  # 23:59 in Paris
    assert scope_of(aude, late_evening).role == "auditor"
    assert scope_of(aude, late_evening + timedelta(minutes=1)).role == "nobody"


def test_two_mandates_do_not_mix_their_breaches() -> None:
    aude = cast.aude()
    other = Mandate.objects.create(user=aude, until_date=date(2099, 1, 1), created_at=NOW)
    other.insurers.add(cast.dune())
    scope = scope_of(aude, NOW)
    assert scope.may_read(cast.phare().pk, cast.breach().pk)
    assert not scope.may_read(cast.dune().pk, cast.breach().pk)
    assert scope.breach_ids == {cast.breach().pk}


def test_the_operator_reads_no_insurer() -> None:
    scope = scope_of(cast.odile(), NOW)
    assert (scope.role, scope.insurer_ids) == ("operator", frozenset())
    with pytest.raises(Refused):
        readable_insurers(scope)


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ("paule", {"reader", "preparer"}),
        ("armand", {"reader", "approver", "team"}),
        ("vera", {"reader"}),
        ("didier", set()),
        ("aude", {"reader"}),
        ("odile", {"operator", "team"}),
    ],
)
def test_each_role_may_do_its_own_part_at_the_phare(who: str, allowed: set[str]) -> None:
    scope, phare = scope_of(getattr(cast, who)(), NOW), cast.phare().pk
    rules: dict[str, Callable[[], None]] = {
        "reader": lambda: require_reader(scope, phare),
        "preparer": lambda: require_role(scope, phare, Role.PREPARER),
        "approver": lambda: require_role(scope, phare, Role.APPROVER),
        "team": lambda: require_team_keeper(scope, phare),
        "operator": lambda: require_operator(scope),
    }
    for name, rule in rules.items():
        if name in allowed:
            rule()
        else:
            with pytest.raises(Refused):
                rule()
