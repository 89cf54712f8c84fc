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
from anymail.signals import AnymailTrackingEvent, EventType
from django.utils.module_loading import import_string
from urllib3.exceptions import MaxRetryError, NewConnectionError

from notifications.channels.base import ChannelDownError, Outcome, Outgoing, SenderRefusedError
from notifications.channels.mime import (
    header_address,
    removal_headers,
    visible_sender,
    wire_address,
)
from notifications.models import ReceiptKind, State, Transport
from notifications.receipts.tokens import receipt_token
from notifications.senders.choosing import Sender

METADATA = "receipt"


@dataclass(frozen=True)
class Provider:
    """A provider: what it asks of us, and how it proves that a webhook is its own.

    `signing_key` is the anymail option of its signing key; without one the provider presents a
    password that we made. `signs_address` is true where it signs the address it posts to as well.
    `switches_tracking_off` is false where only its account can. `kind_of` reads in an event as the
    provider wrote it what anymail does not say of it, above all whether it gave up for a temporary
    reason; None leaves the event to anymail. `account_errors` are the names under which it refuses
    our account with a status that says nothing of it.
    """

    name: str
    credentials: tuple[str, ...]
    webhook: str
    signing_key: str = ""
    signs_address: bool = False
    switches_tracking_off: bool = True
    kind_of: Callable[[AnymailTrackingEvent], ReceiptKind | None] = lambda _event: None
    account_errors: frozenset[str] = frozenset()


def _named(
    field: str, kinds: dict[str, ReceiptKind]
) -> Callable[[AnymailTrackingEvent], ReceiptKind | None]:
    return lambda event: kinds.get(str(event.esp_event.get(field)))


def _kind_of_mailgun(event: AnymailTrackingEvent) -> ReceiptKind | None:
    # Whatever it tried for hours, each time refused for the moment, is "old" in the end.
    is_old = (event.esp_event.get("event-data") or {}).get("reason") == "old"
    return ReceiptKind.SOFT if event.event_type == EventType.BOUNCED and is_old else None


def _kind_of_mailjet(event: AnymailTrackingEvent) -> ReceiptKind | None:
    is_soft = event.esp_event.get("hard_bounce") is False
    return ReceiptKind.SOFT if event.event_type == EventType.BOUNCED and is_soft else None


# What Mailtrap found in the answer of the receiving server. It tries again by itself, ten times,
# after what it calls a soft bounce; a bounce is its last word. The others are of policy.
CATEGORIES_OF_MAILTRAP = {
    "badrecipient": ReceiptKind.HARD,
    **dict.fromkeys(
        ("transientfail", "greylisting", "overquota", "timeout", "serverfail", "dnsfail"),
        ReceiptKind.SOFT,
    ),
}


def _kind_of_mailtrap(event: AnymailTrackingEvent) -> ReceiptKind | None:
    category = str(event.esp_event.get("bounce_category") or "").lower()
    if event.event_type != EventType.BOUNCED or not category:
        return None
    return CATEGORIES_OF_MAILTRAP.get(category, ReceiptKind.FAILED)


def _kind_of_resend(event: AnymailTrackingEvent) -> ReceiptKind | None:
    if event.esp_event["type"] in ("email.failed", "email.suppressed"):
        return ReceiptKind.FAILED
    bounce = event.esp_event["data"].get("bounce") or {}
    if event.event_type != EventType.BOUNCED or "Suppress" in str(bounce.get("subType")):
        return None
    kinds = {
        "Permanent": ReceiptKind.HARD,
        "Transient": ReceiptKind.SOFT,
        "Undetermined": ReceiptKind.SOFT,
    }
    return kinds.get(str(bounce.get("type")))


def _kind_of_sendgrid(event: AnymailTrackingEvent) -> ReceiptKind | None:
    # A "blocked" message was refused for the moment; SendGrid keeps no such address off.
    kinds = {
        "bounce": ReceiptKind.HARD,
        "blocked": ReceiptKind.SOFT,
        "expired": ReceiptKind.SOFT,
    }
    said = event.esp_event
    return kinds.get(str(said.get("type"))) if said.get("event") == "bounce" else None


# SparkPost's bounce classes of the category "soft".
SOFT_CLASSES = frozenset({"20", "21", "22", "23", "24", "40", "70"})


