"""What the DNS says of a sender, asked of a real server: aligned, wrong and why, or not known."""

import time

import pytest

from notifications.channels.dkim import make_key
from notifications.models import DomainFinding, DomainOutcome
from notifications.sender_domains import dns_answers
from notifications.sender_domains.alignment import SenderDomains, look_up
from notifications.sender_domains.dmarc import organisational_domain, policy_of
from notifications.sender_domains.dns_answers import Dns
from notifications.sender_domains.findings import Findings
from notifications.sender_domains.spf import look_up_spf
from tests.dns_server import SERVFAIL, SILENT, Zone, dns_server
from tests.notifications.sender_domains.zones import DMARC, zone

PHARE = "phare.example.fr"
ALIGNED, FAILS, UNKNOWN = DomainOutcome.ALIGNED, DomainOutcome.FAILS, DomainOutcome.UNKNOWN
KEY = make_key()[1]
OTHER_KEY = make_key()[1]
SIGNED = {"dkim_domain": PHARE, "dkim_selector": "portail", "dkim_record": KEY}


def found(published: Zone, **sender: str) -> Findings:
    domains = {"from_domain": PHARE, "return_domain": PHARE} | sender
    with dns_server(published) as server:
        return look_up(SenderDomains(**domains), Dns([server.address], seconds=2))


def codes(findings: Findings) -> tuple[str, str, str]:
    return findings.spf.code.value, findings.dkim.code.value, findings.dmarc.code.value


def test_a_sound_domain_is_aligned_by_spf() -> None:
    findings = found(zone())
    assert findings.outcome == ALIGNED
    assert codes(findings) == ("spf_valid", "dkim_none", "dmarc_reject")
    assert findings.dmarc.record == DMARC


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (None, "spf_missing"),
        (["v=spf1 -all", "v=spf1 ~all"], "spf_several"),
        (["v=spf1 include: -all"], "spf_unreadable"),
        (["v=spf1 ip4:phare.example.fr -all"], "spf_unreadable"),
        (["v=spf1 ip4:192.0.2.0/33 -all"], "spf_unreadable"),
        (["v=spf1 ip6:192.0.2.1 -all"], "spf_unreadable"),
        (["v=spf1 all:x"], "spf_unreadable"),
        (["v=spf1 exists:" + "%{i}" * 60 + "/x -all"], "spf_unreadable"),
        (["v=spf1 exists:%{i -all"], "spf_unreadable"),
        (["v=spf1 mailbox:x -all"], "spf_unreadable"),
        (["v=spf1 redirect=a.fr redirect=b.fr"], "spf_unreadable"),
        (["v=spf1 include:nowhere.example.net -all"], "spf_broken_include"),
        (["v=spf1 redirect=nowhere.example.net"], "spf_broken_include"),
        (["v=spf1 " + "a:h.example.fr " * 11 + "-all"], "spf_too_many"),
        (["v=spf1 -all"], "spf_nobody"),
        (["v=spf1"], "spf_nobody"),
        (["v=spf1 +all"], "spf_everybody"),
        (["v=spf1 a all"], "spf_everybody"),
        (["v=spf10 a -all"], "spf_missing"),
        (["v=spf1 a mx/24 exists:%{i}._spf.example.fr include:%{d}.x.fr ?all"], "spf_valid"),
        (["V=SPF1 IP6:2001:db8::/32 MX//64 -ALL"], "spf_valid"),
        (["v=spf1 a redirect=nowhere.example.net -all"], "spf_valid"),
        (["v=spf1 a exp=why.example.fr later=x -all"], "spf_valid"),
    ],
)
def test_an_spf_record_is_read_as_receivers_read_it(record: list[str] | None, code: str) -> None:
    with dns_server(zone(spf=record)) as server:
        assert look_up_spf(PHARE, Dns([server.address])).code == code


def test_what_includes_ask_counts_as_ones_own() -> None:
    chain: dict[str, list[str] | str] = {
        f"s{n}.example.net": [f"v=spf1 include:s{n + 1}.example.net -all"] for n in range(12)
    }
    with dns_server(chain) as server:
        assert look_up_spf("s0.example.net", Dns([server.address])).code == "spf_too_many"


