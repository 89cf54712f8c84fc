"""An insurer proposes how its e-mail leaves; only the portal operator puts it into service."""

import base64
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import IntegrityError, ProgrammingError, transaction
from django.test import override_settings
from django.urls import reverse
from django.utils import translation

from audit.models import AuditEntry
from insurers.row_security import row_scope
from notifications.channels.providers import PROVIDERS
from notifications.models import IdentityState, SendingIdentity
from notifications.receipts.webhooks import open_secret, webhook_address
from notifications.senders.choosing import PORTAL, sender_for
from notifications.senders.domains import own_domains
from notifications.senders.forms import IdentityForm
from notifications.senders.identities import (
    IdentityRefused,
    Proposal,
    approve_identity,
    end_identity,
    propose_identity,
    refuse_identity,
)
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications.email.posts import shown_key
from tests.notifications.email.senders import identity
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db

SMTP = {
    "from_name": "Mutuelle du Phare",
    "from_address": "avis@phare.example.fr",
    "transport": "smtp",
    "host": "smtp.phare.example.fr",
    "port": "587",
    "encryption": "starttls",
    "user": "phare",
    "password": "le mot de passe du serveur",
}


def page(client: WebClient, person: Any, data: dict[str, str] | None = None) -> Any:
    cast.sign_in(client, person)
    url = reverse("sending_identities", args=[cast.phare().slug])
    return client.post(url, data) if data is not None else client.get(url)


def proposed(**changed: Any) -> SendingIdentity:
    fields: dict[str, Any] = {
        "from_name": "Mutuelle du Phare",
        "from_address": "avis@phare.example.fr",
        "transport": "smtp",
        "host": "127.0.0.1",
        "port": 2525,
        "encryption": "none",
        "credentials": {"user": "", "password": ""},
    }
    return propose_identity(
        insurer=cast.phare(),
        proposal=Proposal(**(fields | changed)),
        proposed_by_id=cast.armand().pk,
        now=cast.NOW,
    ).identity


def approve(found: SendingIdentity) -> None:
    approve_identity(identity_id=found.pk, approved_by_id=cast.odile().pk, now=cast.NOW)


def actions() -> list[str]:
    entries = AuditEntry.objects.filter(action__startswith="identity.").order_by("sequence")
    return list(entries.values_list("action", flat=True))


def test_an_approver_proposes_and_the_trail_says_so(client: WebClient) -> None:
    answer = page(client, cast.armand(), SMTP)
    found = SendingIdentity.objects.get()
    assert (answer.status_code, found.state) == (201, IdentityState.PROPOSED)
    assert (found.host, found.port) == ("smtp.phare.example.fr", 587)
    assert actions() == ["identity.proposed"]


def test_what_was_typed_in_is_sealed_and_shown_to_nobody(client: WebClient) -> None:
    answer = page(client, cast.armand(), SMTP)
    again = page(client, cast.armand())
    assert SMTP["password"].encode() not in bytes(SendingIdentity.objects.get().sealed_credentials)
    assert SMTP["password"] not in answer.content.decode() + again.content.decode()


def test_a_form_with_an_error_does_not_give_passwords_back(client: WebClient) -> None:
    answer = page(client, cast.armand(), SMTP | {"port": ""})
    assert answer.status_code == 422
    assert SMTP["password"] not in answer.content.decode()


@pytest.mark.parametrize("name", ["paule", "vera", "didier", "aude"])
def test_nobody_but_an_approver_proposes(client: WebClient, name: str) -> None:
    assert page(client, getattr(cast, name)(), SMTP).status_code in (403, 404)
    assert not SendingIdentity.objects.exists()


def _in_base64(key: Any) -> str:
    shown = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(shown).decode()


# An elliptic curve that does not exist, and keys that sign otherwise or not at all.
OF_NO_CURVE = base64.b64encode(
    base64.b64decode(shown_key("sendgrid")).replace(
        bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030177")
    )
).decode()
OTHER_KEYS = [
    OF_NO_CURVE,
    _in_base64(rsa.generate_private_key(65537, 2048)),
    _in_base64(ed25519.Ed25519PrivateKey.generate()),
    _in_base64(x25519.X25519PrivateKey.generate()),
]


@pytest.mark.parametrize("key", OTHER_KEYS, ids=["no curve", "rsa", "ed25519", "x25519"])
def test_a_key_with_which_sendgrid_does_not_sign_is_refused(client: WebClient, key: str) -> None:
    given = {"transport": "sendgrid", "api_key": "k", "signing_key": key}
    answer = page(client, cast.armand(), SMTP | given)
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["signing_key"])


