"""Sending a file in parts from the page, as the web role serves it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from insurers.lists.uploads import CHUNK_BYTES, clear_chunks
from insurers.models import AffectedList, Upload, UploadState
from tests import cast
from tests.conftest import WebClient

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queued")]
START = reverse("upload_start")
FILE = b"Lise Marin;" * 200_000


def start(client: Client, **changes: Any) -> Any:
    fields = {
        "operators": [cast.operator().pk],
        "population": cast.insured_people().pk,
        "size": len(FILE),
        "modified": 1_700_000_000_000,
    }
    return client.post(START, fields | changes)


def patch(client: Client, address: str, content: bytes, offset: int | str) -> Any:
    return client.patch(
        address,
        content,
        content_type="application/octet-stream",
        headers={"Upload-Offset": str(offset)},
    )


def test_a_choice_that_is_made_beforehand_is_not_called_optional(paule: Client) -> None:
    html = paule.get(reverse("list_upload")).content.decode()
    legend = html.partition("Cette liste doit")[2].partition("</legend>")[0]
    assert "<fieldset" not in legend
    assert "facultatif" not in legend


def test_a_file_goes_in_parts_to_its_list(paule: Client, queued: list[tuple[str, int]]) -> None:
    address = start(paule).headers["Location"]
    first = patch(paule, address, FILE[:CHUNK_BYTES], 0)
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, str(CHUNK_BYTES))
    last = patch(paule, address, FILE[CHUNK_BYTES:], CHUNK_BYTES)
    affected_list = AffectedList.objects.get()
    assert last.headers["Content-Location"] == reverse("list_detail", args=[affected_list.pk])
    assert queued == [("ingest_list", affected_list.pk)]
    assert b"".join(clear_chunks(affected_list)) == FILE


def test_a_lost_answer_is_found_again(paule: Client) -> None:
    address = start(paule).headers["Location"]
    assert paule.head(address).headers["Upload-Complete"] == "?0"
    patch(paule, address, FILE, 0)
    answer = paule.head(address)
    assert answer.headers["Upload-Complete"] == "?1"
    assert "Content-Location" in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_wrong_offset_is_answered_with_the_right_one(paule: Client) -> None:
    address = start(paule).headers["Location"]
    answer = patch(paule, address, FILE[5:], 5)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (409, "0")
    assert "HEAD" in answer.json()["to_do"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/html", "Upload-Offset": "0"}, 415),
        ({"Content-Type": "application/octet-stream"}, 400),
        ({"Content-Type": "application/octet-stream", "Upload-Offset": "-1"}, 400),
    ],
)
def test_a_part_that_does_not_say_what_it_is_is_refused(
    paule: Client, headers: dict[str, str], status: int
) -> None:
    address = start(paule).headers["Location"]
    kind = headers.pop("Content-Type")
    answer = paule.patch(address, FILE, content_type=kind, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"operators": []}, "Cochez au moins un opérateur"), ({"size": 0}, "Ce fichier est vide")],
)
def test_a_start_that_cannot_be_taken_says_why(
    paule: Client, changes: dict[str, Any], said: str
) -> None:
    answer = start(paule, **changes)
    assert answer.status_code == 422
    assert said in answer.json()["what"]


def test_the_page_offers_to_resume_or_cancel_what_is_unfinished(paule: Client) -> None:
    address = start(paule).headers["Location"]
    html = paule.get(reverse("list_upload")).content.decode()
    assert f'data-url="{address}" data-size="{len(FILE)}" data-modified="1700000000000"' in html
    answer = paule.post(f"{address}annuler/", follow=True)
    assert "il n’en reste rien" in answer.content.decode()
    assert Upload.objects.get().state == UploadState.CANCELLED


def test_an_upload_of_others_does_not_exist(paule: Client) -> None:
    address = start(paule).headers["Location"]
    for somebody in (cast.armand(), cast.didier()):
        other = cast.sign_in(WebClient(), somebody)
        assert other.head(address).status_code == 404
        assert patch(other, address, FILE, 0).status_code == 404
        assert other.post(f"{address}annuler/").status_code == 404


def test_parts_need_the_token_of_the_form(paule: Client) -> None:
    address = start(paule).headers["Location"]
    strict = cast.sign_in(WebClient(enforce_csrf_checks=True), cast.paule())
    assert patch(strict, address, FILE, 0).status_code == 403


@pytest.mark.parametrize("person", [cast.vera, cast.aude, cast.odile])
def test_only_those_who_prepare_may_start(client: WebClient, person: Any) -> None:
    cast.sign_in(client, person())
    assert start(client).status_code == 403


def test_following_a_link_starts_and_cancels_nothing(paule: Client) -> None:
    address = start(paule).headers["Location"]
    assert paule.get(START).status_code == 405
    assert paule.get(f"{address}annuler/").status_code == 405