def test_an_include_of_itself_ends() -> None:
    loop: dict[str, list[str] | str] = {PHARE: [f"v=spf1 include:{PHARE} -all"]}
    with dns_server(loop) as server:
        assert look_up_spf(PHARE, Dns([server.address])).code == "spf_too_many"


@pytest.mark.parametrize(
    ("record", "code", "outcome"),
    [
        (["v=DMARC1; p=none"], "dmarc_none", ALIGNED),
        (["v=DMARC1;p=quarantine"], "dmarc_quarantine", ALIGNED),
        (["v=DMARC1"], "dmarc_none", ALIGNED),
        (["v=DMARC1; p=perhaps; rua=mailto:a@b.fr"], "dmarc_none", ALIGNED),
        (["v=DMARC1; p=perhaps"], "dmarc_unreadable", FAILS),
        (["v=DMARC2; p=none"], "dmarc_missing", FAILS),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "dmarc_several", FAILS),
        (None, "dmarc_missing", FAILS),
    ],
)
def test_a_domain_without_a_policy_protects_nobody(
    record: list[str] | None, code: str, outcome: DomainOutcome
) -> None:
    findings = found(zone(dmarc=record))
    assert (findings.dmarc.code, findings.outcome) == (code, outcome)


@pytest.mark.parametrize(
    ("published", "code", "outcome"),
    [
        ([KEY], "dkim_ours", ALIGNED),
        ([KEY.replace("; ", ";").replace("v=DKIM1;k=rsa;", "")], "dkim_ours", ALIGNED),
        ([OTHER_KEY], "dkim_different", FAILS),
        ([KEY, OTHER_KEY], "dkim_different", FAILS),
        (["v=DKIM1; p="], "dkim_revoked", FAILS),
        (["un texte"], "dkim_missing", FAILS),
        (None, "dkim_missing", FAILS),
    ],
)
def test_the_key_that_signs_must_be_the_one_published(
    published: list[str] | None, code: str, outcome: DomainOutcome
) -> None:
    findings = found(zone(key=published), **SIGNED)
    assert (findings.dkim.code, findings.outcome) == (code, outcome)


def test_a_declared_key_of_somebody_elses_only_has_to_exist() -> None:
    sender = SIGNED | {"dkim_record": "", "return_domain": ""}
    assert found(zone(key=[OTHER_KEY]), **sender).outcome == ALIGNED
    assert found(zone(), **sender).outcome == FAILS


def test_a_provider_without_any_key_in_the_domain_fails() -> None:
    findings = found(zone(), return_domain="")
    assert codes(findings) == ("spf_of_provider", "dkim_none", "dmarc_reject")
    assert findings.outcome == FAILS


def test_a_provider_whose_selector_is_not_declared_is_not_known() -> None:
    findings = found(zone(key=[OTHER_KEY]), return_domain="")
    assert (findings.dkim.code, findings.outcome) == ("dkim_undeclared", UNKNOWN)


@pytest.mark.parametrize(
    ("returns", "mode", "code"),
    [
        ("retours.phare.example.fr", "", "spf_valid"),
        ("retours.phare.example.fr", "; aspf=s", "spf_not_aligned"),
        ("phare.example.fr", "; aspf=s", "spf_valid"),
        ("relais.example.net", "", "spf_not_aligned"),
    ],
)
def test_bounces_come_back_to_the_same_organisation(returns: str, mode: str, code: str) -> None:
    published = zone(dmarc=[DMARC + mode])
    published |= {name: ["v=spf1 mx -all"] for name in ("relais.example.net", returns)}
    findings = found(published, return_domain=returns)
    assert findings.spf.code == code
    assert findings.outcome == (ALIGNED if code == "spf_valid" else FAILS)


