"""Who joins an insurer and who leaves: invite, accept, confirm by a second person, end.

Every step is written to the insurer's trail (an auditor's to the portal's) in the caller's
transaction, and every change of a membership is mailed to the insurer's approvers.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core import signing
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.trail import PORTAL, account, insurer_scope, record
from insurers.models import Invitation, Mandate, Membership
from insurers.permissions import Refused
from insurers.row_security import row_scope, set_row_scope
from insurers.team import membership_mail

INVITATION_LASTS = timedelta(days=2)
SALT = "insurers.invitation"


class MembershipRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """The rule that forbids a step; `message` is for people."""

    def __init__(self, message: str | Promise) -> None:
        super().__init__("refused")
        self.message = message


@dataclass(frozen=True)
class Joining:
    """What an invitation is for: a role at an insurer, or an auditor's mandate."""

    email: str
    insurer_id: UUID | None = None
    role: str = ""
    mandate_id: int | None = None


def invite(
    *,
    joining: Joining,
    invited_by_id: int,
    now: datetime,
    on_mail_failure: Callable[[], None] = lambda: None,
) -> Invitation:
    """Store an invitation and mail its link; an earlier one for the same thing is withdrawn.

    Raises MembershipRefused when the person already has the role, or may not have it.
    """
    joining = replace(joining, email=joining.email.strip().lower())
    person = get_user_model().objects.filter(email=joining.email).first()
    if person is not None:
        check_compatible(person, joining)
    Invitation.objects.filter(**asdict(joining), accepted_at=None, expires_at__gt=now).update(
        expires_at=now
    )
    invitation = Invitation.objects.create(
        **asdict(joining),
        invited_by_id=invited_by_id,
        created_at=now,
        expires_at=now + INVITATION_LASTS,
    )
    _record_invitation(invitation, "invitation.sent", invited_by_id)
    transaction.on_commit(
        partial(membership_mail.send_invitation, invitation, token_of(invitation), on_mail_failure)
    )
    return invitation


def withdraw_invitation(*, invitation: Invitation, withdrawn_by_id: int, now: datetime) -> None:
    """Make an open invitation's link useless."""
    open_ones = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, expires_at__gt=now)
    if not open_ones.update(expires_at=now):
        raise MembershipRefused(_("Cette invitation n’est plus ouverte."))
    _record_invitation(invitation, "invitation.withdrawn", withdrawn_by_id)


def token_of(invitation: Invitation) -> str:
    """Return what the link carries: the signed number of the invitation, nothing about anyone."""
    return signing.dumps(invitation.pk, salt=SALT)


def open_invitation(*, token: str, now: datetime) -> Invitation:
    """Return the invitation of a link, in a transaction whose scope is `invited`.

    Raises MembershipRefused when the link is forged, used, withdrawn or over two days old.
    """
    refused = MembershipRefused(
        _("Ce lien n’est plus valable : il a déjà servi ou il a plus de deux jours.")
    )
    try:
        invitation_id = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise refused from error
    invitation = (
        Invitation.objects.select_for_update(of=("self",))
        .select_related("insurer")
        .filter(pk=invitation_id, accepted_at=None, expires_at__gt=now)
        .first()
    )
    if invitation is None:
        raise refused
    return invitation


def has_account(invitation: Invitation) -> bool:
    """Whether the invited person signs in to accept, rather than choosing a password."""
    return get_user_model().objects.filter(email=invitation.email).exists()


def accept_as_new_person(*, token: str, name: str, password: str, now: datetime) -> Any:
    """Create the account of an invited person, and what it was invited to; return the account.

    Raises MembershipRefused when the link is no longer valid or the account exists by now.
    """
    with row_scope(insurers=(), role="invited", user_id=None):
        invitation = open_invitation(token=token, now=now)
        if has_account(invitation):
            raise MembershipRefused(_("Vous avez déjà un compte : connectez-vous pour accepter."))
        person = get_user_model().objects.create_user(invitation.email, password, name=name)
        _join(invitation, person, now)
        return person


def accept_as(*, token: str, person: Any, now: datetime) -> None:
    """Give a signed-in person what the invitation is for.

    Raises MembershipRefused when the link is no longer valid or is somebody else's.
    """
    with row_scope(insurers=(), role="invited", user_id=person.pk):
        invitation = open_invitation(token=token, now=now)
        if person.email.lower() != invitation.email:
            raise MembershipRefused(
                _("Cette invitation est adressée à un autre compte : connectez-vous avec lui.")
            )
        _join(invitation, person, now)


