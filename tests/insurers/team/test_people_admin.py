"""The operator's pages about people."""

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin

from audit.admin import AuditedAdmin
from audit.models import AuditEntry
from audit.trail import PORTAL, insurer_scope, record
from breachportal.models import User
from insurers.models import Invitation, Mandate, Membership, Role
from tests import cast
from tests.conftest import WebClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: WebClient) -> WebClient:
    cast.sign_in(client, cast.odile())
    return client


def changes(scope: str = PORTAL) -> list[tuple[str, str]]:
    return list(AuditEntry.objects.filter(scope=scope).values_list("action", "subject"))


def waiting(invited_by: User) -> Membership:
    return Membership.objects.create(
        user=cast.user("nadia"),
        insurer=cast.phare(),
        role=Role.VIEWER,
        invited_by=invited_by,
        created_at=cast.NOW,
    )


def test_every_admin_of_the_portal_is_audited_or_only_read() -> None:
    for model, page in admin.site._registry.items():
        if not isinstance(page, AuditedAdmin):
            assert model is AuditEntry, model


def test_no_admin_shows_second_factors_or_sessions() -> None:
    registered = {model.__name__ for model in admin.site._registry}
    assert registered.isdisjoint({"Authenticator", "UserSession", "EmailAddress", "Session"})


@pytest.mark.parametrize("page", ["user", "membership", "mandate", "invitation", "auditentry"])
def test_the_pages_open_for_the_operator(operator: WebClient, page: str) -> None:
    waiting(cast.armand()), cast.aude()
    record(action="test.written", scope=PORTAL)
    app = {"user": "breachportal", "auditentry": "audit"}.get(page, "insurers")
    assert operator.get(f"/admin/{app}/{page}/").status_code == 200


def test_a_changed_account_is_in_the_trail_by_field_never_by_value(operator: WebClient) -> None:
    nadia = cast.user("nadia")
    operator.post(
        f"/admin/breachportal/user/{nadia.pk}/change/",
        {"email": "Nadia.B@example.fr", "name": nadia.name, "is_active": "on"},
    )
    nadia.refresh_from_db()
    assert nadia.email == "nadia.b@example.fr"
    entry = AuditEntry.objects.get(action="user.changed")
    assert entry.subject == f"user:{nadia.pk}"
    assert "Adresse e-mail" in entry.detail
    assert "nadia" not in entry.detail


def test_a_member_is_not_made_an_operator(operator: WebClient) -> None:
    paule = cast.paule()
    page = operator.post(
        f"/admin/breachportal/user/{paule.pk}/change/",
        {"email": paule.email, "name": "Paule", "is_active": "on", "is_staff": "on"},
    )
    assert "terminez-le d’abord" in page.content.decode()
    assert not User.objects.get(pk=paule.pk).is_staff


def test_an_operator_gets_and_loses_every_right_at_once(operator: WebClient) -> None:
    nadia = cast.user("nadia")
    address = f"/admin/breachportal/user/{nadia.pk}/change/"
    form = {"email": nadia.email, "name": "Nadia", "is_active": "on"}
    for extra, expected in (({"is_staff": "on"}, True), ({}, False)):
        operator.post(address, form | extra)
        nadia.refresh_from_db()
        assert (nadia.is_staff, nadia.is_superuser) == (expected, expected)


def test_a_lost_phone_is_helped_and_written_down(operator: WebClient) -> None:
    paule = cast.paule()
    operator.post(
        "/admin/breachportal/user/",
        {"action": "reset_second_factor", "_selected_action": [paule.pk]},
    )
    assert not Authenticator.objects.filter(user=paule).exists()
    assert ("user.second_factor_removed", f"user:{paule.pk}") in changes()


def test_the_operator_confirms_what_another_invited(operator: WebClient) -> None:
    membership = waiting(cast.armand())
    operator.post(
        "/admin/insurers/membership/",
        {"action": "confirm", "_selected_action": [membership.pk]},
    )
    membership.refresh_from_db()
    assert membership.confirmed_by == cast.odile()
    assert ("membership.confirmed", f"membership:{membership.pk}") in changes(
        insurer_scope(cast.phare().pk)
    )


