"""Mail about memberships. It leaves after commit; an SMTP failure never undoes the change."""

import logging
from collections.abc import Callable
from functools import partial
from smtplib import SMTPException
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from insurers.models import Invitation, Membership, Role

logger = logging.getLogger(__name__)

Change = Literal["created", "confirmed", "ended"]


def send_invitation(invitation: Invitation, token: str, on_failure: Callable[[], None]) -> None:
    """Mail the link of an invitation; call `on_failure` when the server refuses."""
    link = settings.PORTAL_URL + reverse("invitation", args=[token])
    context = {"invitation": invitation, "link": link, "portal": settings.PORTAL_HOST}
    if not _send([_message("invitation", context, invitation.email)]):
        on_failure()


def tell_approvers(membership: Membership, change: Change) -> None:
    """Mail a change to those who approve for the insurer now, once it is committed."""
    approvers = get_user_model().objects.filter(
        is_active=True,
        memberships__insurer=membership.insurer_id,
        memberships__role=Role.APPROVER,
        memberships__confirmed_at__isnull=False,
        memberships__ended_at=None,
    )
    context = {
        "membership": membership,
        "change": change,
        "link": settings.PORTAL_URL + reverse("team"),
    }
    mails = [_message("membership_changed", context, approver.email) for approver in approvers]
    transaction.on_commit(partial(_send, mails))


def _message(name: str, context: dict[str, Any], to: str) -> EmailMessage:
    folder = f"insurers/messages/{name}"
    subject = render_to_string(f"{folder}/subject.txt", context).strip()
    return EmailMessage(subject, render_to_string(f"{folder}/body.txt", context), to=[to])


def _send(mails: list[EmailMessage]) -> bool:
    """Send over one connection; say whether the server took them. The error names nobody."""
    try:
        get_connection().send_messages(mails)
    except (SMTPException, OSError) as error:
        logger.warning("%d membership mails not sent: %s", len(mails), type(error).__name__)
        return False
    return True