def _kind_of_sparkpost(event: AnymailTrackingEvent) -> ReceiptKind | None:
    classes = {str(said.get("bounce_class")) for said in event.esp_event["msys"].values()}
    is_soft = event.event_type == EventType.BOUNCED and classes & SOFT_CLASSES
    return ReceiptKind.SOFT if is_soft else None


# docs/decisions/0033 says why no others.
PROVIDERS: dict[str, Provider] = {
    Transport.BREVO: Provider(
        "brevo",
        ("api_key",),
        "anymail.webhooks.brevo.BrevoTrackingWebhookView",
        switches_tracking_off=False,
        kind_of=_named("event", {"soft_bounce": ReceiptKind.SOFT}),
    ),
    Transport.MAILGUN: Provider(
        "mailgun",
        ("api_key", "sender_domain"),
        "anymail.webhooks.mailgun.MailgunTrackingWebhookView",
        signing_key="webhook_signing_key",
        kind_of=_kind_of_mailgun,
    ),
    Transport.MAILJET: Provider(
        "mailjet",
        ("api_key", "secret_key"),
        "anymail.webhooks.mailjet.MailjetTrackingWebhookView",
        kind_of=_kind_of_mailjet,
    ),
    Transport.MAILTRAP: Provider(
        "mailtrap",
        ("api_token",),
        "anymail.webhooks.mailtrap.MailtrapTrackingWebhookView",
        signing_key="tracking_secret",
        switches_tracking_off=False,
        kind_of=_kind_of_mailtrap,
    ),
    Transport.MANDRILL: Provider(
        "mandrill",
        ("api_key",),
        "anymail.webhooks.mandrill.MandrillTrackingWebhookView",
        signing_key="webhook_key",
        signs_address=True,
        kind_of=_named(
            "event",
            {
                "delivered": ReceiptKind.DELIVERED,
                "hard_bounce": ReceiptKind.HARD,
                "soft_bounce": ReceiptKind.SOFT,
            },
        ),
        account_errors=frozenset({"Invalid_Key", "PaymentRequired", "Unknown_Subaccount"}),
    ),
    Transport.POSTMARK: Provider(
        "postmark",
        ("server_token",),
        "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
        kind_of=_named("Type", {"SoftBounce": ReceiptKind.SOFT}),
    ),
    Transport.RESEND: Provider(
        "resend",
        ("api_key",),
        "anymail.webhooks.resend.ResendTrackingWebhookView",
        switches_tracking_off=False,
        kind_of=_kind_of_resend,
    ),
    Transport.SENDGRID: Provider(
        "sendgrid",
        ("api_key",),
        "anymail.webhooks.sendgrid.SendGridTrackingWebhookView",
        signing_key="tracking_webhook_verification_key",
        kind_of=_kind_of_sendgrid,
    ),
    Transport.SPARKPOST: Provider(
        "sparkpost",
        ("api_key",),
        "anymail.webhooks.sparkpost.SparkPostTrackingWebhookView",
        kind_of=_kind_of_sparkpost,
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
    # One recipient, under whatever spelling of its address the provider answers with.
    found = next(iter(message.anymail_status.recipients.values()), None)
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
    if code in (401, 402, 403, 404) or _error_name(error) in provider.account_errors:
        raise SenderRefusedError("the provider refuses our account") from None
    if code < 400 or code in (408, 502, 504):  # The message may have gone through.
        return Outcome(outgoing.notification_id, State.UNCERTAIN, f"{provider.name}-{code}")
    if code == 429:
        raise ChannelDownError("the provider asks to slow down") from None
    if code >= 500:
        return Outcome(outgoing.notification_id, State.DEFERRED, f"{provider.name}-{code}")
    return Outcome(outgoing.notification_id, State.FAILED, f"{provider.name}-{code}")


def _error_name(error: AnymailAPIError) -> str:
    try:
        return str(error.response.json()["name"])
    except (ValueError, KeyError, TypeError):
        return ""


def _no_answer(provider: Provider) -> str:
    return f"{provider.name}-no-answer"


def _never_connected(cause: BaseException | None) -> bool:
    if isinstance(cause, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError):
        return True
    inner = cause.args[0] if cause is not None and cause.args else None
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)
