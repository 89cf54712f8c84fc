"""What is known of the domain that an insurer's e-mail leaves from, for whoever must decide."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from notifications.models import DomainFinding, DomainOutcome, SenderCheck
from notifications.sender_domains.findings import Findings, all_three
from notifications.senders.choosing import approved_identity, domain_of


@dataclass(frozen=True)
class Standing:
    """A domain and its last look-up; without one, or about another domain, nothing is known."""

    domain: str
    outcome: DomainOutcome
    findings: Findings | None = None
    checked_at: datetime | None = None

    @property
    def fails(self) -> bool:
        """Whether receivers may take its messages for somebody else's."""
        return self.outcome == DomainOutcome.FAILS

    @property
    def is_fictional(self) -> bool:
        """Whether nothing was asked because this is a demonstration."""
        return self.findings == all_three(DomainFinding.FICTIONAL)

    def as_json(self) -> dict[str, Any]:
        """Return what an approval keeps of it."""
        return {
            "domain": self.domain,
            "outcome": self.outcome.value,
            "findings": self.findings.as_json() if self.findings else None,
            "checked_at": self.checked_at.isoformat() if self.checked_at else None,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Standing":
        """Read what `as_json` wrote."""
        at = kept["checked_at"]
        return cls(
            kept["domain"],
            DomainOutcome(kept["outcome"]),
            Findings.from_json(kept["findings"]) if kept["findings"] else None,
            datetime.fromisoformat(at) if at else None,
        )


def sender_standing(insurer_id: UUID) -> Standing:
    """Return what is known of the domain that an insurer's e-mail leaves from."""
    identity = approved_identity(insurer_id)
    address = identity.from_address if identity else settings.DEFAULT_FROM_EMAIL
    check = SenderCheck.objects.filter(identity=identity).first()
    return standing_of(domain_of(address), check)


def portal_standing() -> Standing:
    """Return what is known of the portal's own sender."""
    check = SenderCheck.objects.filter(identity=None).first()
    return standing_of(domain_of(settings.DEFAULT_FROM_EMAIL), check)


def standing_of(domain: str, check: Any) -> Standing:
    """Return the standing that a check (or a row of `DeclaredSender`) gives a domain."""
    if check is None or not check.outcome or check.from_domain != domain:
        return Standing(domain, DomainOutcome.UNKNOWN)
    return Standing(
        domain,
        DomainOutcome(check.outcome),
        Findings.from_json(check.findings),
        check.checked_at,
    )
