"""Who sends an insurer's e-mail: its approved identity, or else the portal's own (worker)."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings

from insurers.lists import identifiers
from insurers.lists.sealing import open_sealed, seal
from notifications.models import Channel, Encryption, IdentityState, SendingIdentity, Transport

PORTAL = "email:portal"


@dataclass(frozen=True)
class DkimKey:
    """The private key that signs for a domain, in PEM."""

    domain: str
    selector: str
    private_key: str = field(repr=False)


@dataclass(frozen=True)
class Sender:
    """All that is needed to send, and to know one's own receipts: `account` names it for good."""

    account: str
    from_name: str
    from_address: str
    reply_to: str
    bounce_domain: str
    transport: str
    host: str = ""
    port: int = 0
    encryption: str = Encryption.STARTTLS
    credentials: dict[str, str] = field(default_factory=dict, repr=False, hash=False)
    dkim: DkimKey | None = None


def sender_for(insurer_id: UUID | None) -> Sender:
    """Return the sender of an insurer's e-mail, with its credentials opened (worker only)."""
    approved = approved_identity(insurer_id)
    return portal_sender() if approved is None else sender_of(approved)


def sender_of(identity: SendingIdentity) -> Sender:
    """Return the sender that an identity describes (worker only)."""
    credentials = open_credentials(identity)
    private_key = credentials.pop("dkim_private_key", "")
    dkim = None
    if private_key:
        dkim = DkimKey(identity.dkim_domain, identity.dkim_selector, private_key)
    return Sender(
        account=account_of(identity),
        from_name=identity.from_name,
        from_address=identity.from_address,
        reply_to=identity.reply_to,
        bounce_domain=identity.bounce_domain,
        transport=identity.transport,
        host=identity.host,
        port=identity.port or 0,
        encryption=identity.encryption,
        credentials=credentials,
        dkim=dkim,
    )


def portal_sender() -> Sender:
    """Return the portal's own sender, from the settings."""
    dkim = None
    if settings.DKIM_PRIVATE_KEY:
        dkim = DkimKey(settings.DKIM_DOMAIN, settings.DKIM_SELECTOR, settings.DKIM_PRIVATE_KEY)
    return Sender(
        account=PORTAL,
        from_name="",
        from_address=settings.DEFAULT_FROM_EMAIL,
        reply_to="",
        bounce_domain=settings.BOUNCE_DOMAIN,
        transport=Transport.SMTP,
        host=settings.EMAIL_HOST,
        port=settings.EMAIL_PORT,
        encryption=Encryption.STARTTLS if settings.EMAIL_USE_TLS else Encryption.NONE,
        credentials={"user": settings.EMAIL_HOST_USER, "password": settings.EMAIL_HOST_PASSWORD},
        dkim=dkim,
    )


def account_of(identity: SendingIdentity) -> str:
    """Return how tokens and paces name whoever sends: an insurer, whichever provider it has now.

    Bounces come for days, also after a provider was changed; and a provider knows the tokens of
    the messages that it carried, and no others.
    """
    return f"{Channel.EMAIL}:{identity.insurer_id}"


def approved_identity(insurer_id: UUID | None) -> SendingIdentity | None:
    """Return the identity that an insurer's e-mail leaves by, None where the portal sends it."""
    return SendingIdentity.objects.filter(insurer=insurer_id, state=IdentityState.APPROVED).first()


def domain_of(address: str) -> str:
    """Return the domain of an address as the DNS knows it."""
    with suppress(identifiers.BadValueError):  # Of a domain that is reserved for examples.
        address = identifiers.email(address) or address
    return address.rpartition("@")[2].lower()


def seal_credentials(credentials: dict[str, str]) -> bytes:
    """Return credentials sealed to the worker: whoever writes them cannot read them again."""
    return seal(json.dumps(credentials).encode())


def open_credentials(identity: SendingIdentity) -> dict[str, str]:
    """Return what was sealed (worker only), or raise DamagedError."""
    return {
        str(name): str(value)
        for name, value in json.loads(open_sealed(bytes(identity.sealed_credentials))).items()
    }
