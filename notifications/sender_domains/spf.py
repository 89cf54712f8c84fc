"""Read a domain's SPF record (RFC 7208): is there one, is it well written, do its includes hold?

Which servers it lets in is not judged: the portal does not know from which address a relay or a
provider will send.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from notifications.models import DomainFinding
from notifications.sender_domains.dns_answers import Dns, NoDnsAnswerError
from notifications.sender_domains.findings import Finding

VERSION = "v=spf1"
LOOKUPS_MAX = 10  # RFC 7208, 4.6.4
ASKING = {"include", "a", "mx", "ptr", "exists", "redirect"}
NEEDS_VALUE = {"include", "exists", "ip4", "ip6", "redirect"}
_MECHANISM = re.compile(
    r"(?P<qualifier>[+?~-]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)"
    r"(?::(?P<value>(?:%\{[^}\s%]*\}|%[%_-]|[^\s/%])+))?(?P<length>(?:/\d{1,3})?(?://\d{1,3})?)",
    re.IGNORECASE,
)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9._-]*)=(?P<value>\S*)", re.IGNORECASE)


@dataclass(frozen=True)
class Term:
    """One word of a record: `+include:example.fr` is ("+", "include", "example.fr")."""

    qualifier: str
    name: str
    value: str


class SpfFaultError(Exception):
    """What makes receivers treat a record as an error (`permerror`)."""

    def __init__(self, code: DomainFinding) -> None:
        super().__init__(code.value)
        self.code = code


def look_up_spf(domain: str, dns: Dns) -> Finding:
    """Return what a domain's SPF record is worth."""
    record = ""
    try:
        record = _record(domain, dns)
        terms = _terms(record)
        _follow(terms, dns, asked=0)
    except SpfFaultError as fault:
        return Finding(fault.code, domain, record)
    except NoDnsAnswerError:
        return Finding(DomainFinding.NO_ANSWER, domain, record)
    return Finding(_reach(terms), domain, record)


def _record(domain: str, dns: Dns) -> str:
    records = [
        text
        for text in dns.txt(domain)
        if text.lower() == VERSION or text.lower().startswith(VERSION + " ")
    ]
    if len(records) != 1:
        several = DomainFinding.SPF_SEVERAL if records else DomainFinding.SPF_MISSING
        raise SpfFaultError(several)
    return records[0]


def _terms(record: str) -> list[Term]:
    terms = [_term(word) for word in record.split()[1:]]
    if sum(term.name == "redirect" for term in terms) > 1:
        raise SpfFaultError(DomainFinding.SPF_UNREADABLE)
    return terms


def _term(word: str) -> Term:
    if found := _MECHANISM.fullmatch(word):
        term = Term(found["qualifier"] or "+", found["name"].lower(), found["value"] or "")
        length = found["length"]
    elif found := _MODIFIER.fullmatch(word):
        term, length = Term("", found["name"].lower(), found["value"]), ""
    else:
        raise SpfFaultError(DomainFinding.SPF_UNREADABLE)
    if not _is_sound(term, length):
        raise SpfFaultError(DomainFinding.SPF_UNREADABLE)
    return term


def _is_sound(term: Term, length: str) -> bool:
    if term.name in NEEDS_VALUE and not term.value:
        return False
    if term.name in {"ip4", "ip6"}:
        try:
            network = ipaddress.ip_network(term.value + length, strict=False)
        except ValueError:
            return False
        return network.version == int(term.name[2])
    if term.name == "all":
        return not (term.value or length)
    return not length or term.name in {"a", "mx"}


def _follow(terms: list[Term], dns: Dns, asked: int) -> int:
    """Read what the terms refer to, as far as no macro stands there; return the look-ups made."""
    for term in _consulted(terms):
        asked += 1
        if asked > LOOKUPS_MAX:
            raise SpfFaultError(DomainFinding.SPF_TOO_MANY)
        if term.name in {"include", "redirect"} and "%" not in term.value:
            asked = _follow(_included(term.value, dns), dns, asked)
    return asked


def _consulted(terms: list[Term]) -> Iterator[Term]:
    ends = any(term.name == "all" for term in terms)
    for term in terms:
        if term.name in ASKING and not (term.name == "redirect" and ends):
            yield term


def _included(domain: str, dns: Dns) -> list[Term]:
    try:
        return _terms(_record(domain.rstrip("."), dns))
    except SpfFaultError as fault:
        raise SpfFaultError(DomainFinding.SPF_BROKEN_INCLUDE) from fault


def _reach(terms: list[Term]) -> DomainFinding:
    """Return whether a record lets in somebody, nobody or everybody."""
    passing = [term for term in terms if term.qualifier == "+" or term.name == "redirect"]
    if any(term.name == "all" for term in passing):
        return DomainFinding.SPF_EVERYBODY
    return DomainFinding.SPF_VALID if passing else DomainFinding.SPF_NOBODY
