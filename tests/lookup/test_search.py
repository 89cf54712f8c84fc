"""The search, as people type."""

import time

import pytest
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries

from insurers.models import Insurer, InsurerAlias
from lookup import versions
from lookup.search import Entry, NameIndex, normalise, search_insurers


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("mutuelle general", "la-mutuelle-generale"),
        ("MUTUELLE GÉNÉRALE", "la-mutuelle-generale"),
        ("lmg", "la-mutuelle-generale"),
        ("mutuel generale de la police", "mgp"),
        ("police", "mgp"),
        ("mgp", "mgp"),
        ("AG2R", "ag2r-la-mondiale"),
        ("agr2", "ag2r-la-mondiale"),
        ("ag2rlamondiale", "ag2r-la-mondiale"),
        ("la mondial", "ag2r-la-mondiale"),
        ("malakof", "malakoff-humanis"),
        ("malakov mederic", "malakoff-humanis"),
        ("aesio", "aesio-mutuelle"),
        ("generali", "generali"),
        ("harmony mutuel", "harmonie-mutuelle"),
        ("prevadies", "harmonie-mutuelle"),
        ("mutame & plus", "mutame-plus"),
        ("mutame et plus", "mutame-plus"),
        ("mut aero", "mutaero"),
        ("mutaro", "mutaero"),
        ("services publics", "mutuelle-des-services-publics"),
        ("msp", "mutuelle-des-services-publics"),
        ("mieux etre", "mutuelle-mieux-etre"),
        ("credit agricol", "pacifica"),
        ("ca assurance", "pacifica"),
        ("roderer", "roederer"),
        ("via sante", "viasante-mutuelle"),
        ("  'MACIF'  ", "macif"),
        ("0775685399", "mgp"),
        ("775 685 399", "mgp"),
        ("07756", "mgp"),
    ],
)
@pytest.mark.usefixtures("directory")
def test_first_hit(typed: str, expected: str) -> None:
    assert search_insurers(typed)[0].entry.slug == expected


@pytest.mark.parametrize("typed", ["", "   ", "!?", "x", "swiss life", "mutuelle bleue", "99", "0"])
@pytest.mark.usefixtures("directory")
def test_nothing_is_made_up(typed: str) -> None:
    assert search_insurers(typed) == []


@pytest.mark.usefixtures("directory")
def test_a_name_that_only_resembles_is_marked_as_such() -> None:
    (hit,) = search_insurers("maif")
    assert (hit.entry.slug, hit.is_close) == ("macif", True)
    assert not search_insurers("macif")[0].is_close


@pytest.mark.usefixtures("directory")
def test_a_hit_shows_the_name_that_matched_when_it_is_another_one() -> None:
    assert search_insurers("mutuelle generale de la police")[0].matched == (
        "Mutuelle Générale de la Police"
    )
    assert search_insurers("mutuelle generale")[0].matched == ""


@pytest.mark.usefixtures("directory")
def test_each_insurer_comes_once_and_no_more_than_asked() -> None:
    slugs = [hit.entry.slug for hit in search_insurers("mutuelle", limit=3)]
    assert len(slugs) == len(set(slugs)) == 3


@pytest.mark.parametrize("typed", ["a" * 5000, "mutuelle " * 500, "\x00\ud800", "%_'\";--"])
@pytest.mark.usefixtures("directory")
def test_odd_input_is_answered_quickly(typed: str) -> None:
    start = time.perf_counter()
    search_insurers(typed)
    assert time.perf_counter() - start < 0.1


def test_normalise() -> None:
    assert normalise("L’Œuvre Été & Cœur – Ltd.") == "l oeuvre ete et coeur ltd"


@pytest.mark.usefixtures("directory")
def test_a_change_in_the_directory_is_found() -> None:
    assert search_insurers("nutuus") == []
    InsurerAlias.objects.create(insurer=Insurer.objects.get(slug="mgp"), name="Nutuus")
    assert search_insurers("nutuus")[0].entry.slug == "mgp"


@pytest.mark.usefixtures("directory")
def test_the_directory_is_not_read_again_within_the_interval(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    search_insurers("macif")
    with django_assert_num_queries(1):  # the version only
        search_insurers("macif")
    monkeypatch.setattr(versions, "CHECK_EVERY", 60)
    with django_assert_num_queries(0):
        search_insurers("macif")


@pytest.mark.usefixtures("directory")
def test_the_last_index_serves_while_the_database_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    search_insurers("macif")

    def down() -> str:
        raise OperationalError

    monkeypatch.setattr(versions, "_read_version", down)
    assert search_insurers("macif")[0].entry.slug == "macif"


def test_two_thousand_names_are_searched_in_a_few_milliseconds() -> None:
    """The budget is 2 ms on a quiet machine; the test leaves room for a busy one."""
    syllables = ["ma", "tu", "el", "ge", "ra", "mo", "ni", "so", "da", "vi", "pre", "bre", "pro"]
    names = []
    for number in range(2000):
        words = [
            "".join(syllables[(number * prime >> shift) % 13] for shift in (0, 3, 6))
            for prime in (7, 31)
        ]
        entry = Entry(f"m{number}", f"Mutuelle {words[0]} {words[1]}".title(), is_demo=False)
        names.append((entry, entry.name))
    index = NameIndex(names, [])
    times = []
    for _ in range(20):
        start = time.perf_counter()
        index.search("mutuel generale de la police")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.004


def test_a_name_half_typed_is_found_by_its_beginning() -> None:
    names = ["Mutuelle des Services Publics", "Mutami", "Macif", "Mutuelle Mieux-Être"]
    entries = [(Entry(name.lower(), name, False), name) for name in names]
    index = NameIndex(entries, [])
    for typed in ("mutuelle d", "mutuelle des s", "Mutuelle des Serv"):
        assert index.search(typed)[0].entry.name == "Mutuelle des Services Publics"
