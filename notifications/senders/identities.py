"""An insurer's sending identity: its approvers propose, the portal operator puts it into service.

A proposal takes the place of the one before it; an identity put into service ends the one that
was. What is proposed is never changed, so what the operator looked at is what is used.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audit.trail import account, insurer_scope, record
from insurers.models import Insurer
from notifications.channels.dkim import make_key
from notifications.channels.providers import PROVIDERS
from notifications.models import IdentityState, SendingIdentity, Transport
from notifications.receipts.webhooks import seal_secret
from notifications.senders.choosing import seal_credentials


class IdentityRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """What was asked cannot be done; `message` is for people."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Proposal:
    """What an insurer's staff propose; `credentials` are sealed at once and read by nobody here.

    `number` becomes the identity's, unless one has it already.
    """

    from_name: str
    from_address: str
    transport: str
    reply_to: str = ""
    bounce_domain: str = ""
    host: str = ""
    port: int | None = None
    encryption: str = "starttls"
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    signing_key: str = field(default="", repr=False)
    mailbox_host: str = ""
    mailbox_port: int | None = None
    messages_per_second: int | None = None
    messages_per_day: int | None = None
    signs: bool = False
    dkim_selector: str = ""
    number: UUID | None = None


@dataclass(frozen=True)
class Proposed:
    """An identity, and the password for its provider's webhooks, which is shown once."""

    identity: SendingIdentity
    webhook_password: str = field(repr=False)


@transaction.atomic
def propose_identity(
    *, insurer: Insurer, proposal: Proposal, proposed_by_id: int, now: datetime
) -> Proposed:
    """Keep a proposal in place of the one that waits, if any; secrets are sealed."""
    provider = PROVIDERS.get(proposal.transport)
    password = secrets.token_urlsafe(24) if provider and not provider.signing_key else ""
    credentials = dict(proposal.credentials)
    domain, record_text, selector = "", "", proposal.dkim_selector
    if proposal.signs and proposal.transport == Transport.SMTP:
        domain = proposal.from_address.rpartition("@")[2]
        selector = f"portail-{now:%Y%m%d}-{secrets.token_hex(2)}"
        credentials["dkim_private_key"], record_text = make_key()
    for waiting in SendingIdentity.objects.filter(insurer=insurer, state=IdentityState.PROPOSED):
        _move(waiting, IdentityState.ENDED, "identity.ended", proposed_by_id, now)
    identity = SendingIdentity(
        id=proposal.number or uuid4(),
        insurer=insurer,
        state=IdentityState.PROPOSED,
        from_name=proposal.from_name,
        from_address=proposal.from_address,
        reply_to=proposal.reply_to,
        bounce_domain=proposal.bounce_domain,
        transport=proposal.transport,
        host=proposal.host,
        port=proposal.port,
        encryption=proposal.encryption,
        sealed_credentials=seal_credentials(credentials),
        webhook_secret=seal_secret(password or proposal.signing_key),
        mailbox_host=proposal.mailbox_host,
        mailbox_port=proposal.mailbox_port,
        dkim_domain=domain,
        dkim_selector=selector,
        dkim_record=record_text,
        messages_per_second=proposal.messages_per_second,
        messages_per_day=proposal.messages_per_day,
        proposed_by_id=proposed_by_id,
        proposed_at=now,
    )
    try:
        with transaction.atomic():
            identity.save(force_insert=True)
    except IntegrityError:  # The same form, sent twice.
        identity.pk = uuid4()
        identity.save(force_insert=True)
    _record(identity, "identity.proposed", proposed_by_id)
    return Proposed(identity, password)


@transaction.atomic
def approve_identity(*, identity_id: UUID, approved_by_id: int, now: datetime) -> None:
    """Put a proposal into service, as the portal operator; raise IdentityRefused."""
    identity = _locked(identity_id, IdentityState.PROPOSED)
    standing = SendingIdentity.objects.select_for_update().filter(
        insurer=identity.insurer_id, state=IdentityState.APPROVED
    )
    for earlier in standing:
        _move(earlier, IdentityState.ENDED, "identity.ended", approved_by_id, now)
    _move(identity, IdentityState.APPROVED, "identity.approved", approved_by_id, now)


@transaction.atomic
def refuse_identity(*, identity_id: UUID, refused_by_id: int, now: datetime) -> None:
    """Turn a proposal down, as the portal operator; raise IdentityRefused."""
    identity = _locked(identity_id, IdentityState.PROPOSED)
    _move(identity, IdentityState.REFUSED, "identity.refused", refused_by_id, now)


@transaction.atomic
def end_identity(*, identity_id: UUID, ended_by_id: int, now: datetime) -> None:
    """Take an identity out of service, so that the portal sends; raise IdentityRefused."""
    identity = _locked(identity_id, IdentityState.APPROVED)
    _move(identity, IdentityState.ENDED, "identity.ended", ended_by_id, now)


def _locked(identity_id: UUID, state: IdentityState) -> SendingIdentity:
    found = SendingIdentity.objects.select_for_update().filter(pk=identity_id, state=state).first()
    if found is None:
        raise IdentityRefused(_("Cette identité d’envoi a changé d’état entre-temps."))
    return found


def _move(
    identity: SendingIdentity, state: IdentityState, action: str, by_id: int, now: datetime
) -> None:
    identity.state, identity.decided_by_id, identity.decided_at = state, by_id, now
    identity.save(update_fields=["state", "decided_by", "decided_at"])
    _record(identity, action, by_id)


def _record(identity: SendingIdentity, action: str, by_id: int) -> None:
    record(
        action=action,
        scope=insurer_scope(identity.insurer_id),
        actor=account(by_id),
        subject=f"identity:{identity.pk}",
        detail={"transport": identity.transport},
    )
