"""The pages of a list, as the web role serves them."""

import csv
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from audit.models import AuditEntry
from insurers.lists.acceptance import publish_list
from insurers.lists.error_file import LINES_AT_ONCE
from insurers.lists.problems import Refusal
from insurers.models import AffectedList, ListState, Operator
from tests import cast
from tests.conftest import WebClient, as_role
from tests.insurers.lists.files import LISE, OMAR, accepted, csv_file, members_of, read, received
from tests.insurers.lists.workbooks import HEADER as SHEET_HEADER
from tests.insurers.lists.workbooks import OMAR as OMARS_CELLS
from tests.insurers.lists.workbooks import xlsx

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queued")]
UPLOAD = reverse("list_upload")
BAD = "A9;31/02/1980;=HYPERLINK(1);Marin;lise@;"


def sent(client: Client, content: bytes, **changes: Any) -> Any:
    """Send the form with a file."""
    fields = {
        "operators": [cast.operator().pk],
        "population": cast.insured_people().pk,
        "file": SimpleUploadedFile("liste.csv", content, "text/csv"),
    }
    return client.post(UPLOAD, fields | changes)


def page(client: Client, affected_list: AffectedList) -> str:
    return client.get(reverse("list_detail", args=[affected_list.pk])).content.decode()


def test_the_form_explains_the_columns_and_offers_a_sample(paule: Client) -> None:
    html = paule.get(UPLOAD).content.decode()
    assert "liste-exemple.csv" in html
    assert "numéro de sécurité sociale" in html


def test_hidden_rows_are_named(paule: Client) -> None:
    rows = [(f"A{number}", *OMARS_CELLS[1:]) for number in range(25)]
    few = xlsx(SHEET_HEADER, *rows, hidden=[4, 7])
    assert "2 lignes masquées ont été lues\u00a0: lignes 4, 7.<" in page(paule, read(few))
    many = xlsx(SHEET_HEADER, *rows, hidden=range(2, 25))
    assert "23 lignes masquées ont été lues\u00a0: lignes 2, 3" in page(paule, read(many))
    one = xlsx(SHEET_HEADER, *rows, hidden=[4])
    assert "1 ligne masquée a été lue\u00a0: ligne 4.<" in page(paule, read(one))


def test_a_file_that_is_sent_is_sealed_registered_and_queued(
    paule: Client, queued: list[tuple[str, int]], tmp_path: Path
) -> None:
    response = sent(paule, csv_file(LISE))
    affected_list = AffectedList.objects.get()
    assert response.headers["Location"] == reverse("list_detail", args=[affected_list.pk])
    assert queued == [("ingest_list", affected_list.pk)]
    assert affected_list.uploaded_by == cast.paule()
    (piece,) = (path for path in (tmp_path / "uploads").rglob("*") if path.is_file())
    assert b"Marin" not in piece.read_bytes()


@pytest.mark.parametrize(
    ("content", "changes", "said"),
    [
        (b"", {}, "Ce fichier est vide"),
        (b"x", {"file": ""}, "Choisissez le fichier"),
        (b"x", {"operators": []}, "Cochez au moins un opérateur"),
        (b"x" * 2000, {}, "Découpez-le"),
    ],
)
def test_a_form_that_cannot_be_taken_says_why_beside_its_field_and_keeps_nothing(
    paule: Client,
    tmp_path: Path,
    settings: Settings,
    content: bytes,
    changes: dict[str, Any],
    said: str,
) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    response = sent(paule, content, **changes)
    assert response.status_code == 422
    html = response.content.decode()
    assert said in html
    assert 'class="error-summary"' in html
    assert not AffectedList.objects.exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_operator_of_others_cannot_be_chosen(paule: Client) -> None:
    other = Operator.objects.create(code="gammapay", name="Gammapay")
    assert sent(paule, csv_file(LISE), operators=[other.pk]).status_code == 422


def test_a_forged_form_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    strict = cast.sign_in(WebClient(enforce_csrf_checks=True), cast.paule())
    assert sent(strict, csv_file(LISE)).status_code == 403
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("person", [cast.vera, cast.aude, cast.odile])
def test_only_those_who_prepare_may_send(client: WebClient, person: Any) -> None:
    cast.sign_in(client, person())
    assert client.get(UPLOAD).status_code == 403


def test_someone_of_two_insurers_chooses_first(client: WebClient) -> None:
    both = cast.paule()
    cast.dune().memberships.create(
        user=both,
        role="preparer",
        invited_by=cast.odile(),
        created_at=cast.NOW,
        confirmed_by=cast.user("olga"),
        confirmed_at=cast.NOW,
    )
    cast.sign_in(client, both)
    html = client.get(UPLOAD).content.decode()
    assert "organisme=mutuelle-de-la-dune" in html
    query = {"organisme": "mutuelle-de-la-dune", "violation": cast.breach().slug}
    assert "Mutuelle de la Dune" in client.get(UPLOAD, query).content.decode()


def test_an_insurer_of_others_cannot_be_chosen(paule: Client) -> None:
    query = {"organisme": cast.dune().slug, "violation": cast.breach().slug}
    assert paule.get(UPLOAD, query).status_code == 404


def test_a_reading_is_followed_with_and_without_javascript(paule: Client) -> None:
    affected_list = received(csv_file(LISE))
    html = page(paule, affected_list)
    assert "<noscript>" in html
    assert "<progress" in html
    part = paule.get(reverse("list_progress", args=[affected_list.pk]))
    assert "hx-trigger" in part.content.decode()


