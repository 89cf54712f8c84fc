"""Find a domain's DMARC policy and its organisational domain, by the walk up the DNS of RFC 9989.

RFC 7489 took the organisational domain from a list of public suffixes, which would have to be
kept up to date; the records are the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from notifications.models import DomainFinding
from notifications.sender_domains.dns_answers import Dns
from notifications.sender_domains.published_key import tags_of

VERSION = "v=DMARC1"
QUESTIONS_MAX = 8  # RFC 9989, 4.10
POLICIES = {
    "none": DomainFinding.DMARC_NONE,
    "quarantine": DomainFinding.DMARC_QUARANTINE,
    "reject": DomainFinding.DMARC_REJECT,
}


@dataclass(frozen=True)
class Policy:
    """What a domain asks of receivers; `is_…_strict`: the very same domain, no other below."""

    code: DomainFinding
    name: str = ""
    record: str = ""
    is_spf_strict: bool = False
    is_dkim_strict: bool = False


@dataclass(frozen=True)
class _Published:
    domain: str
    record: str
    tags: dict[str, str]


def policy_of(domain: str, dns: Dns) -> Policy:
    """Return the policy that holds for messages from a domain; raise NoDnsAnswerError."""
    records = _records(domain, dns)
    if len(records) > 1:
        return Policy(DomainFinding.DMARC_SEVERAL, f"_dmarc.{domain}", records[0])
    walked = list(_walk(domain, dns))
    top = _organisational(domain, walked)
    for found in walked:
        if found.domain in (domain, top) or found.tags.get("psd") == "y":
            return _policy(found, is_below=found.domain != domain)
    return Policy(DomainFinding.DMARC_MISSING, f"_dmarc.{domain}")


def are_aligned(one: str, other: str, *, is_strict: bool, dns: Dns) -> bool:
    """Whether two domains are the same, or of one organisation; raise NoDnsAnswerError."""
    if one == other or is_strict:
        return one == other
    return organisational_domain(one, dns) == organisational_domain(other, dns)


def organisational_domain(domain: str, dns: Dns) -> str:
    """Return the domain of the organisation that a domain belongs to; raise NoDnsAnswerError."""
    return _organisational(domain, list(_walk(domain, dns)))


def _organisational(domain: str, walked: list[_Published]) -> str:
    for found in walked:
        if found.tags.get("psd") == "n":
            return found.domain
        if found.tags.get("psd") == "y" and found.domain != domain:
            below = domain.removesuffix("." + found.domain).rpartition(".")[2]
            return f"{below}.{found.domain}"
    return walked[-1].domain if walked else domain


def _walk(domain: str, dns: Dns) -> Iterator[_Published]:
    """Return the records from a domain upwards; past eight labels the middle is left out."""
    labels = domain.split(".")
    above = labels[1:] if len(labels) < QUESTIONS_MAX else labels[-(QUESTIONS_MAX - 1) :]
    for parts in (labels, *(above[start:] for start in range(len(above)))):
        at = ".".join(parts)
        records = _records(at, dns)
        if len(records) == 1:
            yield _Published(at, records[0], tags_of(records[0]))


def _records(domain: str, dns: Dns) -> list[str]:
    return [
        text
        for text in dns.txt(f"_dmarc.{domain}")
        if text.partition(";")[0].replace(" ", "") == VERSION
    ]


def _policy(found: _Published, *, is_below: bool) -> Policy:
    asked = found.tags.get("p", "none")
    if is_below:
        asked = found.tags.get("sp", asked)
    # A policy that cannot be read is none where reports are asked for (RFC 9989, 4.7).
    unread = DomainFinding.DMARC_NONE if "rua" in found.tags else DomainFinding.DMARC_UNREADABLE
    return Policy(
        code=POLICIES.get(asked.lower(), unread),
        name=f"_dmarc.{found.domain}",
        record=found.record,
        is_spf_strict=found.tags.get("aspf", "r").lower() == "s",
        is_dkim_strict=found.tags.get("adkim", "r").lower() == "s",
    )
