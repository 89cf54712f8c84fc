"""What was found about senders is kept, asked again in time, and lost to no silence of the DNS."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import override_settings
from django.urls import reverse

from audit.models import AuditEntry
from insurers.row_security import row_scope
from notifications import tasks
from notifications.models import (
    DeclaredSender,
    DomainFinding,
    DomainOutcome,
    IdentityState,
    SenderCheck,
    SendingIdentity,
)
from notifications.sender_domains.checking import (
    check_sender,
    domains_of,
    portal_domains,
    senders_to_check,
)
from notifications.sender_domains.findings import Findings, all_three
from notifications.sender_domains.standing import portal_standing, sender_standing
from notifications.senders.choosing import domain_of
from tests import cast
from tests.conftest import WebClient, as_role
from tests.dns_server import SERVFAIL, dns_server
from tests.notifications.email.senders import identity
from tests.notifications.sender_domains.zones import zone

pytestmark = pytest.mark.django_db

PHARE = "phare.example.fr"


@pytest.fixture
def own() -> SendingIdentity:
    """The Phare's own sender, in service, by SMTP."""
    return identity(transport="smtp", host="smtp.phare.example.fr", port=587)


def checked(found: SendingIdentity | None, *, after_hours: int = 0) -> SenderCheck:
    with as_role("worker"):
        return check_sender(
            identity_id=found.pk if found else None,
            now=cast.NOW + timedelta(hours=after_hours),
        )


def test_the_worker_keeps_what_it_found(own: SendingIdentity) -> None:
    with dns_server(zone()):
        checked(own)
    standing = sender_standing(cast.phare().pk)
    assert (standing.domain, standing.outcome) == (PHARE, DomainOutcome.ALIGNED)
    assert standing.checked_at == cast.NOW
    assert standing.findings is not None
    assert standing.findings.spf.name == PHARE


