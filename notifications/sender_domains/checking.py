"""Look a sender up and keep what was found (worker): on request, and once a day.

What the DNS is asked about is read first and what it said is written last, each in a transaction
of its own: none is open while a server is waited for.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from audit.trail import PORTAL, insurer_scope, record
from notifications.channels.dkim import public_record
from notifications.channels.providers import PROVIDERS
from notifications.models import DomainFinding, DomainOutcome, IdentityState, SenderCheck
from notifications.models import SendingIdentity as Identity
from notifications.sender_domains.alignment import SenderDomains, look_up
from notifications.sender_domains.dns_answers import Dns, NoDnsAnswerError
from notifications.sender_domains.findings import Findings, all_three
from notifications.sender_domains.holding_back import hold_back
from notifications.senders.choosing import domain_of

EVERY = timedelta(hours=24)
AGAIN = timedelta(hours=1)
NOT_ASKED = {DomainFinding.NO_ANSWER, DomainFinding.FICTIONAL}
LOOKED_UP = (IdentityState.PROPOSED, IdentityState.APPROVED)


def check_sender(*, identity_id: UUID | None, now: datetime) -> SenderCheck:
    """Look up the domains of an identity, or of the portal's own sender, and keep the result.

    Of a domain that fails, campaigns that nobody approved as such are halted. Must not be called
    inside a transaction. Raises SendingIdentity.DoesNotExist.
    """
    identity = Identity.objects.get(pk=identity_id) if identity_id else None
    sender = portal_domains() if identity is None else domains_of(identity)
    check = _keep(identity, sender, _found(sender), now)
    if check.outcome == DomainOutcome.FAILS:
        hold_back(identity=identity, now=now)
    return check


def senders_to_check(*, now: datetime) -> list[UUID | None]:
    """Return the identities (None: the portal's own) to ask about: once a day.

    After an hour already where nothing good is known, so that what was put right is soon seen.
    """
    sound = Q(outcome=DomainOutcome.ALIGNED, checked_at__gt=now - EVERY)
    recent = SenderCheck.objects.filter(Q(tried_at__gt=now - AGAIN) | sound)
    due: list[UUID | None] = list(
        Identity.objects.filter(state__in=LOOKED_UP)
        .exclude(pk__in=recent.exclude(identity=None).values("identity"))
        .values_list("pk", flat=True)
    )
    return due if recent.filter(identity=None).exists() else [None, *due]


def domains_of(identity: Identity) -> SenderDomains:
    """Return what an identity sends as; providers take bounces at a domain of their own."""
    from_domain = domain_of(identity.from_address)
    returns_to_provider = identity.transport in PROVIDERS
    return SenderDomains(
        from_domain=from_domain,
        return_domain="" if returns_to_provider else identity.bounce_domain.lower() or from_domain,
        dkim_domain=identity.dkim_domain.lower(),
        dkim_selector=identity.dkim_selector,
        dkim_record=identity.dkim_record,
    )


def portal_domains() -> SenderDomains:
    """Return what the portal itself sends as, from the settings."""
    from_domain = domain_of(settings.DEFAULT_FROM_EMAIL)
    key = settings.DKIM_PRIVATE_KEY
    return SenderDomains(
        from_domain=from_domain,
        return_domain=settings.BOUNCE_DOMAIN.lower() or from_domain,
        dkim_domain=settings.DKIM_DOMAIN.lower(),
        dkim_selector=settings.DKIM_SELECTOR,
        dkim_record=public_record(key) if key else "",
    )


def _found(sender: SenderDomains) -> Findings:
    if settings.DEMO and not settings.DNS_RESOLVERS:
        return all_three(DomainFinding.FICTIONAL)
    try:
        return look_up(sender, Dns(settings.DNS_RESOLVERS))
    except NoDnsAnswerError:
        return all_three(DomainFinding.NO_ANSWER)


@transaction.atomic
def _keep(
    identity: Identity | None, sender: SenderDomains, found: Findings, now: datetime
) -> SenderCheck:
    """Store a result; one that the DNS did not give leaves the one before it."""
    kept = SenderCheck.objects.select_for_update().filter(identity=identity).first()
    before = kept.outcome if kept and kept.from_domain == sender.from_domain else None
    is_known = found.outcome != DomainOutcome.UNKNOWN or not NOT_ASKED & {
        finding.code for _name, finding in found.each
    }
    values: dict[str, Any] = {"tried_at": now}
    if is_known or before is None or kept is None or kept.checked_at is None:
        values |= {
            "from_domain": sender.from_domain,
            "outcome": found.outcome,
            "findings": found.as_json(),
            "checked_at": now if is_known else None,
        }
    check, _made = SenderCheck.objects.update_or_create(identity=identity, defaults=values)
    if check.outcome != before:
        _record(identity, check)
    return check


def _record(identity: Identity | None, check: SenderCheck) -> None:
    findings: Mapping[str, Mapping[str, str]] = check.findings
    record(
        action="sender.checked",
        scope=insurer_scope(identity.insurer_id) if identity else PORTAL,
        subject=f"identity:{identity.pk}" if identity else "",
        detail={"outcome": str(check.outcome)}
        | {name: finding["code"] for name, finding in findings.items()},
    )