@pytest.mark.parametrize("written", ["{}", "{{{}}}", "urn:uuid:{}"])
def test_a_number_in_another_spelling_gives_the_same_address(
    client: WebClient, written: str
) -> None:
    number = uuid4()
    given = SMTP | {"number": written.format(number)}
    answer = page(client, cast.armand(), given | {"port": ""})
    assert answer.status_code == 422
    assert webhook_address(number) in answer.content.decode()
    page(client, cast.armand(), given)
    assert SendingIdentity.objects.get().pk == number


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"host": ""}, "host"),
        ({"port": "23"}, "port"),
        ({"host": "127.0.0.1"}, "host"),
        ({"host": "localhost"}, "host"),
        ({"encryption": "none"}, "encryption"),
        ({"from_name": "Phare\x07"}, "from_name"),
        ({"from_address": "avis"}, "from_address"),
        ({"transport": "mailgun"}, "api_key"),
        ({"transport": "mailjet", "api_key": "k"}, "secret_key"),
        ({"transport": "sendgrid", "api_key": "k", "signing_key": "not a key"}, "signing_key"),
        ({"transport": "mandrill", "api_key": "k", "signing_key": "clé"}, "signing_key"),
        ({"number": "17"}, "number"),
        ({"mailbox_host": "imap.phare.example.fr"}, "mailbox_password"),
    ],
)
def test_a_proposal_that_cannot_work_says_what_is_missing(
    client: WebClient, changed: dict[str, str], field: str
) -> None:
    with override_settings(DEMO=False):
        answer = page(client, cast.armand(), SMTP | changed)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors


def test_a_provider_that_does_not_sign_is_given_a_password_once(client: WebClient) -> None:
    answer = page(client, cast.armand(), SMTP | {"transport": "postmark", "api_key": "k"})
    secret = open_secret(SendingIdentity.objects.get().webhook_secret)
    assert secret in answer.content.decode()
    assert secret not in page(client, cast.armand()).content.decode()


@pytest.mark.parametrize("transport", PROVIDERS)
def test_each_provider_is_proposed_with_what_it_needs_and_nothing_less(
    client: WebClient, transport: str
) -> None:
    provider, (_first, *others) = PROVIDERS[transport], PROVIDERS[transport].credentials
    needed = ["api_key", *others, *(["signing_key"] if provider.signing_key else [])]
    filled = dict.fromkeys(needed, "x.example.fr")
    if provider.signing_key:
        filled["signing_key"] = shown_key(transport)
    common = SMTP | {"transport": transport}
    for name in needed:
        without = {key: value for key, value in filled.items() if key != name}
        answer = page(client, cast.armand(), common | without)
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, [name])
    answer = page(client, cast.armand(), common | filled)
    found = SendingIdentity.objects.get()
    kept = open_secret(found.webhook_secret)
    assert (answer.status_code, found.transport, found.host) == (201, transport, "")
    assert webhook_address(found.pk) in answer.content.decode()
    assert kept == (filled.get("signing_key") or answer.context["password"])
    approve(found)
    with as_role("worker"):
        assert set(sender_for(cast.phare().pk).credentials) == set(provider.credentials)


def test_a_key_that_a_provider_does_not_sign_with_does_not_take_the_place_of_the_password(
    client: WebClient,
) -> None:
    given = {"transport": "postmark", "api_key": "k", "signing_key": "left there"}
    answer = page(client, cast.armand(), SMTP | given)
    kept = open_secret(SendingIdentity.objects.get().webhook_secret)
    assert kept == answer.context["password"] != "left there"


def test_the_page_tells_the_address_for_webhooks_before_there_is_a_key(client: WebClient) -> None:
    before = page(client, cast.armand())
    number = before.context["form"]["number"].value()
    assert webhook_address(number) in before.content.decode()
    given = SMTP | {"number": str(number), "transport": "mailtrap", "api_key": "k"}
    again = page(client, cast.armand(), given)
    assert again.status_code == 422
    assert webhook_address(number) in again.content.decode()
    page(client, cast.armand(), given | {"signing_key": "k"})
    assert str(SendingIdentity.objects.get().pk) == number


