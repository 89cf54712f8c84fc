"""The columns of a list, as an insurer's program sees and names them."""

import json
from typing import Any

import pytest

from audit.models import AuditEntry
from insurers.models import AffectedList, ListState, TokenScope
from tests import cast
from tests.conftest import WebClient
from tests.insurers.api.programs import Program, dune_token, new_token
from tests.insurers.lists.files import LISE, OMAR, accepted, csv_file, read
from tests.insurers.lists.test_columns import POLICE, read_again, waiting

pytestmark = pytest.mark.django_db

CHOICE = {"member_number": 1, "birth_date": 2, "email": 5, "phone": 6}


@pytest.fixture
def program() -> Program:
    return Program(new_token().secret)


def address(affected_list: AffectedList) -> str:
    return f"/api/v1/lists/{affected_list.pk}/columns"


def see(program: Program, affected_list: AffectedList) -> Any:
    return program.call("GET", address(affected_list)).json()


def choose(program: Program, affected_list: AffectedList, said: object) -> Any:
    return program.call("PUT", address(affected_list), json.dumps(said).encode())


def test_the_list_says_that_it_waits_and_where_its_columns_are(program: Program) -> None:
    affected_list = waiting()
    said = program.call("GET", f"/api/v1/lists/{affected_list.pk}").json()
    assert said["state"] == "columns"
    assert said["columns"].endswith(address(affected_list))


def test_columns_are_seen_by_header_and_shape_without_a_value(program: Program) -> None:
    said = see(program, waiting(LISE))
    assert said["columns"][0] == {
        "number": 1,
        "header": "N° Police",
        "shapes": ["A99999"],
        "field": None,
    }
    assert said["missing"] == ["member_number"]
    assert not any(value in json.dumps(said) for value in LISE.split(";"))


def test_a_masked_header_is_not_seen(program: Program) -> None:
    said = see(program, waiting(header="A00999;Né le;Nom;Prénom;Courriel;Portable"))
    assert said["columns"][0]["header"] is None
    assert "A00999" not in json.dumps(said)


def test_several_possible_columns_are_named(program: Program) -> None:
    row = "A1;31/12/1980;l@example.fr;m@example.fr"
    said = see(program, waiting(row, header="N° adhérent;Né le;Mail;Courriel"))
    assert said["ambiguous"] == ["email"]


def test_a_mapping_has_the_file_read_with_it(program: Program, queued: list[int]) -> None:
    affected_list = waiting()
    answer = choose(program, affected_list, CHOICE)
    assert (answer.status_code, answer.json()["state"]) == (200, "uploaded")
    assert queued == [affected_list.pk]
    read_again(affected_list)
    assert (affected_list.state, affected_list.members) == (ListState.REVIEW, 2)


def test_the_trail_names_the_token(program: Program) -> None:
    choose(program, waiting(), CHOICE)
    entry = AuditEntry.objects.get(action="list.columns_chosen")
    assert entry.actor.startswith("token:")


def test_the_next_file_with_these_headers_is_read_at_once(program: Program) -> None:
    choose(program, waiting(LISE), CHOICE)
    assert read(csv_file(OMAR, header=POLICE)).state == ListState.REVIEW


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"member_number": 1}, "birth_date"),
        ({"member_number": 1, "birth_date": 2}, "courriel ou téléphone"),
        ({**CHOICE, "phone": 5}, "Une même colonne"),
        ({**CHOICE, "phone": 60}, "n’est pas dans le fichier"),
        ({**CHOICE, "phone": 0}, "n’est pas dans le fichier"),
        ({**CHOICE, "phone": "Portable"}, "phone"),
        ({**CHOICE, "nir": 3}, "nir"),
        ({**CHOICE, "mobile": 6}, "mobile"),
        ([CHOICE], "Paramètre"),
    ],
)
def test_a_mapping_that_is_not_enough_says_what_is_wrong(
    program: Program, queued: list[int], said: object, named: str
) -> None:
    affected_list = waiting()
    answer = choose(program, affected_list, said)
    assert answer.status_code == 422
    assert set(answer.json()) == {"what", "to_do"}
    assert named in answer.json()["what"]
    affected_list.refresh_from_db()
    assert (affected_list.state, queued) == (ListState.COLUMNS, [])


@pytest.mark.parametrize("body", [b"{", b"\xff", b" " * 3_000_000])
def test_a_body_that_is_not_json_or_too_big_is_refused(program: Program, body: bytes) -> None:
    answer = program.call("PUT", address(waiting()), body)
    assert (answer.status_code, set(answer.json())) == (400, {"what", "to_do"})


def test_a_list_that_is_decided_takes_no_mapping(program: Program) -> None:
    assert choose(program, accepted(csv_file(LISE)), CHOICE).status_code == 409


def test_a_token_that_only_reads_sees_no_shape() -> None:
    reader = Program(new_token(scopes=(TokenScope.LISTS_READ,)).secret)
    affected_list = waiting()
    assert reader.call("GET", address(affected_list)).status_code == 403
    assert choose(reader, affected_list, CHOICE).status_code == 403


def test_another_insurers_columns_do_not_exist() -> None:
    affected_list = waiting()
    stranger = Program(dune_token().secret)
    assert stranger.call("GET", address(affected_list)).status_code == 404
    assert choose(stranger, affected_list, CHOICE).status_code == 404


def test_the_schema_documents_the_mapping_and_its_refusals(client: WebClient) -> None:
    cast.breach()
    schema = client.get("/api/v1/openapi.json").json()
    found = schema["paths"]["/api/v1/lists/{list_id}/columns"]
    assert {"200", "400", "401", "403", "404", "409", "422"} <= set(found["put"]["responses"])
    refused = found["put"]["responses"]["422"]["content"]["application/json"]["schema"]
    assert refused == {"$ref": "#/components/schemas/Problem"}
    assert "put" in client.get("/api/v1/docs").content.decode().lower()
