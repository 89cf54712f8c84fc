"""Sending and following lists by program, as the web role serves it."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from pytest_django.fixtures import Settings

from audit.models import AuditEntry
from insurers.lists.ingestion import ingest_list
from insurers.lists.uploads import CHUNK_BYTES, clear_chunks
from insurers.models import AffectedList
from tests import cast
from tests.conftest import WebClient, as_role
from tests.insurers.api.programs import Program, dune_token, new_token
from tests.insurers.lists.files import LISE, OMAR, accepted, csv_file

pytestmark = pytest.mark.django_db
FILE = b"Lise Marin;" * 200_000
BAD = "A9;31/02/1980;Marin;Lise;lise@;"


@pytest.fixture
def program() -> Program:
    return Program(new_token().secret)


def the_list() -> AffectedList:
    return AffectedList.objects.get()


def read_by_worker() -> None:
    with as_role("worker"):
        ingest_list(list_id=the_list().pk, now=cast.NOW)


def test_a_list_is_sent_in_one_call(program: Program, queued: list[int]) -> None:
    answer = program.send(FILE)
    found = the_list()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/lists/{found.pk}"
    assert queued == [found.pk]
    assert b"".join(clear_chunks(found)) == FILE
    assert [one.code for one in found.operators.all()] == ["alphapay"]


def test_the_trail_and_the_page_name_the_token(program: Program, client: WebClient) -> None:
    program.send(FILE)
    found = the_list()
    entry = AuditEntry.objects.get(action="list.uploaded")
    assert entry.actor == f"token:{found.uploaded_with_id}"
    cast.sign_in(client, cast.paule())
    html = client.get(reverse("list_detail", args=[found.pk])).content.decode()
    assert "par l’interface (jeton «\u00a0export de nuit\u00a0»)" in html
    assert "jeton «\u00a0export de nuit\u00a0»" in client.get(reverse("trail")).content.decode()


def test_a_list_is_followed_to_the_decision(program: Program) -> None:
    program.send(csv_file(LISE, BAD))
    read_by_worker()
    said = program.call("GET", f"/api/v1/lists/{the_list().pk}").json()
    assert (said["state"], said["members"], said["rows_rejected"]) == ("review", 1, 1)
    assert said["sha256"] == hashlib.sha256(csv_file(LISE, BAD)).hexdigest()
    assert said["page"].endswith(f"/espace/listes/{the_list().pk}/")


def test_the_problems_are_downloaded(program: Program) -> None:
    program.send(csv_file(LISE, BAD))
    read_by_worker()
    answer = program.call("GET", f"/api/v1/lists/{the_list().pk}/problems.csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert text.splitlines()[1].startswith("3;date de naissance;ligne rejetée")


def test_a_refused_list_says_why_and_what_to_do(program: Program) -> None:
    program.send(csv_file(header="Nom;Né le;Mail"))
    read_by_worker()
    refusal = program.call("GET", f"/en/api/v1/lists/{the_list().pk}").json()["refusal"]
    assert "member number" in refusal["what"]
    assert refusal["to_do"]


@pytest.mark.parametrize("digest", [None, hashlib.sha256(csv_file(LISE)).digest()])
def test_the_announced_hash_is_checked(program: Program, digest: bytes | None) -> None:
    said = base64.b64encode(digest or b"\1" * 32).decode()
    program.send(csv_file(LISE), Repr_Digest=f"sha-256=:{said}:")
    read_by_worker()
    assert the_list().state == ("review" if digest else "refused")


@pytest.mark.parametrize(
    ("content", "query", "headers", "status"),
    [
        (b"", "", {"Content_Length": "0"}, 422),
        (b"x" * 2000, "", {}, 413),
        (b"x", "&operator=betapay", {}, 422),
        (b"x", "&operator=inconnu", {}, 404),
        (b"x", "&population=inconnue", {}, 404),
        (b"x", "", {"Repr_Digest": "md5=:x:"}, 422),
        (b"x", "", {"Content_Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
def test_what_cannot_be_taken_says_why_and_leaves_nothing(
    program: Program,
    settings: Settings,
    tmp_path: Path,
    content: bytes,
    query: str,
    headers: dict[str, str],
    status: int,
) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    answer = program.send(content, query, **headers)
    assert answer.status_code == status
    assert set(answer.json()) == {"what", "to_do"}
    assert not AffectedList.objects.exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_call_without_a_breach_names_what_is_missing(program: Program) -> None:
    answer = program.call("POST", "/api/v1/lists", b"x")
    assert (answer.status_code, "breach" in answer.json()["what"]) == (422, True)


def test_a_body_of_unknown_length_is_refused(program: Program) -> None:
    cast.insured_people()
    answer = program.client.generic(
        "POST",
        f"/api/v1/lists?breach={cast.breach().slug}",
        headers={"Authorization": f"Bearer {program.secret}"},
        CONTENT_LENGTH="",
    )
    assert answer.status_code == 411


def rejecting() -> AffectedList:
    """An accepted list of the Phare's that has a rejected row."""
    return accepted(csv_file(OMAR, BAD))


