"""The register's figures come from tallies, add up, and stay within the person's reach."""

from collections.abc import Callable

import pytest
from django.test import Client, override_settings

from audit.models import AuditEntry
from audit.trail import insurer_scope
from insurers.lists.purging import purge_contacts, purge_list, run_purge
from insurers.models import Declaration, ListPurge
from notifications.models import Campaign
from notifications.register.glance import lines_of
from notifications.sending.dispatch import dispatch_campaign
from notifications.states import Standing
from tests import cast
from tests.conftest import as_role
from tests.notifications.story import accepted_list, built, member
from tests.smtp import smtp_server

pytestmark = pytest.mark.django_db


def sent(rows: list[str]) -> Campaign:
    campaign = built(rows)
    with smtp_server() as mail, override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=mail.port):
        dispatch_campaign(campaign_id=campaign.pk, seconds=30)
    return campaign


def test_a_line_adds_up_over_several_lists() -> None:
    sent([member(1, email="a@example.fr"), member(2)])
    accepted_list([member(3, email="c@example.fr")])
    line = lines_of(breach=cast.breach(), insurers=[cast.phare().pk])[0]
    people = line.figures.people
    assert line.figures.listed == 3
    assert (people[Standing.TOLD], people[Standing.UNREACHABLE], people[Standing.IN_PROGRESS]) == (
        1,
        1,
        1,
    )
    assert line.figures.adds_up


def test_a_silent_insurer_comes_first() -> None:
    cast.declaration(cast.dune())
    lines = lines_of(breach=cast.breach(), insurers=[cast.dune().pk, cast.phare().pk])
    assert [line.insurer.slug for line in lines] == ["mutuelle-du-phare", "mutuelle-de-la-dune"]


def test_the_auditor_reads_the_notice_as_sent(client: Client) -> None:
    sent([member(1, email="a@example.fr")])
    cast.sign_in(client, cast.aude())
    page = client.get("/registre/alphapay-betapay-2026/mutuelle-du-phare/")
    assert page.status_code == 200
    assert "L’opérateur a fermé les comptes détournés" in page.content.decode()


def test_the_auditor_sees_no_insurer_outside_the_mandate(client: Client) -> None:
    cast.dune()
    cast.sign_in(client, cast.aude())
    assert "Dune" not in client.get("/registre/").content.decode()
    assert "Dune" not in client.get("/registre/alphapay-betapay-2026/").content.decode()
    assert client.get("/registre/alphapay-betapay-2026/mutuelle-de-la-dune/").status_code == 404


def test_staff_see_their_own_insurer_only(client: Client) -> None:
    sent([member(1, email="a@example.fr")])
    cast.sign_in(client, cast.didier())
    page = client.get("/registre/alphapay-betapay-2026/").content.decode()
    assert "Dune" in page
    assert "Phare" not in page


def test_the_awareness_date_is_the_insurers_declaration(client: Client) -> None:
    cast.declaration()
    cast.sign_in(client, cast.aude())
    assert "02/03/2026 11:00" in client.get("/registre/alphapay-betapay-2026/").content.decode()
    assert Declaration.objects.count() == 1


@pytest.mark.parametrize(
    ("purge_of", "said"), [(purge_contacts, "Contacts effacés"), (purge_list, "Liste effacée")]
)
def test_a_purge_leaves_its_proof_and_the_figures(
    client: Client, purge_of: Callable[..., ListPurge], said: str
) -> None:
    found = sent([member(1, email="a@example.fr"), member(2)]).affected_list
    purge = purge_of(affected_list=found, requested_by=None, now=cast.NOW)
    with as_role("worker"):
        run_purge(purge_id=purge.pk, now=cast.NOW)
    line = lines_of(breach=cast.breach(), insurers=[cast.phare().pk])[0]
    assert (line.figures.listed, line.figures.people[Standing.TOLD]) == (2, 1)
    for person, path in (
        (cast.aude(), "/registre/alphapay-betapay-2026/mutuelle-du-phare/"),
        (cast.vera(), f"/espace/listes/{found.pk}/"),
    ):
        page = cast.sign_in(client, person).get(path).content.decode()
        assert said in page
        assert f"Clé list/{found.pk}/1 détruite" in page


def test_an_insurers_page_says_who_did_what(client: Client) -> None:
    campaign = sent([member(1, email="a@example.fr"), member(2)])
    cast.sign_in(client, cast.aude())
    page = client.get("/registre/alphapay-betapay-2026/mutuelle-du-phare/").content.decode()
    assert f"(account:{campaign.affected_list.uploaded_by_id})" in page
    assert f"par le compte n° {cast.armand().pk}, version" in page
    assert "courriel → SMS" in page
    assert "Campagne approuvée" in page
    assert "Aucun depuis un an." in page
    first = AuditEntry.objects.filter(scope=insurer_scope(cast.phare().pk)).earliest("sequence")
    older = client.get(
        f"/registre/alphapay-betapay-2026/mutuelle-du-phare/?avant={first.sequence + 1}"
    ).content.decode()
    assert older.count("<time ") == 1


@pytest.mark.parametrize("before", ["9" * 5000, "9" * 19, "x", "-1", "٣"])
def test_a_place_in_the_trail_that_is_none_breaks_no_page(client: Client, before: str) -> None:
    cast.phare()
    cast.sign_in(client, cast.aude())
    page = client.get("/registre/alphapay-betapay-2026/mutuelle-du-phare/", {"avant": before})
    assert page.status_code == 200
