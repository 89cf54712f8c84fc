"""What providers tell us by webhook: its signature checked, sealed, and left to the worker.

The web process needs the secret that proves a webhook genuine, so it can read it; with it one can
make up receipts, but none that finds a message: that takes a token which only the worker makes.
"""

import base64
import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from anymail.exceptions import AnymailWebhookValidationFailure
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.module_loading import import_string

from insurers.lists.sealing import seal
from insurers.row_security import show_webhook_row
from notifications.channels.providers import PROVIDERS
from notifications.models import IdentityState, SealedReceipt, SendingIdentity

USER = "portail"
# Receipts come for days after an identity was replaced by another.
HEARD = (IdentityState.APPROVED, IdentityState.ENDED)
# What anymail raises over a proof of strange characters, of another form, or nested too deep, and
# over a key that verifies nothing.
UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError)


class WebhookRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """No such identity, or not its provider."""


def take_webhook(*, identity_id: UUID, request: HttpRequest, now: datetime) -> None:
    """Check that a request comes from the identity's provider and keep it sealed.

    Raises WebhookRefused.
    """
    with transaction.atomic():
        show_webhook_row(identity_id)
        identity = SendingIdentity.objects.filter(pk=identity_id, state__in=HEARD).first()
        if identity is None or identity.transport not in PROVIDERS:
            raise WebhookRefused
        provider, options = PROVIDERS[identity.transport], view_options(identity)
        if provider.signs_address:
            options["webhook_url"] = webhook_address(identity_id)
        try:
            import_string(provider.webhook)(**options).run_validators(request)
        except (AnymailWebhookValidationFailure, *UNREADABLE) as failure:
            raise WebhookRefused from failure
        brought = {
            "content_type": request.headers.get("Content-Type", ""),
            "body": base64.b64encode(request.body).decode(),
        }
        receipt = SealedReceipt(
            identity=identity, sealed=seal(json.dumps(brought).encode()), received_at=now
        )
        SealedReceipt.objects.bulk_create([receipt])


def view_options(identity: SendingIdentity) -> dict[str, Any]:
    """Return the options with which anymail's view checks and reads an identity's webhooks."""
    secret = open_secret(identity.webhook_secret)
    if not secret:
        raise WebhookRefused
    signing_key = PROVIDERS[identity.transport].signing_key
    return {signing_key: secret} if signing_key else {"webhook_secret": f"{USER}:{secret}"}


def webhook_address(identity_id: UUID) -> str:
    """Return the address that an identity's provider posts to, as its account is given it."""
    return str(settings.PORTAL_URL) + reverse("provider_webhook", args=[identity_id])


def seal_secret(secret: str) -> str:
    """Return a webhook's secret encrypted, so that a dump of the database shows none."""
    return _cipher().encrypt(secret.encode()).decode() if secret else ""


def open_secret(sealed: str) -> str:
    """Return what `seal_secret` was given."""
    return _cipher().decrypt(sealed.encode()).decode() if sealed else ""


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet(
        Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"webhook:{key!s}".encode()).digest()))
        for key in keys
    )
