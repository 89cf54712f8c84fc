"""A page of the directory that has not changed is known as such before anything is read."""

import time
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection
from django.test import Client, override_settings
from pytest_django import DjangoAssertNumQueries

from insurers.models import Affiliation, Insurer
from lookup import versions
from tests import cast

pytestmark = pytest.mark.django_db

PAGE = "/organismes/mutuelle-du-phare/"
ROLES = 2  # statements of the test client, which takes the web role and gives it back


@pytest.fixture(autouse=True)
def _phare() -> None:
    cast.phare()


@pytest.fixture
def _software_again() -> Iterator[None]:
    versions._software.cache_clear()
    yield
    versions._software.cache_clear()


def held(client: Client, path: str = PAGE) -> dict[str, str]:
    """The header of a browser that has the page."""
    return {"If-None-Match": client.get(path)["ETag"]}


def test_who_holds_the_page_is_answered_without_a_query(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    headers = held(client)
    monkeypatch.setattr(versions, "CHECK_EVERY", 60)
    with django_assert_num_queries(ROLES):
        response = client.get(PAGE, headers=headers)
    assert (response.status_code, response.content) == (304, b"")
    assert "stale-if-error=86400" in response["Cache-Control"]


@pytest.mark.parametrize("path", [PAGE, "/", "/conseils/", "/organismes.csv"])
def test_a_change_of_the_directory_changes_the_page(client: Client, path: str) -> None:
    headers = held(client, path)
    assert client.get(path, headers=headers).status_code == 304
    Affiliation.objects.update(note_fr="Une remarque.")
    assert client.get(path, headers=headers).status_code == 200


def test_a_change_that_is_taken_back_is_a_change(client: Client) -> None:
    headers = held(client)
    for name in ("Un autre nom", cast.phare().name):
        Insurer.objects.filter(slug="mutuelle-du-phare").update(name=name)
    assert client.get(PAGE, headers=headers).status_code == 200


@pytest.mark.usefixtures("_software_again")
def test_a_change_of_the_installation_changes_the_page(client: Client) -> None:
    headers = held(client)
    versions._software.cache_clear()
    with override_settings(PORTAL_OPERATOR={"name": "Un autre exploitant"}):
        assert client.get(PAGE, headers=headers).status_code == 200


def test_what_was_typed_is_kept_by_the_own_browser_only(client: Client) -> None:
    for path in ("/?q=phare", "/recherche/suggestions/?q=phare"):
        response = client.get(path)
        assert response["Cache-Control"] == "private, max-age=60"
        assert response["ETag"] != client.get("/")["ETag"]


def test_the_last_version_stands_while_postgresql_is_down(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = held(client)

    def down() -> str:
        raise OperationalError

    monkeypatch.setattr(versions, "_read_version", down)
    assert client.get(PAGE, headers=headers).status_code == 304


def test_without_any_version_the_page_is_made(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> str:
        raise OperationalError

    monkeypatch.setattr(versions, "_read_version", down)
    response = client.get(PAGE)
    assert response.status_code == 200
    assert client.get(PAGE, headers={"If-None-Match": response["ETag"]}).status_code == 304


def test_every_table_of_the_directory_counts() -> None:
    query = versions._version_query()
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    shown = {table for table in tables if f"FROM {table})" in query}
    assert {"insurers_insurer", "insurers_advice_sources", "insurers_timelineentry"} <= shown
    assert not shown & {"insurers_affectedlist", "insurers_membership", "insurers_declaration"}


def test_asking_for_the_version_takes_milliseconds() -> None:
    Insurer.objects.bulk_create(
        Insurer(slug=f"organisme-{number}", name=f"Organisme {number}") for number in range(2000)
    )
    spent = []
    for _ in range(5):
        started = time.perf_counter()
        versions._read_version()
        spent.append(time.perf_counter() - started)
    assert min(spent) < 0.05
