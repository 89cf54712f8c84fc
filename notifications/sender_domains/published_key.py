"""Compare the DKIM key that a domain publishes (RFC 6376, 3.6.1) with the one that signs."""

from notifications.models import DomainFinding
from notifications.sender_domains.dns_answers import Dns, NoDnsAnswerError
from notifications.sender_domains.findings import Finding


def look_up_key(domain: str, selector: str, ours: str, dns: Dns) -> Finding:
    """Return what is published under a selector.

    `ours` is the record of the key that the portal signs with, "" where somebody else signs;
    then it is enough that there is a key.
    """
    name = f"{selector}._domainkey.{domain}"
    try:
        records = [found for text in dns.txt(name) if "p" in (found := tags_of(text))]
    except NoDnsAnswerError:
        return Finding(DomainFinding.NO_ANSWER, name)
    if not records:
        return Finding(DomainFinding.DKIM_MISSING, name)
    shown = "; ".join(f"{tag}={value}" for tag, value in records[0].items())
    return Finding(_worth(records, ours), name, shown)


def look_for_keys(domain: str, dns: Dns) -> Finding:
    """Return whether a domain publishes keys at all, where nobody said under which selector."""
    name = f"_domainkey.{domain}"
    try:
        some = dns.exists(name)
    except NoDnsAnswerError:
        return Finding(DomainFinding.NO_ANSWER, name)
    return Finding(DomainFinding.DKIM_UNDECLARED if some else DomainFinding.DKIM_NONE, name)


def tags_of(record: str) -> dict[str, str]:
    """Return the tags of a list `a=b; c=d` (RFC 6376, 3.2), without spaces inside values."""
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}


def _worth(records: list[dict[str, str]], ours: str) -> DomainFinding:
    if ours and [_key(found) for found in records] == [_key(tags_of(ours))]:
        return DomainFinding.DKIM_OURS
    if all(not found["p"] for found in records):
        return DomainFinding.DKIM_REVOKED
    # Of several records a receiver takes any: what it takes must be the key that signs.
    return DomainFinding.DKIM_DIFFERENT if ours else DomainFinding.DKIM_PUBLISHED


def _key(tags: dict[str, str]) -> tuple[str, str]:
    return tags.get("k", "rsa").lower(), tags["p"]