def test_the_operator_does_not_confirm_an_own_invitation(operator: WebClient) -> None:
    membership = waiting(cast.odile())
    answer = operator.post(
        "/admin/insurers/membership/",
        {"action": "confirm", "_selected_action": [membership.pk]},
    )
    assert answer.status_code == 403
    assert Membership.objects.get(pk=membership.pk).confirmed_at is None


def test_a_membership_is_neither_added_nor_edited_nor_deleted_by_hand(operator: WebClient) -> None:
    membership = waiting(cast.armand())
    base = "/admin/insurers/membership/"
    assert operator.get(f"{base}add/").status_code == 403
    assert operator.post(f"{base}{membership.pk}/change/", {"role": "approver"}).status_code == 403
    assert operator.post(f"{base}{membership.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Membership.objects.get(pk=membership.pk).role == Role.VIEWER


def test_the_operator_invites_an_auditor_for_a_mandate(operator: WebClient) -> None:
    operator.post(
        "/admin/insurers/mandate/add/",
        {
            "breaches": [cast.breach().pk],
            "insurers": [str(cast.phare().pk)],
            "until_date": "2027-01-31",
        },
    )
    mandate = Mandate.objects.get()
    operator.post(
        "/admin/insurers/invitation/add/",
        {"email": "Alban@cnil.example.fr", "mandate": mandate.pk},
    )
    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.mandate) == ("alban@cnil.example.fr", mandate)
    assert [action for action, _subject in changes()] == [
        "mandate.added",
        "invitation.sent",
        "invitation.added",
    ]


@pytest.mark.parametrize(
    "choice", [{}, {"role": "viewer"}, {"insurer": "phare"}, {"insurer": "phare", "mandate": "one"}]
)
def test_an_invitation_is_for_a_role_or_a_mandate(
    operator: WebClient, choice: dict[str, str]
) -> None:
    mandate = Mandate.objects.create(until_date=cast.NOW.date(), created_at=cast.NOW)
    chosen = {"insurer": str(cast.phare().pk), "mandate": str(mandate.pk), "role": "viewer"}
    form = {"email": "a@example.fr"} | {name: chosen[name] for name in choice}
    page = operator.post("/admin/insurers/invitation/add/", form).content.decode()
    assert "Choisissez un organisme et un rôle, ou un mandat d’auditeur." in page
    assert not Invitation.objects.exists()


def test_a_member_gets_no_mandate(operator: WebClient) -> None:
    page = operator.post(
        "/admin/insurers/mandate/add/",
        {
            "user": cast.paule().pk,
            "breaches": [cast.breach().pk],
            "insurers": [str(cast.phare().pk)],
            "until_date": "2027-01-31",
        },
    )
    assert "ne peut pas l’auditer" in page.content.decode()
    assert not Mandate.objects.exists()


def test_the_trail_is_read_and_never_edited(operator: WebClient) -> None:
    record(action="test.written", scope=PORTAL)
    entry = AuditEntry.objects.get()
    address = f"/admin/audit/auditentry/{entry.pk}/"
    assert operator.get(f"{address}change/").status_code == 200
    assert operator.post(f"{address}change/", {"actor": "account:9"}).status_code == 403
    assert operator.post(f"{address}delete/", {"post": "yes"}).status_code == 403


def test_a_failed_admin_change_leaves_no_entry(operator: WebClient) -> None:
    nadia = cast.user("nadia")
    address = f"/admin/breachportal/user/{nadia.pk}/change/"
    operator.post(address, {"email": cast.odile().email, "name": "", "is_active": "on"})
    assert changes() == []


def test_the_address_of_someone_with_a_role_is_not_changed(operator: WebClient) -> None:
    armand = cast.armand()
    operator.post(
        f"/admin/breachportal/user/{armand.pk}/change/",
        {"email": "elsewhere@example.fr", "name": armand.name, "is_active": "on"},
    )
    armand.refresh_from_db()
    assert armand.email == "armand@phare.example.fr"
