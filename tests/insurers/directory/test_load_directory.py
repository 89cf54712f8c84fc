"""`load_directory` on the project's own files, and on copies of them with one fault."""

import io
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditEntry
from insurers.models import (
    Affiliation,
    AmcNumber,
    Breach,
    Insurer,
)
from tests import cast
from tests.conftest import as_role
from tests.insurers.directory.files import BREACH, counts, load, rewrite

pytestmark = pytest.mark.django_db


def refused(folder: Path) -> str:
    """Load files that must be refused; return what the command said of them."""
    said = io.StringIO()
    with as_role("web"), pytest.raises(CommandError):
        call_command("load_directory", dir=folder, stderr=said)
    return said.getvalue()


def test_loads_the_directory_as_the_web_role() -> None:
    load()

    assert counts() == {
        "Source": 63,
        "Population": 2,
        "DataCategory": 23,
        "Operator": 2,
        "Insurer": 27,
        "InsurerAlias": 71,
        "AmcNumber": 0,
        "Affiliation": 30,
        "Advice": 17,
        "Breach": 1,
        "BreachOperator": 2,
        "ExposedData": 40,
        "TimelineEntry": 16,
        "Caveat": 14,
        "Conflict": 7,
        "ImpactReport": 22,
    }


def test_pruning_leaves_fictional_insurers_alone() -> None:
    affiliation = cast.phare().affiliations.get()

    load(prune=True)

    assert Affiliation.objects.filter(pk=affiliation.pk).exists()


def test_an_amc_number_is_kept_as_text(folder: Path) -> None:
    rewrite(folder / "insurers.csv", "mhv,MHV,,,", "mhv,MHV,,0012|34A,")

    load(folder)

    numbers = AmcNumber.objects.filter(insurer__slug="mhv").order_by("number")
    assert [amc.number for amc in numbers] == ["0012", "34A"]


@pytest.mark.parametrize(
    ("file", "old", "new", "column", "said"),
    [
        ("affiliations.csv", "2023-01-01", "2023-01-32", "valid_from_date", "AAAA-MM-JJ"),
        ("affiliations.csv", "mgp,almerys", "mgp,almeris", "operator", "«\u00a0almeris\u00a0»"),
        ("affiliations.csv", "2016-01-01", "2026-01-01", "", "précède son début"),
        ("affiliations.csv", ",members and dependants", ",", "scope_en", "dans cette langue"),
        ("insurers.csv", "mhv,MHV", "mhv,", "name", "remplissez-la"),
        ("insurers.csv", "mhv,MHV", "mgp,MHV", "", "répète la ligne 17"),
        ("insurers.csv", "mhv,MHV,,,", "mhv,MHV,,,apreva", "successor", "actuel"),
        ("insurers.csv", "mhv,MHV,,,", "mhv,MHV,,,nobody", "successor", "«\u00a0nobody\u00a0»"),
        ("insurers.csv", "mhv,MHV,,,", "mhv,MHV,,", "", "4 cellules au lieu de 5"),
        ("sources.csv", "msp,https", "mhv,https", "code", "déjà celui"),
        (f"{BREACH}/impact_reports.csv", "not_concerned", "safe", "status", "not_concerned"),
        (f"{BREACH}/caveats.csv", ",appa\n", ",\n", "sources", "aucune source"),
    ],
)
def test_a_fault_is_named_and_nothing_is_loaded(
    folder: Path, file: str, old: str, new: str, column: str, said: str
) -> None:
    line = rewrite(folder / file, old, new)

    message = refused(folder)

    place = f"{file}, ligne {line}"
    assert message.startswith(
        place + (f", colonne «\u00a0{column}\u00a0»\u00a0:" if column else "\u00a0:")
    )
    assert said in message
    assert not Insurer.objects.exists()


def test_every_fault_is_named_at_once(folder: Path) -> None:
    rewrite(folder / "insurers.csv", "mhv,MHV", "mhv,")
    rewrite(folder / "affiliations.csv", "mgp,almerys", "mgp,almeris")

    assert len(refused(folder).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "vide"),
        (b"slug,name,aliases,amc_numbers,successor\nmgp,M\0P,,,\n", "ligne 2"),
        ("slug,name,aliases,amc_numbers,successor\nmgp,Adréa,,,\n".encode("cp1252"), "ligne 2"),
        (b"slug;name;aliases;amc_numbers;successor\n", "slug,name,aliases,amc_numbers,successor"),
        (b"slug,name,name,amc_numbers,successor\n", "slug,name,aliases,amc_numbers,successor"),
        (b'slug,name,aliases,amc_numbers,successor\nmgp,"MGP\n', "ligne 2"),
    ],
)
def test_an_unreadable_file_is_refused_in_plain_words(
    folder: Path, content: bytes, said: str
) -> None:
    (folder / "insurers.csv").write_bytes(content)

    message = refused(folder).splitlines()[0]

    assert message.startswith("insurers.csv")
    assert said in message


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / BREACH / "timeline.csv").unlink()

    assert f"{BREACH}/timeline.csv\u00a0: le fichier manque" in refused(folder)


def test_a_name_taken_by_another_insurer_is_refused(folder: Path) -> None:
    cast.insurer("mutuelle-du-phare", "MGP")

    assert "insurers.csv, ligne 17, colonne «\u00a0name\u00a0»" in refused(folder)


def test_the_portal_trail_keeps_what_was_loaded() -> None:
    load()

    entry = AuditEntry.objects.get(scope="portal")
    assert (entry.action, entry.outcome) == ("directory.loaded", "done")
    assert '"insurer":{"added":27,"changed":0,"removed":0}' in entry.detail


def test_the_portal_trail_keeps_a_refusal(folder: Path) -> None:
    rewrite(folder / "insurers.csv", "mhv,MHV", "mhv,")

    refused(folder)

    assert AuditEntry.objects.get(scope="portal").outcome == "refused"


def test_a_second_breach_takes_a_folder_of_its_own(folder: Path) -> None:
    shutil.copytree(folder / BREACH, folder / "second-2026")

    load(folder)

    assert set(Breach.objects.values_list("slug", flat=True)) == {BREACH, "second-2026"}
    assert counts()["ExposedData"] == 80
