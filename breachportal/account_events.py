"""What happens to accounts goes to the portal's trail: sign-ins, passwords, second factors."""

from typing import Any

from allauth.account.signals import password_changed, password_reset, user_logged_in
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.usersessions.models import UserSession
from django.dispatch import Signal
from django.http import HttpRequest

from audit.trail import PORTAL, account, record


def connect() -> None:
    """Listen to allauth (once, when the application starts)."""
    for signal, action in (
        (user_logged_in, "account.signed_in"),
        (password_changed, "account.password_changed"),
        (password_reset, "account.password_reset"),
        (authenticator_added, "second_factor.added"),
        (authenticator_removed, "second_factor.removed"),
        (authenticator_reset, "second_factor.reset"),
    ):
        _record_on(signal, action)
    authenticator_added.connect(end_other_sessions, dispatch_uid="end_other_sessions")


def end_other_sessions(*, request: HttpRequest, user: Any, **_kwargs: Any) -> None:
    """End the sessions that were opened before a new second factor was there to be asked."""
    for session in UserSession.objects.filter(user=user):
        if session.session_key != request.session.session_key:
            session.end()


def _record_on(signal: Signal, action: str) -> None:
    def written(*, user: Any, authenticator: Any = None, **_kwargs: Any) -> None:
        record(
            action=action,
            scope=PORTAL,
            actor=account(user.pk),
            subject=account(user.pk),
            detail={"kind": authenticator.type} if authenticator else {},
        )

    signal.connect(written, weak=False, dispatch_uid=action)
