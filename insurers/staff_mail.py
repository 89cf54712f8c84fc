"""Mail to staff about their work, after commit: an SMTP failure never undoes the change."""

import logging
from functools import partial
from smtplib import SMTPException
from typing import Any

from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)


def staff_message(*, folder: str, context: dict[str, Any], to: str) -> EmailMessage:
    """Fill in the templates `subject.txt` and `body.txt` of a folder, for one address."""
    subject = render_to_string(f"{folder}/subject.txt", context).strip()
    return EmailMessage(subject, render_to_string(f"{folder}/body.txt", context), to=[to])


def send_staff_mail(mails: list[EmailMessage]) -> bool:
    """Send over one connection; say whether the server took them. The error names nobody."""
    try:
        get_connection().send_messages(mails)
    except (SMTPException, OSError) as error:
        logger.warning("%d staff mails not sent: %s", len(mails), type(error).__name__)
        return False
    return True


def send_on_commit(mails: list[EmailMessage]) -> None:
    """Send once the transaction is committed, if it is."""
    transaction.on_commit(partial(send_staff_mail, mails))
