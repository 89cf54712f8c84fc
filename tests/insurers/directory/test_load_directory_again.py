"""`load_directory` where the project's own files have been loaded, once for all these tests."""

from pathlib import Path

import pytest

from insurers.models import Insurer, TimelineEntry
from tests.conftest import Writing
from tests.insurers.directory.files import BREACH, counts, load, rewrite

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loaded")]


@pytest.fixture(scope="module")
def loaded(beginning: Writing) -> None:
    with beginning():
        load()


def test_loading_twice_adds_and_changes_nothing() -> None:
    before = counts(), dict(Insurer.objects.values_list("slug", "pk"))

    printed = load()

    assert (counts(), dict(Insurer.objects.values_list("slug", "pk"))) == before
    assert "ajouts 0, changements 0, inchangés 27" in printed


def test_a_changed_row_is_reported_with_its_line_and_column(folder: Path) -> None:
    insurers = folder / "insurers.csv"
    line = rewrite(insurers, "aesio-mutuelle,Aésio Mutuelle", "aesio-mutuelle,Aésio (mutuelle)")

    assert f"~ insurers.csv:{line} (name)" in load(folder)


def test_changed_sources_are_stored_and_reported(folder: Path) -> None:
    timeline = folder / BREACH / "timeline.csv"
    line = rewrite(
        timeline, "covered up to this day are in the exposed data.,alan\n", "x,alan mgp\n"
    )

    assert f"timeline.csv:{line} (text_en, sources)" in load(folder)
    entry = TimelineEntry.objects.get(date="2024-01-26")
    assert {source.publisher for source in entry.sources.all()} == {"Alan", "MGP"}


def test_a_row_that_left_the_files_is_reported_and_kept(folder: Path) -> None:
    rewrite(folder / "insurers.csv", "Aésio|Aesio|", "Aésio|")

    assert "- Aésio Mutuelle, Aesio\n" in load(folder)
    assert Insurer.objects.get(slug="aesio-mutuelle").aliases.filter(name="Aesio").exists()


def test_pruning_removes_a_row_that_left_the_files(folder: Path) -> None:
    rewrite(folder / "insurers.csv", "Aésio|Aesio|", "Aésio|")

    load(folder, prune=True)

    assert not Insurer.objects.get(slug="aesio-mutuelle").aliases.filter(name="Aesio").exists()
    assert counts()["InsurerAlias"] == 70