def test_a_program_says_what_its_list_does(program: Program) -> None:
    first = rejecting()
    program.send(csv_file(LISE), f"&effect=replace&corrects={first.pk}")
    made = AffectedList.objects.latest("pk")
    said = program.call("GET", f"/api/v1/lists/{made.pk}").json()
    assert (said["effect"], said["corrects"]) == ("replace", first.pk)


def test_a_list_in_parts_says_what_it_does(program: Program) -> None:
    first = rejecting()
    address = f"/api/v1/uploads?breach={cast.breach().slug}&effect=withdraw&corrects={first.pk}"
    answer = program.call("POST", address, Upload_Length=str(len(FILE)))
    program.call("PATCH", answer.headers["Location"], FILE, Upload_Offset="0")
    made = AffectedList.objects.latest("pk")
    assert (made.effect, made.corrects_id) == ("withdraw", first.pk)


@pytest.mark.parametrize("query", ["&effect=erase", "&corrects=x", "&corrects=9999999"])
def test_an_effect_or_a_correction_that_cannot_be_is_refused(program: Program, query: str) -> None:
    answer = program.send(csv_file(LISE), query)
    assert answer.status_code == 422
    assert query[1:].partition("=")[0] in answer.json()["what"]
    assert not AffectedList.objects.exists()


def test_another_insurers_list_is_not_there_to_correct() -> None:
    stranger = Program(dune_token().secret)
    first = rejecting()
    assert stranger.send(csv_file(LISE), f"&corrects={first.pk}").status_code == 422


def begin(program: Program) -> str:
    cast.insured_people()
    answer = program.call(
        "POST", f"/api/v1/uploads?breach={cast.breach().slug}", Upload_Length=str(len(FILE))
    )
    assert (answer.status_code, answer.headers["Tus-Resumable"]) == (201, "1.0.0")
    return str(answer.headers["Location"]).removeprefix("http://testserver")


def patch(program: Program, address: str, offset: int) -> Any:
    return program.call("PATCH", address, FILE[offset:], Upload_Offset=str(offset))


def test_a_list_is_sent_in_parts(program: Program, queued: list[int]) -> None:
    address = begin(program)
    first = program.call("PATCH", address, FILE[: CHUNK_BYTES + 7], Upload_Offset="0")
    assert first.headers["Upload-Offset"] == str(CHUNK_BYTES)
    assert program.call("HEAD", address).headers["Upload-Offset"] == str(CHUNK_BYTES)
    last = patch(program, address, CHUNK_BYTES)
    assert last.headers["Content-Location"] == f"/api/v1/lists/{the_list().pk}"
    assert queued == [the_list().pk]
    assert program.call("GET", address).json()["state"] == "received"
    assert b"".join(clear_chunks(the_list())) == FILE


def test_a_wrong_offset_is_answered_with_the_right_one(program: Program) -> None:
    answer = patch(program, begin(program), 5)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (409, "0")


def test_an_upload_is_cancelled(program: Program) -> None:
    address = begin(program)
    assert program.call("DELETE", address).status_code == 204
    assert patch(program, address, 0).status_code == 410
    assert AuditEntry.objects.filter(action="upload.cancelled").count() == 1


def test_another_insurers_lists_and_uploads_do_not_exist(program: Program) -> None:
    address = begin(program)
    program.send(csv_file(LISE))
    found = the_list()
    stranger = Program(dune_token().secret)
    for method, where in (
        ("GET", f"/api/v1/lists/{found.pk}"),
        ("GET", f"/api/v1/lists/{found.pk}/problems.csv"),
        ("HEAD", address),
        ("PATCH", address),
        ("DELETE", address),
    ):
        assert stranger.call(method, where).status_code == 404


def test_no_answer_sets_a_cookie_or_is_stored(program: Program) -> None:
    signed_in = cast.sign_in(program.client, cast.paule())
    assert signed_in.cookies
    for address in ("/api/v1/lists/1", "/api/v1/docs", "/api/v1/openapi.json"):
        answer = program.call("GET", address)
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_schema_documents_every_error_in_both_languages(client: WebClient) -> None:
    french, english = (client.get(f"{prefix}/api/v1/openapi.json").json() for prefix in ("", "/en"))
    send = french["paths"]["/api/v1/lists"]["post"]
    wanted = {"201", "400", "401", "403", "404", "411", "413", "415", "422", "429", "503"}
    assert wanted <= set(send["responses"])
    assert send["requestBody"]["required"]
    assert english["paths"]["/en/api/v1/lists"]["post"]["summary"] != send["summary"]


def test_people_read_the_schema_as_a_page(client: WebClient) -> None:
    html = client.get("/api/v1/docs").content.decode()
    assert "POST /api/v1/lists" in html
    assert "<script" not in html
