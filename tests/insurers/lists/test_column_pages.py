"""The page of a list's columns, as each person sees it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from insurers.models import AffectedList, ListState, RememberedColumn
from tests import cast
from tests.conftest import WebClient
from tests.insurers.lists.files import LISE, OMAR, accepted, csv_file, read
from tests.insurers.lists.test_columns import POLICE, read_again, waiting

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queued")]

CHOICE = {
    "column_0": "member_number",
    "column_1": "birth_date",
    "column_2": "last_name",
    "column_3": "first_name",
    "column_4": "email",
    "column_5": "phone",
}


def address(affected_list: AffectedList) -> str:
    return reverse("list_columns", args=[affected_list.pk])


def page(client: Client, affected_list: AffectedList) -> str:
    return client.get(address(affected_list)).content.decode()


def detail(client: Client, affected_list: AffectedList) -> str:
    return client.get(reverse("list_detail", args=[affected_list.pk])).content.decode()


def test_the_list_calls_for_its_columns(paule: Client) -> None:
    affected_list = waiting()
    html = detail(paule, affected_list)
    assert "colonnes à indiquer" in html
    assert f'class="button" href="{address(affected_list)}"' in html
    assert "Accepter la liste" not in html
    assert "Refuser la liste" in html


def test_the_page_shows_headers_and_shapes_and_no_value(paule: Client) -> None:
    html = page(paule, waiting(LISE))
    assert "Colonne 1\u00a0: N° Police" in html
    assert "A99999" in html
    assert "aaa@aaa.aaa.aa" in html
    assert "Aucun intitulé connu pour\u00a0: numéro d’adhérent" in html
    assert not any(value in html for value in LISE.split(";"))


def test_what_is_clear_is_chosen_beforehand(paule: Client) -> None:
    html = page(paule, waiting(LISE))
    assert html.count("selected") == 6
    assert '<option value="birth_date" selected>' in html


def test_several_possible_columns_are_said(paule: Client) -> None:
    row = "A1;31/12/1980;l@example.fr;m@example.fr"
    html = page(paule, waiting(row, header="N° adhérent;Né le;Mail;Courriel"))
    assert "Plusieurs intitulés possibles pour\u00a0: courriel" in html


def test_a_masked_header_is_said_and_not_shown(paule: Client) -> None:
    html = page(paule, waiting(header="A00999;Né le;Nom;Prénom;Courriel;Portable"))
    assert "Colonne 1\u00a0: intitulé masqué" in html
    assert "A00999" not in html
    assert "elle serait perdue" in html


def test_a_choice_is_recorded_and_the_file_read_with_it(
    paule: Client, queued: list[tuple[str, int]]
) -> None:
    affected_list = waiting()
    response = paule.post(address(affected_list), CHOICE)
    assert response.headers["Location"] == reverse("list_detail", args=[affected_list.pk])
    assert queued == [("ingest_list", affected_list.pk)]
    entry = AuditEntry.objects.get(action="list.columns_chosen")
    assert entry.actor == f"account:{cast.paule().pk}"
    read_again(affected_list)
    assert (affected_list.state, affected_list.members) == (ListState.REVIEW, 2)


def test_the_second_file_with_these_headers_is_read_at_once(paule: Client) -> None:
    paule.post(address(waiting(LISE)), CHOICE)
    assert read(csv_file(OMAR, header=POLICE)).state == ListState.REVIEW


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        ({"column_0": ""}, 0, "Aucune colonne n’est indiquée pour\u00a0: numéro d’adhérent"),
        ({"column_2": "email"}, 4, "Une autre colonne est déjà indiquée pour\u00a0: courriel"),
        ({"column_0": "nir"}, 0, "nir"),
    ],
)
def test_a_choice_that_is_not_enough_is_said_beside_its_column(
    paule: Client, changes: dict[str, str], place: int, said: str
) -> None:
    affected_list = waiting()
    response = paule.post(address(affected_list), CHOICE | changes)
    html = response.content.decode()
    assert response.status_code == 422
    assert said in html
    assert f'href="#id_column_{place}"' in html
    assert f'id="id_column_{place}_error"' in html
    affected_list.refresh_from_db()
    assert affected_list.state == ListState.COLUMNS


def test_following_a_link_chooses_nothing(paule: Client) -> None:
    affected_list = waiting()
    assert paule.get(address(affected_list), CHOICE).status_code == 200
    affected_list.refresh_from_db()
    assert affected_list.state == ListState.COLUMNS


def test_a_list_that_is_decided_takes_no_choice(
    paule: Client, queued: list[tuple[str, int]]
) -> None:
    affected_list = accepted(csv_file(LISE))
    response = paule.post(address(affected_list), CHOICE, follow=True)
    assert "n’attend plus que ses colonnes" in response.content.decode()
    assert queued == []


def test_columns_can_be_corrected_before_the_decision(paule: Client) -> None:
    affected_list = read(csv_file(LISE))
    assert "Vérifier ou corriger les colonnes lues" in detail(paule, affected_list)
    paule.post(address(affected_list), CHOICE)
    affected_list.refresh_from_db()
    assert affected_list.state == ListState.UPLOADED


def test_a_waiting_list_is_refused_from_its_page(paule: Client) -> None:
    affected_list = waiting()
    assert reverse("list_refuse", args=[affected_list.pk]) in page(paule, affected_list)
    paule.post(reverse("list_refuse", args=[affected_list.pk]))
    affected_list.refresh_from_db()
    assert affected_list.state == ListState.REFUSED


def test_an_approver_prepares_too(client: WebClient) -> None:
    cast.sign_in(client, cast.armand())
    affected_list = waiting()
    assert "A99999" in page(client, affected_list)
    assert client.post(address(affected_list), CHOICE).status_code == 302


@pytest.mark.parametrize("person", [cast.vera, cast.aude])
def test_a_reader_sees_headers_without_shapes_and_cannot_choose(
    client: WebClient, person: Any
) -> None:
    cast.sign_in(client, person())
    affected_list = waiting()
    html = page(client, affected_list)
    assert "Colonne 1\u00a0: N° Police" in html
    assert "A99999" not in html
    assert "<select" not in html
    assert client.post(address(affected_list), CHOICE).status_code == 403


@pytest.mark.parametrize("person", [cast.didier, cast.odile])
def test_others_find_no_such_page(client: WebClient, person: Any) -> None:
    affected_list = waiting()
    cast.sign_in(client, person())
    assert client.get(address(affected_list)).status_code == 404
    assert client.post(address(affected_list), CHOICE).status_code == 404


def test_remembered_choices_are_listed_and_forgotten(paule: Client) -> None:
    affected_list = waiting()
    paule.post(address(affected_list), CHOICE)
    assert "Choix retenus" in page(paule, affected_list)
    kept = RememberedColumn.objects.get(header="N° Police")
    paule.post(reverse("column_forget", args=[affected_list.pk, kept.pk]))
    assert not RememberedColumn.objects.filter(pk=kept.pk).exists()
    entry = AuditEntry.objects.get(action="columns.forgotten")
    assert entry.actor == f"account:{cast.paule().pk}"


def test_a_viewer_neither_sees_nor_forgets_what_is_remembered(client: WebClient) -> None:
    affected_list = waiting()
    kept = remembered()
    cast.sign_in(client, cast.vera())
    assert "Choix retenus" not in page(client, affected_list)
    forget = reverse("column_forget", args=[affected_list.pk, kept.pk])
    assert client.post(forget).status_code == 403


def test_what_another_insurer_remembers_cannot_be_forgotten(client: WebClient) -> None:
    kept = remembered()
    own = waiting(place=cast.dune())
    cast.sign_in(client, cast.didier())
    forget = reverse("column_forget", args=[own.pk, kept.pk])
    assert client.post(forget).status_code == 404
    assert RememberedColumn.objects.filter(pk=kept.pk).exists()


def test_the_space_says_that_columns_come_next(paule: Client) -> None:
    cast.declaration()
    waiting()
    assert "dire quelles sont les colonnes" in paule.get(reverse("space")).content.decode()


def remembered() -> RememberedColumn:
    return RememberedColumn.objects.create(
        insurer=cast.phare(),
        key="numero police",
        header="N° Police",
        field="member_number",
        remembered_at=cast.NOW,
    )
