"""What each provider that is offered posts about a message, as it documents it, and its proof."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from django.urls import reverse

from notifications.models import SendingIdentity
from notifications.receipts.webhooks import USER, seal_secret, webhook_address
from tests.notifications.email.senders import SIGNING_KEY, identity

AT = 1772445600  # 2 March 2026, 10:00 UTC
ADDRESS = "camille@example.fr"
TEXT = f"550 {ADDRESS} unknown"


def _brevo(what: str, token: str) -> Any:
    names = {
        "hard": "hard_bounce",
        "soft": "soft_bounce",
        "complained": "spam",
        "delayed": "deferred",
        "opened": "unique_opened",
        "refused": "blocked",
    }
    return {
        "event": names.get(what, what),
        "email": ADDRESS,
        "X-Mailin-custom": json.dumps({"receipt": token}),
        "ts_epoch": AT * 1000,
    }


def _mailgun(what: str, token: str) -> Any:
    failed = {
        "hard": ("permanent", "bounce"),
        "soft": ("permanent", "old"),
        "delayed": ("temporary", "generic"),
        "refused": ("permanent", "generic"),
    }
    data: dict[str, Any] = {
        "event": "failed" if what in failed else what,
        "timestamp": AT,
        "recipient": ADDRESS,
        "delivery-status": {"message": TEXT},
        "user-variables": {"receipt": token},
    }
    if what in failed:
        data["severity"], data["reason"] = failed[what]
    return {"event-data": data}


def _mailjet(what: str, token: str) -> Any:
    said: dict[str, dict[str, object]] = {
        "delivered": {"event": "sent"},
        "hard": {"event": "bounce", "hard_bounce": True, "error": "user unknown"},
        "soft": {"event": "bounce", "hard_bounce": False, "error": "quota exceeded"},
        "delayed": {"event": "bounce", "hard_bounce": False, "error": "greylisted"},
        "complained": {"event": "spam"},
        "opened": {"event": "open"},
        "refused": {"event": "blocked", "error": "content blocked"},
    }
    custom = json.dumps({"receipt": token})
    return [{"time": AT, "MessageID": 7, "email": ADDRESS, "Payload": custom} | said[what]]


def _mailtrap(what: str, token: str) -> Any:
    said: dict[str, dict[str, object]] = {
        "delivered": {"event": "delivery"},
        "hard": {"event": "bounce", "bounce_category": "badrecipient", "response": TEXT},
        "soft": {"event": "bounce", "bounce_category": "transientfail"},
        "delayed": {"event": "soft bounce", "bounce_category": "greylisting"},
        "complained": {"event": "spam"},
        "opened": {"event": "open"},
        "refused": {"event": "bounce", "bounce_category": "serverpolicy"},
    }
    common = {
        "message_id": "x",
        "event_id": f"event {what}",
        "sending_stream": "transactional",
        "email": ADDRESS,
        "timestamp": AT,
        "custom_variables": {"receipt": token},
    }
    return {"events": [common | said[what]]}


def _mandrill(what: str, token: str) -> Any:
    names = {
        "hard": "hard_bounce",
        "soft": "soft_bounce",
        "complained": "spam",
        "delayed": "deferral",
        "opened": "open",
        "refused": "reject",
    }
    message = {"email": ADDRESS, "diag": TEXT, "metadata": {"receipt": token}}
    return [{"event": names.get(what, what), "ts": AT, "_id": "x", "msg": message}]


def _postmark(what: str, token: str) -> Any:
    records = {"delivered": "Delivery", "complained": "SpamComplaint", "opened": "Open"}
    kinds = {
        "hard": "HardBounce",
        "soft": "SoftBounce",
        "complained": "SpamComplaint",
        "delayed": "Transient",
        "refused": "Blocked",
    }
    return {
        "RecordType": records.get(what, "Bounce"),
        "ID": 42,
        "Type": kinds.get(what, ""),
        "Email": ADDRESS,
        "BouncedAt": "2026-03-02T10:00:00Z",
        "Metadata": {"receipt": token},
    }


def _resend(what: str, token: str) -> Any:
    names = {
        "hard": "bounced",
        "soft": "bounced",
        "delayed": "delivery_delayed",
        "refused": "suppressed",
    }
    bounces = {
        "hard": {
            "type": "Permanent",
            "subType": "General",
            "message": "The recipient's email provider sent a hard bounce message",
        },
        "soft": {
            "type": "Transient",
            "subType": "MailboxFull",
            "message": "The recipient's email provider sent a bounce message because the"
            " recipient's inbox was full.",
        },
    }
    data: dict[str, Any] = {
        "email_id": "x",
        "to": [ADDRESS],
        "headers": [{"name": "X-Metadata", "value": json.dumps({"receipt": token})}],
    }
    if what in bounces:
        data["bounce"] = bounces[what]
    return {
        "type": f"email.{names.get(what, what)}",
        "created_at": "2026-03-02T10:00:00.000Z",
        "data": data,
    }


def _sendgrid(what: str, token: str) -> Any:
    said: dict[str, dict[str, object]] = {
        "hard": {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": TEXT},
        "soft": {"event": "bounce", "type": "blocked", "status": "4.2.2"},
        "delayed": {"event": "deferred", "attempt": "2", "response": "451 later"},
        "complained": {"event": "spamreport"},
        "opened": {"event": "open"},
        "refused": {"event": "dropped", "reason": "Spam Content"},
    }
    common = {"email": ADDRESS, "timestamp": AT, "sg_event_id": f"x-{what}", "receipt": token}
    return [common | said.get(what, {"event": what})]


def _sparkpost(what: str, token: str) -> Any:
    names = {
        "delivered": "delivery",
        "complained": "spam_complaint",
        "delayed": "delay",
        "opened": "open",
        "refused": "policy_rejection",
    }
    classes = {"hard": "10", "soft": "22", "delayed": "22"}
    event: dict[str, Any] = {
        "type": names.get(what, "bounce"),
        "timestamp": str(AT),
        "rcpt_to": ADDRESS,
        "rcpt_meta": {"receipt": token},
    }
    if what in classes:
        event["bounce_class"] = classes[what]
    return [{"msys": {"message_event": event}}]


# `delivered`, `hard`, `soft` (it gave up, for a temporary reason), `delayed` (it goes on trying),
# `complained`, `opened` or `refused` (by a policy, of anybody) of a message, by its token.
# A provider that is offered and not described here, and in PROOFS, fails every test over PROVIDERS.
SAID: dict[str, Callable[[str, str], Any]] = {
    "brevo": _brevo,
    "mailgun": _mailgun,
    "mailjet": _mailjet,
    "mailtrap": _mailtrap,
    "mandrill": _mandrill,
    "postmark": _postmark,
    "resend": _resend,
    "sendgrid": _sendgrid,
    "sparkpost": _sparkpost,
}


@dataclass(frozen=True)
class Post:
    content: str
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def altered(self) -> "Post":
        """The same proof, of something else said to the same effect."""
        return replace(self, content=self.content.replace(ADDRESS, "autre@example.fr"))


def _by_password(said: Any, secret: str, _address: str) -> Post:
    login = base64.b64encode(f"{USER}:{secret}".encode()).decode()
    return Post(json.dumps(said), headers={"Authorization": f"Basic {login}"})


def _signed_by_mailgun(said: Any, secret: str, _address: str) -> Post:
    timestamp, token = str(int(time.time())), hashlib.sha256(json.dumps(said).encode()).hexdigest()
    signed = hmac.digest(secret.encode(), f"{timestamp}{token}".encode(), "sha256").hex()
    signature = {"timestamp": timestamp, "token": token, "signature": signed}
    return Post(json.dumps({"signature": signature, **said}))


def _signed_by_mailtrap(said: Any, secret: str, _address: str) -> Post:
    content = json.dumps(said)
    signed = hmac.digest(secret.encode(), content.encode(), "sha256").hex()
    return Post(content, headers={"Mailtrap-Signature": signed})


def _signed_by_mandrill(said: Any, secret: str, address: str) -> Post:
    events = json.dumps(said)
    signed = hmac.digest(secret.encode(), f"{address}mandrill_events{events}".encode(), "sha1")
    return Post(
        urlencode({"mandrill_events": events}, safe="@"),
        "application/x-www-form-urlencoded",
        {"X-Mandrill-Signature": base64.b64encode(signed).decode()},
    )


def _signed_by_sendgrid(said: Any, secret: str, _address: str) -> Post:
    content, timestamp = json.dumps(said), str(AT)
    signed = _key(secret).sign(f"{timestamp}{content}".encode(), ec.ECDSA(hashes.SHA256()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signed).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }
    return Post(content, headers=headers)


PROOFS: dict[str, Callable[[Any, str, str], Post]] = {
    "brevo": _by_password,
    "mailgun": _signed_by_mailgun,
    "mailjet": _by_password,
    "mailtrap": _signed_by_mailtrap,
    "mandrill": _signed_by_mandrill,
    "postmark": _by_password,
    "resend": _by_password,
    "sendgrid": _signed_by_sendgrid,
    "sparkpost": _by_password,
}


def _key(secret: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(hashlib.sha256(secret.encode()).digest()[:31], "big")
    return ec.derive_private_key(number, ec.SECP256R1())


def shown_key(transport: str, secret: str = SIGNING_KEY) -> str:
    """What the portal is given so that it knows what was proved with a secret."""
    if transport != "sendgrid":
        return secret
    public = _key(secret).public_key()
    return base64.b64encode(
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


def identity_at(transport: str, **changed: Any) -> SendingIdentity:
    """An identity in service at a provider."""
    kept = seal_secret(shown_key(transport))
    return identity(transport=transport, webhook_secret=kept, **changed)


def proved(
    mine: SendingIdentity, said: Any, *, secret: str = SIGNING_KEY, address: str = ""
) -> Post:
    """What an identity's provider posts, proved with a secret, to an address."""
    return PROOFS[mine.transport](said, secret, address or webhook_address(mine.pk))


def deliver(client: Client, mine: SendingIdentity, post: Post) -> int:
    """Post, and return the status of the answer."""
    return client.post(
        reverse("provider_webhook", args=[mine.pk]),
        post.content,
        content_type=post.content_type,
        headers=post.headers,
    ).status_code
