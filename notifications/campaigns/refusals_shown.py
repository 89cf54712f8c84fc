"""Say to staff why a step was refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest

from audit.models import Outcome
from audit.trail import account, insurer_scope, record
from insurers.permissions import staff_of
from notifications.campaigns.refusals import StepRefused
from notifications.models import Campaign, Exemption, Statement


@contextmanager
def refusal_shown(
    request: HttpRequest, found: Campaign | Exemption | Statement, action: str
) -> Iterator[None]:
    """Take a step that may be refused: then say why, and keep the refusal in the trail."""
    try:
        yield
    except StepRefused as refusal:
        messages.error(request, str(refusal.message))
        record(
            action=action,
            scope=insurer_scope(found.insurer_id),
            actor=account(staff_of(request).user_id),
            subject=f"{found._meta.model_name}:{found.pk}",
            outcome=Outcome.REFUSED,
        )
