"""The public page of declared senders: what is declared, in words, and nothing else."""

import pytest
from django.test import Client, override_settings
from pytest_django import DjangoAssertNumQueries

from notifications.models import IdentityState
from notifications.sender_domains.checking import check_sender
from tests import cast
from tests.conftest import as_role
from tests.dns_server import dns_server
from tests.notifications.email.senders import identity
from tests.notifications.sender_domains.zones import zone
from tests.notifications.story import accepted_list, approved, member, submitted

pytestmark = pytest.mark.django_db

PATH = "/verifier/expediteurs/"


def page(client: Client, path: str = PATH) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_an_own_sender_is_shown_with_its_domain_and_no_address(client: Client) -> None:
    own = identity(transport="smtp", host="smtp.phare.example.fr", port=587)
    with dns_server(zone()), as_role("worker"):
        check_sender(identity_id=own.pk, now=cast.NOW)
    shown = page(client)
    assert "De « Mutuelle du Phare (fictive) », à une adresse en @phare.example.fr." in shown
    assert "v=DMARC1; p=reject" in shown
    assert "2 mars 2026, 11:00" in shown
    assert "avis@phare.example.fr" not in shown
    assert "smtp.phare.example.fr" not in shown


def test_a_failing_domain_is_said_in_both_languages(client: Client) -> None:
    own = identity()
    with dns_server(zone(dmarc=None)), as_role("worker"):
        check_sender(identity_id=own.pk, now=cast.NOW)
    assert "aucun enregistrement DMARC" in page(client).replace("Aucun", "aucun")
    assert "No DMARC record" in page(client, f"/en{PATH}")


def test_names_come_from_approved_campaigns_only(client: Client) -> None:
    found = accepted_list([member(1, email="a@example.fr")])
    campaign = submitted(found)
    assert "sous le nom" not in page(client)
    campaign.delete()
    approved(found)
    shown = page(client)
    assert "sous le nom : « Mutuelle du Phare (fictive) »." in shown
    assert "<h3>SMS</h3> <p>Expéditeur : <code>Portail</code></p>" in shown


def test_a_domain_that_notices_left_from_stays_on_the_page(client: Client) -> None:
    approved(accepted_list([member(1, email="a@example.fr")]))
    assert "auparavant" not in page(client)
    identity()
    shown = page(client)
    assert "auparavant, de ce domaine : <code>example.fr</code>" in shown
    assert "sous le nom" not in shown


@pytest.mark.parametrize(
    "state", [IdentityState.PROPOSED, IdentityState.REFUSED, IdentityState.ENDED]
)
def test_what_is_not_in_service_is_not_declared(client: Client, state: IdentityState) -> None:
    identity(state=state)
    assert "phare.example.fr" not in page(client)
    assert "Aucun organisme n’a encore déclaré" in page(client)


def test_the_portals_own_domain_is_always_there(client: Client) -> None:
    with override_settings(DEFAULT_FROM_EMAIL="avis@portail.example.net", SMS_ACCOUNT={}):
        shown = page(client)
    assert "portail.example.net" in shown
    assert "n’a pas encore été interrogé" in shown


def test_queries_do_not_grow_with_the_insurers(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for place in (cast.phare(), cast.dune()):
        identity(place)
    with django_assert_max_num_queries(4 + 2):  # and the two SET ROLE of the client
        page(client)
