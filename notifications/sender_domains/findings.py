"""What a look-up found about SPF, DKIM or DMARC, and what all three say together."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from notifications.models import DomainFinding, DomainOutcome

RECORD_MAX = 1000  # characters kept of what anybody may publish

SPF_GOOD = {DomainFinding.SPF_VALID}
DKIM_GOOD = {DomainFinding.DKIM_OURS, DomainFinding.DKIM_PUBLISHED}
# Of a key that the messages are signed with: receivers would see a signature that does not hold.
DKIM_BROKEN = {
    DomainFinding.DKIM_MISSING,
    DomainFinding.DKIM_DIFFERENT,
    DomainFinding.DKIM_REVOKED,
    DomainFinding.DKIM_NOT_ALIGNED,
}
DMARC_GOOD = {
    DomainFinding.DMARC_REJECT,
    DomainFinding.DMARC_QUARANTINE,
    DomainFinding.DMARC_NONE,
}
NOT_KNOWN = {
    DomainFinding.NO_ANSWER,
    DomainFinding.FICTIONAL,
    DomainFinding.DKIM_UNDECLARED,
}


@dataclass(frozen=True)
class Finding:
    """What was asked (a name of the DNS), what was found there, and what it means."""

    code: DomainFinding
    name: str = ""
    record: str = ""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(DomainFinding(found["code"]), found["name"], found["record"])

    def as_json(self) -> dict[str, str]:
        """Return what is kept of it."""
        return asdict(self) | {"code": self.code.value, "record": self.record[:RECORD_MAX]}

    @property
    def words(self) -> str:
        """What it means, in the page's language."""
        return str(self.code.label)

    @property
    def outcome(self) -> DomainOutcome:
        """Whether this alone is right, wrong, or not known."""
        if self.code in SPF_GOOD | DKIM_GOOD | DMARC_GOOD:
            return DomainOutcome.ALIGNED
        return DomainOutcome.UNKNOWN if self.code in NOT_KNOWN else DomainOutcome.FAILS


@dataclass(frozen=True)
class Findings:
    """The three look-ups of one sender's domain."""

    spf: Finding
    dkim: Finding
    dmarc: Finding

    @property
    def outcome(self) -> DomainOutcome:
        """Whether a receiver can tell that a message comes from the domain in its From.

        DMARC is satisfied by SPF or DKIM, either of them aligned with the From domain (RFC 9989);
        without a DMARC record nothing protects the name. What is certainly wrong is wrong,
        whatever else did not answer; and what did not answer is never wrong.
        """
        if self.dmarc.outcome == DomainOutcome.FAILS or self.dkim.code in DKIM_BROKEN:
            return DomainOutcome.FAILS
        ways = {self.spf.outcome, self.dkim.outcome}
        if ways == {DomainOutcome.FAILS}:
            return DomainOutcome.FAILS
        silent = DomainFinding.NO_ANSWER in (self.dkim.code, self.dmarc.code)
        if silent or self.dmarc.outcome == DomainOutcome.UNKNOWN:
            return DomainOutcome.UNKNOWN
        return DomainOutcome.ALIGNED if DomainOutcome.ALIGNED in ways else DomainOutcome.UNKNOWN

    @property
    def each(self) -> list[tuple[str, Finding]]:
        """The three with their names, in the order that people read them."""
        return [("SPF", self.spf), ("DKIM", self.dkim), ("DMARC", self.dmarc)]

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(**{name: Finding.from_json(found[name]) for name in ("spf", "dkim", "dmarc")})

    def as_json(self) -> dict[str, dict[str, str]]:
        """Return what is kept of them."""
        return {name.lower(): finding.as_json() for name, finding in self.each}


def all_three(code: DomainFinding) -> Findings:
    """Return the same finding for each."""
    return Findings(Finding(code), Finding(code), Finding(code))