def confirm_membership(*, membership_id: int, confirmed_by_id: int, now: datetime) -> Membership:
    """Make a membership count. Raises Refused for the inviter and for the person concerned."""
    membership = _locked(membership_id)
    if confirmed_by_id in (membership.invited_by_id, membership.user_id):
        raise Refused(membership.insurer_id)
    if membership.confirmed_at is not None:
        raise MembershipRefused(_("Ce rôle est déjà confirmé."))
    membership.confirmed_by_id, membership.confirmed_at = confirmed_by_id, now
    membership.save(update_fields=["confirmed_by", "confirmed_at"])
    _record_membership(membership, "membership.confirmed", confirmed_by_id)
    membership_mail.tell_approvers(membership, "confirmed")
    return membership


def end_membership(*, membership_id: int, ended_by_id: int, now: datetime) -> Membership:
    """Take a role away at once, confirmed or not; the row stays as history."""
    membership = _locked(membership_id)
    # Before the end, so that an approver who leaves is told as well.
    membership_mail.tell_approvers(membership, "ended")
    membership.ended_at = now
    membership.save(update_fields=["ended_at"])
    _record_membership(membership, "membership.ended", ended_by_id)
    return membership


def _join(invitation: Invitation, person: Any, now: datetime) -> None:
    """Use the invitation up and give what it names."""
    insurer_ids = [invitation.insurer_id] if invitation.insurer_id else []
    set_row_scope(insurers=insurer_ids, role="invited", user_id=person.pk)
    joining = Joining(
        invitation.email, invitation.insurer_id, invitation.role, invitation.mandate_id
    )
    check_compatible(person, joining)
    invitation.accepted_at, invitation.user = now, person
    invitation.save(update_fields=["accepted_at", "user"])
    _record_invitation(invitation, "invitation.accepted", person.pk)
    if invitation.insurer_id is None:
        if not Mandate.objects.filter(invitations=invitation, user=None).update(user=person):
            raise MembershipRefused(_("Ce mandat a déjà un auditeur."))
        return
    membership = Membership.objects.create(
        user=person,
        insurer_id=invitation.insurer_id,
        role=invitation.role,
        invited_by_id=invitation.invited_by_id,
        created_at=now,
    )
    _record_membership(membership, "membership.created", person.pk)
    membership_mail.tell_approvers(membership, "created")


def check_compatible(person: Any, joining: Joining) -> None:
    """Raise MembershipRefused where one account would hold two parts that must stay apart."""
    running = Membership.objects.filter(user=person, ended_at=None)
    if person.is_staff or person.is_superuser:
        raise MembershipRefused(
            _("Un exploitant du portail ne tient aucun rôle chez un organisme ni aucun mandat.")
        )
    if joining.mandate_id is not None and running.exists():
        raise MembershipRefused(
            _("Cette personne a un rôle chez un organisme : elle ne peut pas l’auditer.")
        )
    if joining.mandate_id is None and Mandate.objects.filter(user=person).exists():
        raise MembershipRefused(
            _("Cette personne a un mandat d’auditeur : elle ne peut pas agir pour un organisme.")
        )
    if (
        joining.insurer_id is not None
        and running.filter(insurer_id=joining.insurer_id, role=joining.role).exists()
    ):
        raise MembershipRefused(_("Cette personne a déjà ce rôle."))


def _locked(membership_id: int) -> Membership:
    found = (
        Membership.objects.select_for_update(of=("self",))
        .select_related("user", "insurer")
        .filter(pk=membership_id, ended_at=None)
        .first()
    )
    if found is None:
        raise MembershipRefused(_("Ce rôle n’existe plus."))
    return found


def _record_invitation(invitation: Invitation, action: str, actor_id: int) -> None:
    record(
        action=action,
        scope=insurer_scope(invitation.insurer_id) if invitation.insurer_id else PORTAL,
        actor=account(actor_id),
        subject=f"invitation:{invitation.pk}",
        detail={"role": invitation.role, "mandate": invitation.mandate_id},
    )


def _record_membership(membership: Membership, action: str, actor_id: int) -> None:
    record(
        action=action,
        scope=insurer_scope(membership.insurer_id),
        actor=account(actor_id),
        subject=f"membership:{membership.pk}",
        detail={"role": membership.role, "account": membership.user_id},
    )