@pytest.mark.parametrize(("mode", "code"), [("", "dkim_ours"), ("; adkim=s", "dkim_not_aligned")])
def test_the_signing_domain_is_of_the_same_organisation(mode: str, code: str) -> None:
    published = zone(dmarc=[DMARC + mode])
    published["portail._domainkey.envoi.phare.example.fr"] = [KEY]
    sender = SIGNED | {"dkim_domain": "envoi.phare.example.fr"}
    assert found(published, **sender).dkim.code == code


@pytest.mark.parametrize("name", [PHARE, f"_dmarc.{PHARE}", "_spf.relais.example.net"])
def test_what_does_not_answer_is_not_wrong(name: str) -> None:
    assert found(zone() | {name: SERVFAIL}).outcome == UNKNOWN


def test_silence_ends_within_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_answers, "PER_QUESTION", 0.2)
    started = time.monotonic()
    findings = found(zone() | {PHARE: SILENT, f"_dmarc.{PHARE}": SILENT})
    assert findings.outcome == UNKNOWN
    assert time.monotonic() - started < 2


def test_no_more_is_asked_once_the_time_is_over() -> None:
    with dns_server(zone()) as server:
        findings = look_up(SenderDomains(PHARE, PHARE), Dns([server.address], seconds=0))
    assert (findings.outcome, server.asked) == (UNKNOWN, [])


def test_what_is_certainly_wrong_is_wrong_whatever_else_is_silent() -> None:
    assert found(zone(dmarc=None) | {PHARE: SERVFAIL}).outcome == FAILS
    assert found(zone(key=[OTHER_KEY]) | {PHARE: SERVFAIL}, **SIGNED).outcome == FAILS


def test_a_key_that_could_not_be_read_leaves_a_sound_spf_in_doubt() -> None:
    assert found(zone() | {f"portail._domainkey.{PHARE}": SERVFAIL}, **SIGNED).outcome == UNKNOWN


@pytest.mark.parametrize(
    ("published", "domain", "organisation"),
    [
        ({"_dmarc.phare.fr": ["v=DMARC1; p=none"]}, "avis.phare.fr", "phare.fr"),
        ({"_dmarc.phare.fr": ["v=DMARC1; p=none"]}, "phare.fr", "phare.fr"),
        ({}, "avis.phare.fr", "avis.phare.fr"),
        (
            {"_dmarc.a.phare.fr": ["v=DMARC1; psd=n"], "_dmarc.phare.fr": ["v=DMARC1"]},
            "b.a.phare.fr",
            "a.phare.fr",
        ),
        ({"_dmarc.assur.fr": ["v=DMARC1; psd=y"]}, "x.phare.assur.fr", "phare.assur.fr"),
        ({"_dmarc.fr": ["v=DMARC1; psd=y"]}, "phare.fr", "phare.fr"),
    ],
)
def test_the_organisation_is_found_by_walking_up(
    published: Zone, domain: str, organisation: str
) -> None:
    with dns_server(published) as server:
        assert organisational_domain(domain, Dns([server.address])) == organisation


def test_a_policy_for_domains_below_holds_below() -> None:
    published = {"_dmarc.phare.fr": ["v=DMARC1; p=reject; sp=none"]}
    with dns_server(published) as server:
        dns = Dns([server.address])
        assert policy_of("avis.phare.fr", dns).code == DomainFinding.DMARC_NONE
        assert policy_of("phare.fr", dns).code == DomainFinding.DMARC_REJECT


def test_eight_questions_are_the_most_that_a_walk_asks() -> None:
    with dns_server({}) as server:
        organisational_domain("a.b.c.d.e.f.g.h.i.fr", Dns([server.address]))
    assert server.asked[0] == "_dmarc.a.b.c.d.e.f.g.h.i.fr"
    assert server.asked[1:] == [f"_dmarc.{'d.e.f.g.h.i.fr'[2 * n :]}" for n in range(7)]


def test_a_name_that_no_dns_takes_has_no_record() -> None:
    with dns_server({}) as server:
        dns = Dns([server.address])
        assert dns.txt("a..b.fr") == dns.txt("x" * 64 + ".fr") == []
