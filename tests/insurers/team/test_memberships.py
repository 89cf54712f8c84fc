"""Joining and leaving an insurer: invited by one person, confirmed by another."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import override_settings
from django.utils import timezone

from audit.models import AuditEntry
from audit.trail import PORTAL, insurer_scope
from breachportal.models import User
from insurers.models import Insurer, Invitation, Mandate, Membership, Role
from insurers.permissions import Refused, scope_of
from insurers.row_security import row_scope
from insurers.team.memberships import (
    INVITATION_LASTS,
    Joining,
    MembershipRefused,
    accept_as,
    accept_as_new_person,
    confirm_membership,
    end_membership,
    invite,
    open_invitation,
    token_of,
    withdraw_invitation,
)
from tests import cast
from tests.conftest import WebClient, as_role

pytestmark = pytest.mark.django_db

NOW = cast.NOW
NADIA = "nadia@phare.example.fr"
OnCommit = Callable[..., AbstractContextManager[Any]]


def invited(by: User | None = None, role: Role = Role.PREPARER, email: str = NADIA) -> Invitation:
    return invite(
        joining=Joining(email, cast.phare().pk, role),
        invited_by_id=(by or cast.armand()).pk,
        now=NOW,
    )


def joined(invitation: Invitation) -> Membership:
    person = accept_as_new_person(
        token=token_of(invitation), name="Nadia", password=cast.PASSWORD, now=NOW
    )
    return Membership.objects.get(user=person)


def second_approver() -> User:
    return cast.member_of(cast.phare(), "alix", Role.APPROVER)


def actions(scope: str) -> list[str]:
    return list(AuditEntry.objects.filter(scope=scope).values_list("action", flat=True))


def test_a_new_person_gets_an_account_and_a_role_that_waits() -> None:
    membership = joined(invited())
    assert (membership.user.email, membership.role) == (NADIA, Role.PREPARER)
    assert membership.user.check_password(cast.PASSWORD)
    assert scope_of(membership.user, NOW).role == "nobody"


def test_a_role_counts_once_another_approver_confirmed_it() -> None:
    membership = joined(invited())
    confirm_membership(membership_id=membership.pk, confirmed_by_id=second_approver().pk, now=NOW)
    assert scope_of(membership.user, NOW).has_role(cast.phare().pk, Role.PREPARER)


def test_the_inviter_does_not_confirm() -> None:
    membership = joined(invited(by=cast.armand()))
    with pytest.raises(Refused):
        confirm_membership(membership_id=membership.pk, confirmed_by_id=cast.armand().pk, now=NOW)
    assert Membership.objects.get(pk=membership.pk).confirmed_at is None


def test_nobody_confirms_a_role_of_their_own() -> None:
    cast.member_of(cast.phare(), "nadia", Role.APPROVER)
    invitation = invited(role=Role.VIEWER)
    nadia = User.objects.get(email=NADIA)
    accept_as(token=token_of(invitation), person=nadia, now=NOW)
    membership = Membership.objects.get(user=nadia, role=Role.VIEWER)
    with pytest.raises(Refused):
        confirm_membership(membership_id=membership.pk, confirmed_by_id=nadia.pk, now=NOW)


@pytest.mark.parametrize("confirmer", ["invited_by", "user"])
def test_the_database_holds_the_second_person_too(confirmer: str) -> None:
    membership = joined(invited())
    membership.confirmed_by = getattr(membership, confirmer)
    membership.confirmed_at = NOW
    with pytest.raises(IntegrityError, match="confirmed_by_another_person"):
        membership.save()


def test_an_invitation_serves_once() -> None:
    invitation = invited()
    joined(invitation)
    with pytest.raises(MembershipRefused):
        joined(invitation)
    assert Membership.objects.filter(user__email=NADIA).count() == 1


def test_an_invitation_lasts_two_days() -> None:
    token = token_of(invited())
    last_moment = NOW + INVITATION_LASTS - timedelta(seconds=1)
    assert open_invitation(token=token, now=last_moment).email == NADIA
    with pytest.raises(MembershipRefused):
        open_invitation(token=token, now=NOW + timedelta(days=2))


def test_a_forged_link_opens_nothing() -> None:
    token = token_of(invited())
    with pytest.raises(MembershipRefused):
        open_invitation(token=token[:-1] + ("A" if token[-1] != "A" else "B"), now=NOW)


def test_inviting_again_withdraws_the_earlier_link() -> None:
    first, second = invited(), invited()
    with pytest.raises(MembershipRefused):
        open_invitation(token=token_of(first), now=NOW)
    assert open_invitation(token=token_of(second), now=NOW) == second


def test_a_withdrawn_link_opens_nothing() -> None:
    invitation = invited()
    withdraw_invitation(invitation=invitation, withdrawn_by_id=cast.armand().pk, now=NOW)
    with pytest.raises(MembershipRefused):
        open_invitation(token=token_of(invitation), now=NOW)


def test_a_person_with_an_account_joins_a_second_insurer() -> None:
    didier = cast.didier()
    invitation = invited(role=Role.VIEWER, email=didier.email.upper())
    accept_as(token=token_of(invitation), person=didier, now=NOW)
    assert Membership.objects.filter(user=didier).count() == 2


def test_an_invitation_is_not_for_somebody_else() -> None:
    invitation = invited(email=cast.didier().email)
    with pytest.raises(MembershipRefused):
        accept_as(token=token_of(invitation), person=cast.vera(), now=NOW)


def test_a_link_does_not_set_the_password_of_an_existing_account() -> None:
    didier = cast.didier()
    invitation = invited(email=didier.email)
    with pytest.raises(MembershipRefused):
        accept_as_new_person(
            token=token_of(invitation), name="X", password="une autre phrase 99", now=NOW
        )
    didier.refresh_from_db()
    assert didier.check_password(cast.PASSWORD)


def test_a_portal_operator_is_not_invited() -> None:
    with pytest.raises(MembershipRefused):
        invited(email=cast.odile().email)


@pytest.mark.parametrize("role", ["web", "owner"])
def test_the_database_gives_no_operator_a_membership(role: str) -> None:
    odile, phare, armand = cast.odile(), cast.phare(), cast.armand()
    scope = row_scope(insurers=[phare.pk], role="operator", user_id=odile.pk)
    with pytest.raises(IntegrityError, match="operator holds no membership"):
        with transaction.atomic(), as_role(role), scope:
            Membership.objects.create(
                user=odile, insurer=phare, role=Role.VIEWER, invited_by=armand, created_at=NOW
            )


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_the_database_makes_no_member_an_operator(right: str) -> None:
    paule = cast.paule()
    with pytest.raises(IntegrityError, match="operator holds no membership"):
        User.objects.filter(pk=paule.pk).update(**{right: True})


def test_whoever_left_can_become_an_operator() -> None:
    paule = cast.paule()
    membership = Membership.objects.get(user=paule)
    end_membership(membership_id=membership.pk, ended_by_id=cast.armand().pk, now=NOW)
    assert User.objects.filter(pk=paule.pk).update(is_staff=True) == 1


def test_an_auditor_takes_no_role_and_a_member_no_mandate() -> None:
    mandate = Mandate.objects.create(until_date=NOW.date(), created_at=NOW)
    with pytest.raises(MembershipRefused):
        invited(email=cast.aude().email)
    with pytest.raises(MembershipRefused):
        invite(
            joining=Joining(cast.paule().email, mandate_id=mandate.pk),
            invited_by_id=cast.odile().pk,
            now=NOW,
        )


def test_an_invited_auditor_gets_the_mandate_that_waited() -> None:
    mandate = Mandate.objects.create(until_date=NOW.date(), created_at=NOW)
    mandate.insurers.add(cast.phare())
    joining = Joining("alban@cnil.example.fr", mandate_id=mandate.pk)
    invitation = invite(joining=joining, invited_by_id=cast.odile().pk, now=NOW)
    with as_role("web"):
        alban = accept_as_new_person(
            token=token_of(invitation), name="Alban", password=cast.PASSWORD, now=NOW
        )
    assert scope_of(alban, NOW).role == "auditor"
    assert "invitation.accepted" in actions(PORTAL)


def test_every_step_is_in_the_insurers_trail() -> None:
    membership = joined(invited())
    confirm_membership(membership_id=membership.pk, confirmed_by_id=second_approver().pk, now=NOW)
    end_membership(membership_id=membership.pk, ended_by_id=cast.armand().pk, now=NOW)
    assert actions(insurer_scope(cast.phare().pk)) == [
        "invitation.sent",
        "invitation.accepted",
        "membership.created",
        "membership.confirmed",
        "membership.ended",
    ]
    details = "".join(AuditEntry.objects.values_list("detail", flat=True))
    assert NADIA not in details


def test_each_change_is_mailed_to_every_approver(
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    membership = joined(invited())
    approvers = {cast.armand().email, second_approver().email}
    confirm = partial(confirm_membership, confirmed_by_id=second_approver().pk)
    end = partial(end_membership, ended_by_id=cast.armand().pk)
    for change in (confirm, end):
        mail.outbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            change(membership_id=membership.pk, now=NOW)
        assert {one.to[0] for one in mail.outbox} == approvers
        assert all(NADIA in one.body for one in mail.outbox)


@override_settings(EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_PORT=1)
def test_a_mail_server_that_is_down_loses_no_change(
    django_capture_on_commit_callbacks: OnCommit, caplog: pytest.LogCaptureFixture
) -> None:
    membership = joined(invited())
    alix = second_approver()
    with django_capture_on_commit_callbacks(execute=True):
        confirm_membership(membership_id=membership.pk, confirmed_by_id=alix.pk, now=NOW)
    assert Membership.objects.get(pk=membership.pk).confirmed_at == NOW
    assert "2 staff mails not sent: ConnectionRefusedError" in caplog.text
    assert "@" not in caplog.text


@override_settings(EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_PORT=1)
def test_an_inviter_is_told_when_the_link_did_not_leave(
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    told: list[str] = []
    with django_capture_on_commit_callbacks(execute=True):
        invitation = invite(
            joining=Joining(NADIA, cast.phare().pk, Role.VIEWER),
            invited_by_id=cast.armand().pk,
            now=NOW,
            on_mail_failure=lambda: told.append("not sent"),
        )
    assert told == ["not sent"]
    assert open_invitation(token=token_of(invitation), now=NOW) == invitation


# The pages.


def mailed_link() -> str:
    link = re.search(r"http://localhost(/invitation/\S+/)", str(mail.outbox[-1].body))
    assert link
    return link.group(1)


def invite_by_page(client: WebClient, on_commit: OnCommit, email: str = NADIA) -> str:
    with on_commit(execute=True):
        client.post("/espace/equipe/mutuelle-du-phare/inviter/", {"email": email, "role": "viewer"})
    return mailed_link()


def test_from_invitation_to_first_page(
    client: WebClient, django_capture_on_commit_callbacks: OnCommit
) -> None:
    cast.sign_in(client, cast.armand())
    link = invite_by_page(client, django_capture_on_commit_callbacks)
    guest = WebClient()
    assert NADIA in guest.get(link).content.decode()
    chosen = {"name": "Nadia", "password": cast.PASSWORD, "password_again": cast.PASSWORD}
    assert guest.post(link, chosen).headers["Location"] == "/compte/login/"
    assert guest.get(link).status_code == 410

    nadia = User.objects.get(email=NADIA)
    membership = Membership.objects.get(user=nadia)
    other = WebClient()
    cast.sign_in(other, second_approver())
    other.post(f"/espace/equipe/roles/{membership.pk}/confirmer/")
    assert scope_of(nadia, timezone.now()).role == "staff"


def test_reading_an_invitation_uses_nothing_up(
    client: WebClient, django_capture_on_commit_callbacks: OnCommit
) -> None:
    cast.sign_in(client, cast.armand())
    link = invite_by_page(client, django_capture_on_commit_callbacks)
    for _scan in range(3):
        assert WebClient().get(link).status_code == 200
    assert not User.objects.filter(email=NADIA).exists()


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [
        ("court", "court", "trop court"),
        (cast.PASSWORD, "une autre phrase 99", "diffèrent"),
        ("nadia@phare.example.fr", "nadia@phare.example.fr", "trop semblable"),
    ],
)
def test_a_poor_password_is_refused_with_its_reason(
    client: WebClient,
    django_capture_on_commit_callbacks: OnCommit,
    password: str,
    again: str,
    said: str,
) -> None:
    cast.sign_in(client, cast.armand())
    link = invite_by_page(client, django_capture_on_commit_callbacks)
    form = {"name": "Nadia", "password": password, "password_again": again}
    assert said in WebClient().post(link, form).content.decode()
    assert not User.objects.filter(email=NADIA).exists()


def test_somebody_with_an_account_signs_in_to_accept(
    client: WebClient, django_capture_on_commit_callbacks: OnCommit
) -> None:
    cast.sign_in(client, cast.armand())
    didier = cast.didier()
    link = invite_by_page(client, django_capture_on_commit_callbacks, didier.email)
    guest = WebClient()
    assert "déjà un compte" in guest.get(link).content.decode()
    assert guest.get(f"{link}rejoindre/").headers["Location"].startswith("/compte/login/")
    cast.sign_in(guest, didier)
    assert guest.get(f"{link}rejoindre/").status_code == 200
    guest.post(f"{link}rejoindre/")
    assert Membership.objects.filter(user=didier, insurer=cast.phare()).exists()


@pytest.mark.parametrize(
    ("who", "read", "invite"),
    [
        ("armand", 200, 200),
        ("paule", 200, 403),
        ("vera", 200, 403),
        ("didier", 200, 403),
        ("aude", 403, 403),
        ("odile", 200, 200),
    ],
)
def test_who_opens_the_teams_pages(client: WebClient, who: str, read: int, invite: int) -> None:
    cast.sign_in(client, getattr(cast, who)())
    cast.phare()
    assert client.get("/espace/equipe/").status_code == read
    assert client.get("/espace/equipe/mutuelle-du-phare/inviter/").status_code == invite


def test_a_team_page_shows_its_own_team_only(client: WebClient) -> None:
    paule, didier = cast.paule(), cast.didier()
    page = cast.sign_in(client, didier).get("/espace/equipe/").content.decode()
    assert didier.email in page
    assert paule.email not in page


def test_the_operator_sees_what_waits_and_confirms_it(client: WebClient) -> None:
    membership = joined(invited())
    cast.sign_in(client, cast.odile())
    page = client.get("/espace/equipe/").content.decode()
    assert NADIA in page
    assert cast.armand().name in page
    assert cast.vera().email not in page
    client.post(f"/espace/equipe/roles/{membership.pk}/confirmer/")
    assert Membership.objects.get(pk=membership.pk).confirmed_by == cast.odile()


@pytest.mark.parametrize("step", ["confirmer", "terminer"])
@pytest.mark.parametrize(("who", "status"), [("paule", 403), ("vera", 403), ("didier", 404)])
def test_only_who_keeps_the_team_changes_it(
    client: WebClient, who: str, status: int, step: str
) -> None:
    membership = joined(invited())
    cast.sign_in(client, getattr(cast, who)())
    assert client.post(f"/espace/equipe/roles/{membership.pk}/{step}/").status_code == status
    assert Membership.objects.get(pk=membership.pk).ended_at is None


def test_the_inviters_own_confirmation_is_refused_and_written_down(client: WebClient) -> None:
    membership = joined(invited(by=cast.armand()))
    cast.sign_in(client, cast.armand())
    answer = client.post(f"/espace/equipe/roles/{membership.pk}/confirmer/")
    assert answer.status_code == 403
    assert AuditEntry.objects.filter(action="access.refused", outcome="refused").count() == 1


def test_an_ended_role_closes_the_pages_at_once(client: WebClient) -> None:
    cast.sign_in(client, cast.vera())
    assert client.get("/espace/equipe/").status_code == 200
    membership = Membership.objects.get(user=cast.vera())
    end_membership(membership_id=membership.pk, ended_by_id=cast.armand().pk, now=NOW)
    assert client.get("/espace/equipe/").status_code == 403


def test_invitations_are_withdrawn_from_the_page(client: WebClient) -> None:
    cast.sign_in(client, cast.armand())
    client.post("/espace/equipe/mutuelle-du-phare/inviter/", {"email": NADIA, "role": "viewer"})
    invitation = Invitation.objects.get()
    client.post(f"/espace/equipe/invitations/{invitation.pk}/retirer/")
    assert WebClient().get(f"/invitation/{token_of(invitation)}/").status_code == 410


def test_the_teams_pages_exist_in_english(client: WebClient) -> None:
    cast.sign_in(client, cast.armand())
    assert client.get("/en/espace/equipe/").headers["Content-Language"] == "en"


def test_an_unknown_insurer_is_not_found(client: WebClient) -> None:
    assert not Insurer.objects.exists()
    cast.sign_in(client, cast.odile())
    assert client.get("/espace/equipe/nulle-part/inviter/").status_code == 404