def test_no_transaction_is_open_while_the_dns_is_asked(
    own: SendingIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, within = list(connection.savepoint_ids), list[list[str]]()

    def note(*arguments: object) -> Findings:
        within.append(list(connection.savepoint_ids))
        return all_three(DomainFinding.NO_ANSWER)

    monkeypatch.setattr("notifications.sender_domains.checking.look_up", note)
    with override_settings(DEMO=False):
        check_sender(identity_id=own.pk, now=cast.NOW)
    assert within == [before]


def test_a_silent_dns_takes_away_neither_a_fault_nor_a_proof(own: SendingIdentity) -> None:
    for dmarc, outcome in ((None, DomainOutcome.FAILS), (["v=DMARC1"], DomainOutcome.ALIGNED)):
        with dns_server(zone(dmarc=dmarc)):
            checked(own)
        with dns_server(dict.fromkeys(zone(), SERVFAIL)):
            kept = checked(own, after_hours=5)
        assert (kept.outcome, kept.checked_at) == (outcome, cast.NOW)
        assert kept.tried_at == cast.NOW + timedelta(hours=5)


def test_a_dns_that_never_answered_leaves_the_domain_unknown(own: SendingIdentity) -> None:
    with dns_server(dict.fromkeys(zone(), SERVFAIL)):
        kept = checked(own)
    assert (kept.outcome, kept.checked_at) == (DomainOutcome.UNKNOWN, None)
    with dns_server(zone()):
        assert checked(own).outcome == DomainOutcome.ALIGNED


def test_the_demonstration_asks_nobody(own: SendingIdentity) -> None:
    kept = checked(own)
    assert (kept.outcome, kept.checked_at) == (DomainOutcome.UNKNOWN, None)
    assert sender_standing(cast.phare().pk).is_fictional


def test_production_asks_the_systems_servers_for_whatever_domain(
    own: SendingIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    place = "notifications.sender_domains.checking"
    monkeypatch.setattr(f"{place}.Dns", asked.append)
    monkeypatch.setattr(f"{place}.look_up", lambda *_: all_three(DomainFinding.NO_ANSWER))
    with override_settings(DEMO=False):
        checked(own)
    assert asked == [[]]


def test_the_portals_own_sender_is_looked_up_too() -> None:
    published = zone() | {"example.fr": ["v=spf1 mx -all"], "_dmarc.example.fr": ["v=DMARC1"]}
    with dns_server(published):
        checked(None)
    assert portal_standing().outcome == DomainOutcome.ALIGNED
    with override_settings(DEFAULT_FROM_EMAIL="avis@ailleurs.example.net"):
        assert portal_standing().outcome == DomainOutcome.UNKNOWN


def test_an_insurer_without_its_own_sender_stands_as_the_portal_does() -> None:
    with dns_server(zone()):
        checked(None)
    assert sender_standing(cast.phare().pk) == portal_standing()


def test_senders_are_due_once_a_day_and_after_an_hour_unless_sound(own: SendingIdentity) -> None:
    def due(hours: int) -> list[object]:
        return list(senders_to_check(now=cast.NOW + timedelta(hours=hours, minutes=1)))

    assert due(0) == [None, own.pk]
    with dns_server(zone()):
        checked(own)
    with dns_server({"example.fr": SERVFAIL, "_dmarc.example.fr": SERVFAIL}):
        checked(None)
    assert due(0) == []
    assert due(1) == [None]
    assert due(24) == [None, own.pk]
    with dns_server(zone(dmarc=None)):
        checked(own)
    assert own.pk in due(1)


def test_what_is_refused_or_ended_is_asked_about_no_more(own: SendingIdentity) -> None:
    SendingIdentity.objects.update(state=IdentityState.ENDED)
    assert senders_to_check(now=cast.NOW) == [None]


def test_the_tasks_do_it(own: SendingIdentity, django_capture_on_commit_callbacks: Any) -> None:
    queued: list[dict[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tasks.check_sender_domain, "apply_async", lambda kwargs, **_: queued.append(kwargs)
        )
        with django_capture_on_commit_callbacks(execute=True):
            tasks.check_senders()
    assert queued == [{"identity_id": ""}, {"identity_id": str(own.pk)}]
    for kwargs in queued:
        tasks.check_sender_domain(**kwargs)
    assert SenderCheck.objects.count() == 2


def test_the_trail_says_when_a_result_changes_and_not_that_it_stays(own: SendingIdentity) -> None:
    for dmarc in (None, None, ["v=DMARC1; p=none"]):
        with dns_server(zone(dmarc=dmarc)):
            checked(own)
    entries = AuditEntry.objects.filter(action="sender.checked").order_by("sequence")
    assert ['"outcome":"fails"' in entry.detail for entry in entries] == [True, False]


def test_the_return_path_is_what_bounces_come_to(own: SendingIdentity) -> None:
    own.bounce_domain = "Retours.Phare.example.fr"
    assert domains_of(own).return_domain == "retours.phare.example.fr"
    own.transport = "postmark"
    assert domains_of(own).return_domain == ""
    with override_settings(BOUNCE_DOMAIN="retours.example.fr"):
        assert portal_domains().return_domain == "retours.example.fr"


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("avis@Phare.example.fr", "phare.example.fr"),
        ("avis@mutuelle-ménage.fr", "xn--mutuelle-mnage-kkb.fr"),
        ("avis@phare.test", "phare.test"),
    ],
)
def test_a_domain_is_asked_for_as_the_dns_knows_it(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_everybody_reads_the_senders_in_service_and_nothing_else_of_them(
    own: SendingIdentity,
) -> None:
    identity(cast.dune(), state=IdentityState.PROPOSED)
    with as_role("web"):
        (shown,) = DeclaredSender.objects.all()
        assert not SendingIdentity.objects.exists()
        assert not SenderCheck.objects.filter(identity=own).exists()
    assert (shown.insurer_id, shown.from_domain, shown.outcome) == (cast.phare().pk, PHARE, "")
    assert {field.name for field in DeclaredSender._meta.fields} == {
        "id",
        "insurer_id",
        "from_name",
        "from_domain",
        "outcome",
        "findings",
        "checked_at",
    }


def test_the_web_role_changes_no_result(own: SendingIdentity) -> None:
    checked(own)
    with as_role("web"), row_scope(insurers=[cast.phare().pk], role="staff", user_id=1):
        assert SenderCheck.objects.filter(identity=own).exists()
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            SenderCheck.objects.update(outcome="aligned", checked_at=cast.NOW)


@pytest.mark.parametrize("model", ["sendercheck", "sendingidentity"])
def test_the_operator_has_the_dns_asked_again(
    client: WebClient,
    own: SendingIdentity,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    queued: list[str] = []
    monkeypatch.setattr(
        tasks.check_sender_domain,
        "apply_async",
        lambda kwargs, **_: queued.append(kwargs["identity_id"]),
    )
    with dns_server(zone()):
        chosen = {"sendercheck": checked(own).pk, "sendingidentity": own.pk}[model]
    cast.sign_in(client, cast.odile())
    url = reverse(f"admin:notifications_{model}_changelist")
    assert "conforme" in client.get(url).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(url, {"action": "look_up", "_selected_action": [str(chosen)]})
    assert (answer.status_code, queued) == (302, [str(own.pk)])
    assert AuditEntry.objects.filter(action="sender.check_asked").count() == 1


def test_putting_into_service_has_the_dns_asked(
    client: WebClient, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    queued: list[str] = []
    monkeypatch.setattr(
        tasks.check_sender_domain,
        "apply_async",
        lambda kwargs, **_: queued.append(kwargs["identity_id"]),
    )
    found = identity(state=IdentityState.PROPOSED)
    cast.sign_in(client, cast.odile())
    url = reverse("admin:notifications_sendingidentity_changelist")
    with django_capture_on_commit_callbacks(execute=True):
        client.post(url, {"action": "approve", "_selected_action": [str(found.pk)]})
    assert queued == [str(found.pk)]
