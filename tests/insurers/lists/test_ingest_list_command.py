"""`manage.py ingest_list`: one JSON object, or a clear refusal."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from insurers.models import AffectedList, ListState
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import LISE, OMAR, csv_file, members_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _directory() -> None:
    cast.breach()
    cast.phare()


def ingest(folder: Path, content: bytes, *options: str) -> dict[str, Any]:
    file = folder / "liste.csv"
    file.write_bytes(content)
    answer = io.StringIO()
    with as_role("worker"):
        call_command(
            "ingest_list",
            f"--breach={cast.breach().slug}",
            "--insurer=mutuelle-du-phare",
            *options,
            str(file),
            stdout=answer,
        )
    found = json.loads(answer.getvalue())
    assert isinstance(found, dict)
    return found


def test_it_prints_counts_that_add_up(tmp_path: Path) -> None:
    found = ingest(tmp_path, csv_file(LISE, OMAR, OMAR, "A1;1980-01-01;;;;", "A2;;;;;"))
    assert found.pop("seconds") > 0
    assert found.pop("list") == AffectedList.objects.get().pk
    assert found == {
        "state": "review",
        "effect": "add",
        "rows": 5,
        "accepted": 3,
        "rejected": 1,
        "duplicates": 1,
        "conflicting": 0,
        "already_listed": 0,
        "without_contact": 1,
    }


def test_it_accepts_when_told_to(tmp_path: Path) -> None:
    assert ingest(tmp_path, csv_file(LISE), "--accept")["state"] == ListState.ACCEPTED
    assert len(members_of(AffectedList.objects.get())) == 1


def test_the_effect_is_given_on_the_command_line(tmp_path: Path) -> None:
    ingest(tmp_path, csv_file(LISE, OMAR), "--accept")
    found = ingest(tmp_path, csv_file(LISE), "--effect=withdraw", "--accept")
    assert (found["effect"], found["state"]) == ("withdraw", "accepted")
    assert AffectedList.objects.get(pk=found["list"]).people_withdrawn == 1


def test_a_list_that_corrects_another_is_named_on_the_command_line(tmp_path: Path) -> None:
    first = ingest(tmp_path, csv_file(LISE, "A2;;;;;"), "--accept")
    found = ingest(tmp_path, csv_file(OMAR), f"--corrects={first['list']}")
    assert AffectedList.objects.get(pk=found["list"]).corrects_id == first["list"]


@pytest.mark.parametrize("number", ["7777777", "-1", "9" * 30])
def test_a_list_that_cannot_be_corrected_fails_and_leaves_nothing(
    tmp_path: Path, number: str
) -> None:
    with pytest.raises(CommandError, match="--corrects"):
        ingest(tmp_path, csv_file(LISE), f"--corrects={number}")
    assert not AffectedList.objects.exists()
    assert list((tmp_path / "uploads").rglob("*/*")) == []


def test_operators_and_population_come_from_the_affiliations(tmp_path: Path) -> None:
    ingest(tmp_path, csv_file(LISE))
    found = AffectedList.objects.get()
    assert [operator.code for operator in found.operators.all()] == ["alphapay"]
    assert found.population == cast.insured_people()


def test_a_refused_file_fails_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"n’est ni un CSV.*CSV UTF-8"):
        ingest(tmp_path, b"%PDF-1.7")


@pytest.mark.parametrize(
    "options", [["--operator=betapay"], ["--operator=inconnu"], ["--population=inconnue"]]
)
def test_unknown_or_foreign_codes_fail_and_leave_nothing(
    tmp_path: Path, options: list[str]
) -> None:
    with pytest.raises(CommandError):
        ingest(tmp_path, csv_file(LISE), *options)
    assert not AffectedList.objects.exists()
    assert list((tmp_path / "uploads").rglob("*/*")) == []


def test_a_file_that_is_not_there_fails_clearly(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="ne peut pas être lu"), as_role("worker"):
        call_command(
            "ingest_list",
            f"--breach={cast.breach().slug}",
            "--insurer=mutuelle-du-phare",
            str(tmp_path / "absent.csv"),
        )


def test_it_runs_as_the_worker_only(tmp_path: Path, settings: Settings) -> None:
    settings.ROLE = "web"
    with pytest.raises(CommandError, match="PORTAL_ROLE=worker"):
        ingest(tmp_path, csv_file(LISE))


POLICE = "N° Police;Né le;Nom;Prénom;Mail;Portable"


def test_unclear_columns_fail_with_what_to_name_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        ingest(tmp_path, csv_file(LISE, header=POLICE))
    said = str(caught.value)
    assert "Aucune colonne connue pour : numéro d’adhérent" in said
    assert "#1 N° Police" in said
    affected_list = AffectedList.objects.get()
    assert (affected_list.refusal_code, affected_list.chunk_count) == ("columns_unclear", 0)


@pytest.mark.parametrize("name", ["N° Police", "n°POLICE", "#1"])
def test_a_column_is_named_on_the_command_line(tmp_path: Path, name: str) -> None:
    found = ingest(tmp_path, csv_file(LISE, header=POLICE), f"--column=member_number={name}")
    assert (found["state"], found["accepted"]) == ("review", 1)


def test_the_same_command_completed_takes_the_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        ingest(tmp_path, csv_file(LISE, header=POLICE))
    found = ingest(tmp_path, csv_file(LISE, header=POLICE), "--column=member_number=#1")
    assert found["state"] == "review"


def test_a_column_named_goes_before_one_that_is_recognised(tmp_path: Path) -> None:
    header = "Id;Police;Né le;Mail"
    content = csv_file("7;;31/12/1980;l@example.fr", header=header)
    assert ingest(tmp_path, content)["accepted"] == 1
    with pytest.raises(CommandError, match="refusée"):
        ingest(tmp_path, content + b"\n", "--column=member_number=Police")


@pytest.mark.parametrize(
    "column", ["member_number", "nir=#1", "inconnu=#1", "member_number=", "member_number=#99"]
)
def test_a_column_that_cannot_be_named_fails_clearly(tmp_path: Path, column: str) -> None:
    with pytest.raises(CommandError):
        ingest(tmp_path, csv_file(LISE, header=POLICE), f"--column={column}")
