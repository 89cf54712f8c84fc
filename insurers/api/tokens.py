"""Tokens of insurers' programs: made, presented, revoked. Only a SHA-256 of a token is stored.

A token acts for its insurer, and the person who made it answers for it: it counts for as long
as that person approves there. The secret has 256 random bits, so a plain hash protects it.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models import Outcome
from audit.trail import account, insurer_scope, record, token
from insurers.models import ApiToken, Insurer, Membership, Role, TokenScope
from insurers.row_security import row_scope, set_row_scope, show_token_row
from insurers.team.membership_mail import tell_approvers_of_token

PREFIX = "bp1_"
SECRET = re.compile(r"bp1_[A-Za-z0-9_-]{43}")


class TokenProblem(models.TextChoices):
    """Why a token opens nothing."""

    MISSING = "missing", _("La requête ne présente pas de jeton.")
    UNKNOWN = "unknown", _("Ce jeton n’existe pas.")
    REVOKED = "revoked", _("Ce jeton a été révoqué.")
    EXPIRED = "expired", _("Ce jeton a expiré.")
    ORPHAN = "orphan", _("La personne qui a créé ce jeton n’est plus approbatrice.")


class TokenRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """What was presented opens nothing."""

    def __init__(self, problem: TokenProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class ScopeMissing(Exception):  # noqa: N818
    """The token stands, and does not give this right."""

    def __init__(self, scope: TokenScope) -> None:
        super().__init__(scope.value)
        self.scope = scope


@dataclass(frozen=True)
class NewToken:
    """A token and the only copy of its secret."""

    token: ApiToken
    secret: str


def create_token(
    *,
    insurer: Insurer,
    name: str,
    scopes: Sequence[TokenScope],
    lasts: timedelta,
    created_by_id: int,
    now: datetime,
) -> NewToken:
    """Make a token in the caller's transaction, and tell the insurer's approvers."""
    secret = PREFIX + secrets.token_urlsafe(32)
    made = ApiToken.objects.create(
        insurer=insurer,
        name=name,
        secret_sha256=_hash(secret),
        scopes=[scope.value for scope in scopes],
        created_by_id=created_by_id,
        created_at=now,
        expires_at=now + lasts,
    )
    _record(made, "token.created", created_by_id)
    tell_approvers_of_token(made, "created")
    return NewToken(made, secret)


def revoke_token(*, revoked: ApiToken, revoked_by_id: int, now: datetime) -> bool:
    """Make a token useless at once; return whether it was not revoked before."""
    standing = ApiToken.objects.filter(pk=revoked.pk, revoked_at=None)
    if not standing.update(revoked_at=now, revoked_by=revoked_by_id):
        return False
    _record(revoked, "token.revoked", revoked_by_id)
    tell_approvers_of_token(revoked, "revoked")
    return True


def open_with(*, secret: str, now: datetime) -> ApiToken:
    """Return the token that a program presents, or raise TokenRefused."""
    if not SECRET.fullmatch(secret):
        raise TokenRefused(TokenProblem.UNKNOWN)
    with transaction.atomic():
        show_token_row(_hash(secret))
        found = (
            ApiToken.objects.select_related("insurer", "created_by")
            .filter(secret_sha256=_hash(secret))
            .first()
        )
        if found is None:
            raise TokenRefused(TokenProblem.UNKNOWN)
        set_row_scope(insurers=(found.insurer_id,), role="staff", user_id=None)
        if problem := problem_of(found, now=now):
            raise TokenRefused(problem)
        today = timezone.localdate(now)
        ApiToken.objects.filter(pk=found.pk).exclude(last_used_date=today).update(
            last_used_date=today
        )
    return found


def problem_of(standing: ApiToken, *, now: datetime) -> TokenProblem | None:
    """Return why a token opens nothing, or None while it stands."""
    if standing.revoked_at is not None:
        return TokenProblem.REVOKED
    if standing.expires_at <= now:
        return TokenProblem.EXPIRED
    approves = Membership.objects.filter(
        user=standing.created_by_id,
        user__is_active=True,
        insurer=standing.insurer_id,
        role=Role.APPROVER,
        confirmed_at__isnull=False,
        ended_at=None,
    )
    return None if approves.exists() else TokenProblem.ORPHAN


def require_scope(presented: ApiToken, scope: TokenScope) -> None:
    """Raise ScopeMissing unless the token gives the right; the trail says so."""
    if scope.value in presented.scopes:
        return
    with row_scope(insurers=(presented.insurer_id,), role="staff", user_id=None):
        record(
            action="access.refused",
            scope=insurer_scope(presented.insurer_id),
            actor=token(presented.pk),
            subject=f"scope:{scope.value}",
            outcome=Outcome.REFUSED,
        )
    raise ScopeMissing(scope)


def tokens_of(insurer_id: UUID) -> models.QuerySet[ApiToken]:
    """Return an insurer's tokens, the latest first."""
    tokens = ApiToken.objects.filter(insurer=insurer_id).order_by("-created_at", "-pk")
    return tokens.select_related("created_by", "revoked_by")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _record(changed: ApiToken, action: str, actor_id: int) -> None:
    record(
        action=action,
        scope=insurer_scope(changed.insurer_id),
        actor=account(actor_id),
        subject=token(changed.pk),
        detail={"scopes": changed.scopes},
    )