def test_a_form_sent_twice_makes_a_second_proposal(client: WebClient) -> None:
    number = page(client, cast.armand()).context["form"]["number"].value()
    given = SMTP | {"number": str(number)}
    statuses = [page(client, cast.armand(), given).status_code for _time in range(2)]
    states = sorted(SendingIdentity.objects.values_list("state", flat=True))
    assert (statuses, states) == ([201, 201], ["ended", "proposed"])


def test_the_form_names_who_signs(client: WebClient) -> None:
    who = "Mailgun, Mailtrap, Mandrill, SendGrid"
    assert f"{who} seulement" in page(client, cast.armand()).content.decode()
    with translation.override("en"):
        assert str(IdentityForm()["signing_key"].help_text).startswith(f"{who} only;")


def test_the_portal_signs_for_a_domain_with_a_key_that_only_the_worker_holds(
    client: WebClient,
) -> None:
    answer = page(client, cast.armand(), SMTP | {"signs": "on"})
    found = SendingIdentity.objects.get()
    assert found.dkim_record in answer.context["identity"].dkim_record
    approve(found)
    with as_role("worker"):
        key = sender_for(cast.phare().pk).dkim
    assert key is not None
    assert (key.domain, key.selector) == ("phare.example.fr", found.dkim_selector)


def test_without_an_identity_in_service_the_portal_sends() -> None:
    proposed()
    assert sender_for(cast.phare().pk).account == PORTAL


def test_what_the_operator_puts_into_service_sends_from_then_on(mail: Recorder) -> None:
    approve(proposed(port=mail.port, bounce_domain="retours.phare.example.fr"))
    send(built([member(1, email="camille@example.fr")]))
    (message,) = mail.messages
    assert message["From"] == "Mutuelle du Phare <avis@phare.example.fr>"


def test_one_identity_is_in_service_and_one_proposal_waits() -> None:
    first, second = proposed(), proposed()
    approve(second)
    third = proposed()
    approve(third)
    states = dict(SendingIdentity.objects.values_list("pk", "state"))
    assert [states[found.pk] for found in (first, second, third)] == ["ended", "ended", "approved"]


def test_the_operator_refuses_and_ends(mail: Recorder) -> None:
    refused, kept = proposed(), None
    refuse_identity(identity_id=refused.pk, refused_by_id=cast.odile().pk, now=cast.NOW)
    kept = proposed()
    approve(kept)
    end_identity(identity_id=kept.pk, ended_by_id=cast.odile().pk, now=cast.NOW)
    with pytest.raises(IdentityRefused):
        approve(refused)
    assert actions() == [
        "identity.proposed",
        "identity.refused",
        "identity.proposed",
        "identity.approved",
        "identity.ended",
    ]


def test_the_operator_decides_in_the_administration(client: WebClient) -> None:
    found = proposed()
    cast.sign_in(client, cast.odile())
    url = reverse("admin:notifications_sendingidentity_changelist")
    answer = client.post(url, {"action": "approve", "_selected_action": [str(found.pk)]})
    found.refresh_from_db()
    assert (answer.status_code, found.state) == (302, IdentityState.APPROVED)
    assert found.decided_by == cast.odile()


def test_staff_cannot_put_into_service_what_the_operator_has_not_seen() -> None:
    found = proposed()
    with as_role("web"), row_scope(insurers=[cast.phare().pk], role="staff", user_id=1):
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            SendingIdentity.objects.filter(pk=found.pk).update(
                state="approved", decided_by=cast.armand()
            )


def test_staff_cannot_change_what_is_in_service() -> None:
    found = identity()
    with as_role("web"), row_scope(insurers=[cast.phare().pk], role="staff", user_id=1):
        changed = SendingIdentity.objects.filter(pk=found.pk).update(host="evil.example.fr")
    assert changed == 0


def test_staff_of_another_insurer_see_nothing() -> None:
    identity()
    with as_role("web"), row_scope(insurers=[cast.dune().pk], role="staff", user_id=1):
        assert not SendingIdentity.objects.exists()


def test_two_identities_are_never_in_service_together() -> None:
    identity()
    with pytest.raises(IntegrityError), transaction.atomic():
        identity()


def test_the_domains_of_an_insurer_are_those_of_its_contact_and_its_sender() -> None:
    identity(from_address="avis@Envoi.example.fr")
    identity(cast.dune(), from_address="avis@dune.example.fr")
    with as_role("web"):
        assert own_domains(cast.phare()) == {"phare.example.fr", "envoi.example.fr"}
