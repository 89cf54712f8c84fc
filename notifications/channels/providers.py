"""E-mail through a provider's HTTP interface, by django-anymail: one request, one outcome.

Only providers that carry our token back in their receipts are offered, so that a receipt always
finds its message and no other account's.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.utils import formataddr
from typing import Any

import requests
from anymail.exceptions import AnymailAPIError, AnymailError
from anymail.message import AnymailMessage
from django.utils.module_loading import import_string
from urllib3.exceptions import MaxRetryError, NewConnectionError

from notifications.channels.base import ChannelDownError, Outcome, Outgoing, SenderRefusedError
from notifications.channels.mime import (
    header_address,
    removal_headers,
    visible_sender,
    wire_address,
)
from notifications.models import State, Transport
from notifications.receipts.tokens import receipt_token
from notifications.senders.choosing import Sender

METADATA = "receipt"


@dataclass(frozen=True)
class Provider:
    """A provider: what it asks of us, and how it proves that a webhook is its own.

    `signing_key` is the anymail option of its signing key; without one the provider presents a
    password that we made. `switches_tracking_off` is false where only its account can. `is_soft`
    reads in a bounce as the provider wrote it whether it gave up for a temporary reason, which
    anymail does not say.
    """

    name: str
    credentials: tuple[str, ...]
    webhook: str
    signing_key: str = ""
    switches_tracking_off: bool = True
    is_soft: Callable[[Any], bool] = lambda _event: False


# SparkPost's bounce classes of the category "soft".
SOFT_CLASSES = frozenset({"20", "21", "22", "23", "24", "40", "70"})


def _is_soft_of_sparkpost(event: Any) -> bool:
    return any(str(said.get("bounce_class")) in SOFT_CLASSES for said in event["msys"].values())


PROVIDERS: dict[str, Provider] = {
    Transport.BREVO: Provider(
        "brevo",
        ("api_key",),
        "anymail.webhooks.brevo.BrevoTrackingWebhookView",
        switches_tracking_off=False,
        is_soft=lambda event: event.get("event") == "soft_bounce",
    ),
    Transport.MAILGUN: Provider(
        "mailgun",
        ("api_key", "sender_domain"),
        "anymail.webhooks.mailgun.MailgunTrackingWebhookView",
        signing_key="webhook_signing_key",
    ),
    Transport.MAILJET: Provider(
        "mailjet",
        ("api_key", "secret_key"),
        "anymail.webhooks.mailjet.MailjetTrackingWebhookView",
        is_soft=lambda event: event.get("hard_bounce") is False,
    ),
    Transport.POSTMARK: Provider(
        "postmark",
        ("server_token",),
        "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
        is_soft=lambda event: event.get("Type") == "SoftBounce",
    ),
    Transport.SPARKPOST: Provider(
        "sparkpost",
        ("api_key",),
        "anymail.webhooks.sparkpost.SparkPostTrackingWebhookView",
        is_soft=_is_soft_of_sparkpost,
    ),
}


def send_through_provider(sender: Sender, messages: Iterable[Outgoing]) -> Iterator[Outcome]:
    """Send a batch, one message a request over one HTTP connection."""
    provider = PROVIDERS[sender.transport]
    backend_class = import_string(f"anymail.backends.{provider.name}.EmailBackend")
    options = {name: sender.credentials.get(name, "") for name in provider.credentials}
    backend = backend_class(ignore_recipient_status=True, **options)
    try:
        backend.open()
        for outgoing in messages:
            outcome = _send_one(backend, provider, sender, outgoing)
            yield outcome
            if outcome.reason == _no_answer(provider):
                raise ChannelDownError("the provider does not answer")
    finally:
        backend.close()


def _send_one(backend: Any, provider: Provider, sender: Sender, outgoing: Outgoing) -> Outcome:
    address = wire_address(outgoing.address)
    if address is None:
        return Outcome(outgoing.notification_id, State.FAILED, f"{provider.name}-syntax")
    message = _message(provider, sender, outgoing, address)
    try:
        backend.send_messages([message])
    except AnymailAPIError as error:
        return _failure(provider, outgoing, error)
    except AnymailError as error:
        raise SenderRefusedError("the provider cannot take such a message") from error
    found = message.anymail_status.recipients.get(address)
    return _outcome(provider, outgoing, found.status if found else "unknown")


def _message(
    provider: Provider, sender: Sender, outgoing: Outgoing, address: str
) -> AnymailMessage:
    seen = visible_sender(sender, outgoing)
    name = header_address(seen.name, "x").removesuffix("<x>").strip().strip('"')
    message = AnymailMessage(
        subject=outgoing.message.subject,
        body=outgoing.message.text,
        from_email=formataddr((name, seen.address)) if name else seen.address,
        to=[address],
        reply_to=[seen.reply_to] if seen.reply_to else None,
        headers={
            "Message-ID": outgoing.message_id,
            "Auto-Submitted": "auto-generated",
            **removal_headers(outgoing),
        },
    )
    message.attach_alternative(outgoing.message.html, "text/html")
    message.metadata = {METADATA: receipt_token(outgoing.notification_id, account=sender.account)}
    if provider.switches_tracking_off:
        message.track_opens = message.track_clicks = False
    return message


def _outcome(provider: Provider, outgoing: Outgoing, status: str | None) -> Outcome:
    """Map anymail's status of the one recipient; what the provider queued is accepted."""
    if status in ("queued", "sent"):
        state = State.ACCEPTED
    elif status == "invalid":
        state = State.BOUNCED
    elif status in ("rejected", "failed"):
        state = State.FAILED
    else:
        state = State.UNCERTAIN
    return Outcome(outgoing.notification_id, state, f"{provider.name}-{status or 'unknown'}")


def _failure(provider: Provider, outgoing: Outgoing, error: AnymailAPIError) -> Outcome:
    """Tell a refusal of us, of this message, of this moment, and a request nobody answered."""
    code = error.status_code
    if code is None:
        if _never_connected(error.__cause__):
            raise ChannelDownError("the provider cannot be reached") from None
        return Outcome(outgoing.notification_id, State.UNCERTAIN, _no_answer(provider))
    if code in (401, 402, 403, 404):
        raise SenderRefusedError("the provider refuses our account") from None
    if code < 400 or code in (408, 502, 504):  # The message may have gone through.
        return Outcome(outgoing.notification_id, State.UNCERTAIN, f"{provider.name}-{code}")
    if code == 429:
        raise ChannelDownError("the provider asks to slow down") from None
    if code >= 500:
        return Outcome(outgoing.notification_id, State.DEFERRED, f"{provider.name}-{code}")
    return Outcome(outgoing.notification_id, State.FAILED, f"{provider.name}-{code}")


def _no_answer(provider: Provider) -> str:
    return f"{provider.name}-no-answer"


def _never_connected(cause: BaseException | None) -> bool:
    if isinstance(cause, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError):
        return True
    inner = cause.args[0] if cause is not None and cause.args else None
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)
