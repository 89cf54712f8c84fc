"""Look up what receivers will: SPF, DKIM and DMARC of a sender, and whether they agree."""

from dataclasses import dataclass

from notifications.models import DomainFinding
from notifications.sender_domains.dmarc import Policy, are_aligned, policy_of
from notifications.sender_domains.dns_answers import Dns, NoDnsAnswerError
from notifications.sender_domains.findings import Finding, Findings
from notifications.sender_domains.published_key import look_for_keys, look_up_key
from notifications.sender_domains.spf import look_up_spf


@dataclass(frozen=True)
class SenderDomains:
    """The domains of a sender, in lower case and IDNA.

    `return_domain` is "" where bounces go to a provider's own domain; `dkim_record` is "" where
    somebody else than the portal signs, and `dkim_selector` where nobody said under which.
    """

    from_domain: str
    return_domain: str
    dkim_domain: str = ""
    dkim_selector: str = ""
    dkim_record: str = ""


def look_up(sender: SenderDomains, dns: Dns) -> Findings:
    """Ask the DNS about a sender; what does not answer is a finding too. No transaction is open."""
    try:
        policy = policy_of(sender.from_domain, dns)
    except NoDnsAnswerError:
        policy = Policy(DomainFinding.NO_ANSWER, f"_dmarc.{sender.from_domain}")
    return Findings(
        spf=_spf(sender, policy, dns),
        dkim=_dkim(sender, policy, dns),
        dmarc=Finding(policy.code, policy.name, policy.record),
    )


def _spf(sender: SenderDomains, policy: Policy, dns: Dns) -> Finding:
    """Return what SPF is worth: it is the return path's domain that receivers ask."""
    if not sender.return_domain:
        return Finding(DomainFinding.SPF_OF_PROVIDER)
    found = look_up_spf(sender.return_domain, dns)
    if found.code != DomainFinding.SPF_VALID:
        return found
    return _if_aligned(
        found,
        DomainFinding.SPF_NOT_ALIGNED,
        (sender.from_domain, sender.return_domain),
        is_strict=policy.is_spf_strict,
        policy=policy,
        dns=dns,
    )


def _dkim(sender: SenderDomains, policy: Policy, dns: Dns) -> Finding:
    if not sender.dkim_selector:
        return look_for_keys(sender.from_domain, dns)
    domain = sender.dkim_domain or sender.from_domain
    found = look_up_key(domain, sender.dkim_selector, sender.dkim_record, dns)
    if found.code not in (DomainFinding.DKIM_OURS, DomainFinding.DKIM_PUBLISHED):
        return found
    return _if_aligned(
        found,
        DomainFinding.DKIM_NOT_ALIGNED,
        (sender.from_domain, domain),
        is_strict=policy.is_dkim_strict,
        policy=policy,
        dns=dns,
    )


def _if_aligned(
    found: Finding,
    otherwise: DomainFinding,
    domains: tuple[str, str],
    *,
    is_strict: bool,
    policy: Policy,
    dns: Dns,
) -> Finding:
    """Return what was found where the domains are of one organisation, else that they are not."""
    try:
        aligned = are_aligned(*domains, is_strict=is_strict, dns=dns)
    except NoDnsAnswerError:
        return Finding(DomainFinding.NO_ANSWER, found.name, found.record)
    if not aligned and policy.code == DomainFinding.NO_ANSWER:
        return Finding(DomainFinding.NO_ANSWER, found.name, found.record)
    return found if aligned else Finding(otherwise, found.name, found.record)
