"""Mail about memberships and tokens: invitations, and each change to those who approve."""

from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from insurers.models import ApiToken, Invitation, Membership, Role
from insurers.staff_mail import send_on_commit, send_staff_mail, staff_message
from insurers.team.people import people_with_role

Change = Literal["created", "confirmed", "ended"]


def send_invitation(invitation: Invitation, token: str, on_failure: Callable[[], None]) -> None:
    """Mail the link of an invitation; call `on_failure` when the server refuses."""
    link = settings.PORTAL_URL + reverse("invitation", args=[token])
    context = {"invitation": invitation, "link": link, "portal": settings.PORTAL_HOST}
    folder = "insurers/messages/invitation"
    if not send_staff_mail([staff_message(folder=folder, context=context, to=invitation.email)]):
        on_failure()


def tell_approvers(membership: Membership, change: Change) -> None:
    """Mail a change to those who approve for the insurer now, once it is committed."""
    context = {
        "membership": membership,
        "change": change,
        "link": settings.PORTAL_URL + reverse("team"),
    }
    _mail_approvers(membership.insurer_id, "membership_changed", context)


def tell_approvers_of_token(token: ApiToken, change: Literal["created", "revoked"]) -> None:
    """Mail a token's making or end to those who approve for its insurer, once committed."""
    context = {
        "token": token,
        "change": change,
        "link": settings.PORTAL_URL + reverse("api_tokens", args=[token.insurer.slug]),
    }
    _mail_approvers(token.insurer_id, "token_changed", context)


def _mail_approvers(insurer_id: UUID, name: str, context: dict[str, Any]) -> None:
    folder = f"insurers/messages/{name}"
    approvers = people_with_role(insurer_id=insurer_id, roles=[Role.APPROVER])
    send_on_commit(
        [staff_message(folder=folder, context=context, to=person.email) for person in approvers]
    )