def test_a_reading_shows_its_bytes_and_counts_its_rows(paule: Client) -> None:
    affected_list = received(csv_file(LISE))
    AffectedList.objects.filter(pk=affected_list.pk).update(
        state=ListState.INGESTING, rows=1234, rows_rejected=5, bytes_read=7
    )
    part = paule.get(reverse("list_progress", args=[affected_list.pk])).content.decode()
    assert "1\u202f234 lignes lues, 5 rejetées" in part
    assert f'max="{affected_list.size_bytes}" value="7"' in part


def test_the_page_is_renewed_once_the_reading_ends(paule: Client) -> None:
    affected_list = read(csv_file(LISE))
    part = paule.get(reverse("list_progress", args=[affected_list.pk]))
    assert part.headers["HX-Refresh"] == "true"


def test_counts_problems_and_the_decision_are_shown(paule: Client) -> None:
    html = page(paule, read(csv_file(LISE, OMAR, BAD)))
    assert "<strong>2</strong> personnes" in html
    assert "la date de naissance n’existe pas" in html
    assert "Accepter la liste" in html


def test_a_viewer_sees_and_does_not_decide(client: WebClient) -> None:
    cast.sign_in(client, cast.vera())
    affected_list = read(csv_file(LISE))
    assert "Accepter la liste" not in page(client, affected_list)
    assert client.post(reverse("list_accept", args=[affected_list.pk])).status_code == 403


def test_accepting_is_recorded_and_left_to_the_worker(
    paule: Client, queued: list[tuple[str, int]]
) -> None:
    affected_list = read(csv_file(LISE))
    paule.post(reverse("list_accept", args=[affected_list.pk]))
    affected_list.refresh_from_db()
    assert (affected_list.state, affected_list.decided_by) == (ListState.ACCEPTING, cast.paule())
    assert queued == [("accept_list", affected_list.pk)]
    entry = AuditEntry.objects.get(action="list.accepted")
    assert entry.actor == f"account:{cast.paule().pk}"
    with as_role("worker"):
        publish_list(list_id=affected_list.pk)
    assert len(members_of(affected_list)) == 1


def test_refusing_is_recorded_and_left_to_the_worker(
    paule: Client, queued: list[tuple[str, int]]
) -> None:
    affected_list = read(csv_file(LISE))
    paule.post(reverse("list_refuse", args=[affected_list.pk]))
    affected_list.refresh_from_db()
    assert affected_list.refusal_code == Refusal.BY_STAFF
    assert queued == [("erase_list", affected_list.pk)]
    assert "refusée par votre organisme" in page(paule, affected_list)


@pytest.mark.parametrize("name", ["list_accept", "list_refuse"])
def test_a_list_that_is_decided_is_not_decided_again(paule: Client, name: str) -> None:
    affected_list = accepted(csv_file(LISE))
    response = paule.post(reverse(name, args=[affected_list.pk]), follow=True)
    assert "n’attend plus de décision" in response.content.decode()
    affected_list.refresh_from_db()
    assert affected_list.state == ListState.ACCEPTED


@pytest.mark.parametrize("name", ["list_accept", "list_refuse"])
def test_following_a_link_decides_nothing(paule: Client, name: str) -> None:
    affected_list = read(csv_file(LISE))
    assert paule.get(reverse(name, args=[affected_list.pk])).status_code == 405


def test_a_refused_file_says_what_to_do(paule: Client) -> None:
    html = page(paule, read(csv_file(header="Nom;Né le;Mail")))
    assert "Il manque au fichier\u00a0: numéro d’adhérent." in html
    assert "Envoyer un autre fichier" in html


def test_the_error_file_names_places_and_never_values(paule: Client) -> None:
    affected_list = read(csv_file(LISE, BAD))
    response: Any = paule.get(reverse("list_errors", args=[affected_list.pk]))
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    header, line = list(csv.reader(text.splitlines(), delimiter=";"))
    assert header == ["ligne", "colonne", "gravité", "problème", "que faire"]
    assert line[:3] == ["3", "date de naissance", "ligne rejetée"]
    assert "1980" not in text.replace("31/12/1980 ou 1980-12-31", "")


def test_the_error_file_holds_every_line_of_a_file_of_errors(paule: Client) -> None:
    bad = 2 * LINES_AT_ONCE + 1
    affected_list = read(csv_file(LISE, *["A9;31/02/1980;;;;"] * bad))
    response: Any = paule.get(reverse("list_errors", args=[affected_list.pk]))
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    _header, *lines = csv.reader(text.splitlines(), delimiter=";")
    assert [line[0] for line in lines] == [str(3 + place) for place in range(bad)]


@pytest.mark.parametrize(
    "name", ["list_detail", "list_progress", "list_errors", "list_accept", "list_refuse"]
)
def test_another_insurers_list_does_not_exist(client: WebClient, name: str) -> None:
    affected_list = read(csv_file(LISE))
    cast.sign_in(client, cast.didier())
    send = client.post if name in {"list_accept", "list_refuse"} else client.get
    assert send(reverse(name, args=[affected_list.pk])).status_code == 404


def test_an_auditor_reads_what_the_mandate_covers(client: WebClient) -> None:
    cast.sign_in(client, cast.aude())
    assert "Accepter la liste" not in page(client, read(csv_file(LISE)))
    others = read(csv_file(LISE), place=cast.dune())
    assert client.get(reverse("list_detail", args=[others.pk])).status_code == 404


def test_withdrawing_says_whom_an_approved_list_does_not_take_back(paule: Client) -> None:
    first = accepted(csv_file(LISE))
    second = accepted(csv_file(LISE.replace("lise@", "marin@")))
    assert "a corrigé le contact" not in page(paule, second)
    AffectedList.objects.filter(pk=first.pk).update(is_in_use=True)
    assert "a corrigé le contact de 1 personne." in page(paule, second)
