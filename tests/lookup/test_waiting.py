"""Asking to be told when an answer changes: what the form takes, and what nobody learns from it."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.db import ProgrammingError, connection
from django.test import Client, override_settings

from insurers.models import Affiliation, ImpactReport, Insurer
from lookup.models import SentConfirmation, WaitingAddress, WaitingRequest
from lookup.waiting.limits import REQUESTS
from tests import cast
from tests.conftest import as_role
from tests.insurers.test_throttle import UNREACHABLE

pytestmark = pytest.mark.django_db
OURS = {"Sec-Fetch-Site": "same-origin"}
FORM = "application/x-www-form-urlencoded"
NETWORK = "198.51.100.7"
CAMILLE = "Camille.Hublot@example.fr"
PAGE = "/organismes/mutuelle-du-sable/"


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


@pytest.fixture(autouse=True)
def sable() -> Insurer:
    """Mutuelle du Sable, of which the portal knows nothing."""
    cast.breach()
    return Insurer.objects.create(slug="mutuelle-du-sable", name="Mutuelle du Sable (fictive)")


def ask(
    client: Client, email: str = CAMILLE, *, page: str = PAGE, language: str = "", **options: Any
) -> Any:
    options = {"headers": OURS, "REMOTE_ADDR": NETWORK} | options
    return client.post(
        f"{language}{page}me-prevenir/", urlencode({"email": email}), content_type=FORM, **options
    )


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_the_page_of_an_unknown_answer_offers_it(client: Client) -> None:
    page = text_of(client.get(PAGE))
    assert 'action="/organismes/mutuelle-du-sable/me-prevenir/"' in page
    assert "article 6, paragraphe 1, a du RGPD" in page
    assert "24 mois au plus" in page


@pytest.mark.parametrize("known_by", ["report", "affiliation", "successor"])
def test_a_known_answer_offers_nothing(client: Client, sable: Insurer, known_by: str) -> None:
    if known_by == "report":
        ImpactReport.objects.create(
            breach=cast.breach(), insurer=sable, status="not_concerned", source=cast.source()
        )
    elif known_by == "affiliation":
        Affiliation.objects.create(insurer=sable, operator=cast.operator(), source=cast.source())
    else:
        Insurer.objects.filter(pk=sable.pk).update(successor=cast.phare())
    assert "me-prevenir" not in text_of(client.get(PAGE))
    assert ask(client).headers["Location"] == PAGE
    assert not connection_rows("lookup_waitingrequest")


def connection_rows(table: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def test_everybody_gets_the_same_page(client: Client) -> None:
    first, again, other = ask(client), ask(client), ask(client, "quelquun@example.org")
    for response in (first, again, other):
        assert (response.status_code, response.headers["Location"]) == (302, "/attente/demandee/")
        assert response.content == first.content
        assert not response.cookies
        assert response.headers["Cache-Control"] == "no-store"
    assert WaitingRequest.objects.count() == 3


def test_what_is_typed_rests_sealed_and_of_one_length(client: Client) -> None:
    ask(client)
    ask(client, "a@b.fr")
    sealed = [bytes(row.sealed) for row in WaitingRequest.objects.all()]
    assert len({len(one) for one in sealed}) == 1
    assert "camille" not in str(connection_rows("lookup_waitingrequest")).lower()
    assert not any(b"ublot" in one for one in sealed)


@pytest.mark.parametrize("typed", ["", "camille", "camille@", "camille@example", "é@example.fr"])
def test_what_is_not_an_address_is_said(client: Client, typed: str) -> None:
    response = ask(client, typed)
    assert response.status_code == 200
    assert "À corriger" in text_of(response)
    assert not WaitingRequest.objects.exists()


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_cannot_send_it(client: Client, headers: dict[str, str]) -> None:
    assert ask(client, headers=headers).status_code == 403
    assert not WaitingRequest.objects.exists()


def test_a_network_that_asks_too_often_is_told_and_loses_nothing(client: Client) -> None:
    for number in range(REQUESTS.at_most):
        assert ask(client, f"n{number}@example.fr").status_code == 302
    response = ask(client)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "3600"
    assert CAMILLE in text_of(response)
    assert WaitingRequest.objects.count() == REQUESTS.at_most
    assert ask(client, REMOTE_ADDR="203.0.113.9").status_code == 302


def test_without_redis_the_form_still_takes_addresses(client: Client) -> None:
    with override_settings(CACHES=UNREACHABLE):
        assert ask(client).status_code == 302


@pytest.mark.parametrize(
    "model", [WaitingRequest, WaitingAddress, SentConfirmation], ids=lambda model: model.__name__
)
def test_the_web_role_reads_no_address(model: Any) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), as_role("web"):
        list(model.objects.all())


@pytest.mark.parametrize("statement", ["DELETE FROM", "UPDATE"])
def test_the_web_role_changes_no_request(statement: str) -> None:
    rest = " SET received_at = now()" if statement == "UPDATE" else ""
    with pytest.raises(ProgrammingError, match="permission denied"), as_role("web"):
        with connection.cursor() as cursor:
            cursor.execute(f"{statement} lookup_waitingrequest{rest}")


@pytest.mark.parametrize("verb", ["find", "confirm", "remove"])
def test_the_functions_of_links_are_the_web_roles(verb: str) -> None:
    call = f"SELECT * FROM lookup_{verb}_waiting(''::bytea)"
    with as_role("web"), connection.cursor() as cursor:
        cursor.execute(call)
    with pytest.raises(ProgrammingError, match="permission denied"), as_role("worker"):
        with connection.cursor() as cursor:
            cursor.execute(call)


def test_both_languages(client: Client) -> None:
    assert ask(client, language="/en").headers["Location"] == "/en/attente/demandee/"
    for address in ("/attente/demandee/", "/en/attente/demandee/"):
        response = client.get(address)
        assert response.status_code == 200
        assert "max-age" in response.headers["Cache-Control"]
