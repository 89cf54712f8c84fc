"""« Am I concerned? »: one page for everybody, one sealed row, and a clear word where not."""

import re
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from insurers.throttle import Limit
from lookup import personal_check
from notifications.models import Reply, SealedQuestion
from notifications.replies.questions import open_question
from tests import cast
from tests.insurers.test_throttle import UNREACHABLE
from tests.lookup.test_verifying import sent, text_of
from tests.notifications.replies.asking import answer, rows
from tests.notifications.story import accepted_list, member

pytestmark = pytest.mark.django_db
CODE = re.compile(rb"[0-9A-Z]{3}-[0-9A-Z]{3}(?=</span>)")
NETWORK = "198.51.100.7"


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


def check(client: Client, *, language: str = "", **typed: str) -> Any:
    fields = {
        "insurer": cast.phare().slug,
        "member_number": "000 000 007",
        "birth_date": "12/03/1980",
        "birth_rank": "",
    }
    return sent(client, f"{language}/suis-je-concerne/", fields | typed, REMOTE_ADDR=NETWORK)


def test_the_page_asks_and_says_what_becomes_of_it(client: Client) -> None:
    cast.phare()
    page = text_of(client.get("/suis-je-concerne/"))
    for said in ("Numéro d’adhérent", "Une carte de tiers payant", "Base légale", "une heure"):
        assert said in page


def test_the_page_of_an_insurer_leads_to_it(client: Client) -> None:
    address = f"/suis-je-concerne/{cast.phare().slug}/"
    assert address in client.get(cast.phare().get_absolute_url()).content.decode()
    page = client.get(address).content.decode()
    assert re.search(rf'<option value="{cast.phare().slug}"\s+selected', page)
    assert client.get("/suis-je-concerne/personne/").status_code == 404
    assert sent(client, "/suis-je-concerne/personne/", {"birth_rank": ""}).status_code == 404


def test_whoever_asks_sees_the_same_page(client: Client) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    check(client)  # What a process does once only.
    seen = []
    for number, day in (("7", "12/03/1980"), ("8", "12/03/1980"), ("7", "13/03/1980")):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = check(client, member_number=number.zfill(9), birth_date=day)
        statements = [re.sub(r"'[^']*'", "?", query["sql"]) for query in queries]
        body, count = CODE.subn(b"", response.content)
        assert count == 1
        headers = {**response.headers}
        seen.append((response.status_code, headers, body, len(response.content), statements))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == 200
    assert len([one for one in seen[0][4] if "sealedquestion" in one]) == 1


def test_it_answers_with_the_code_of_the_page(client: Client) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    found = CODE.search(check(client).content)
    answer()
    assert found is not None
    assert Reply.objects.get().code == found[0].decode()


def test_the_page_says_what_no_message_means(client: Client) -> None:
    page = text_of(check(client))
    for said in (
        "Cela ne veut pas dire que vous n’êtes pas concerné",
        "sur aucune liste que ce portail détient",
        "ne soit plus le bon",
        "déjà effacées ici",
        "une par jour, trois en trente jours",
        "n’ait pas pu être remis",
        "dpo@phare.example.fr",
        "01 99 00 00 01",
    ):
        assert said in page, said


def test_the_answer_page_is_kept_by_nobody_and_sets_nothing(client: Client) -> None:
    response = check(client)
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies
    assert "Cookie" not in response.headers.get("Vary", "")


def test_what_is_typed_is_normalised_and_sealed(client: Client) -> None:
    check(
        client, member_number=" 00-ab 7 ", birth_date="1980-03-12", birth_rank="2", language="/en"
    )
    (row,) = rows()
    question = open_question(bytes(row[1]), now=timezone.now())
    assert (question.member_number, question.birth_date) == ("00AB7", "1980-03-12")
    assert (question.birth_rank, question.language) == ("2", "en")
    assert question.insurer_id == cast.phare().pk


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("insurer", "", "Choisissez votre organisme."),
        ("insurer", "personne", "Choisissez un organisme de la liste."),
        ("member_number", "", "tel qu’il figure sur votre carte"),
        ("member_number", "1,23457E+11", "tel qu’il figure sur votre carte"),
        ("member_number", "12$4", "que des lettres et des chiffres"),
        ("member_number", "1 84 12 76 451 089 46", "numéro de Sécurité sociale"),
        ("birth_date", "", "comme 12/03/1980"),
        ("birth_date", "12/03/80", "en quatre chiffres"),
        ("birth_date", "31/02/1980", "n’existe pas"),
        ("birth_date", "12/03/2999", "dans l’avenir"),
        ("birth_date", "12/03/1880", "antérieure à 1900"),
        ("birth_date", "hier", "comme 12/03/1980"),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field(
    client: Client, field: str, typed: str, said: str
) -> None:
    response = check(client, **{field: typed})
    assert said in text_of(response)
    assert 'role="alert"' in response.content.decode()
    assert not SealedQuestion.objects.exists()


@pytest.mark.parametrize("field", ["member_number", "birth_date"])
@pytest.mark.parametrize("typed", ["1 84 12 76 451 089 46", "184127645108946"])
def test_a_social_security_number_is_not_shown_again(
    client: Client, field: str, typed: str
) -> None:
    page = text_of(check(client, **{field: typed}))
    assert 'role="alert"' in page
    assert typed not in page
    kept = {"member_number": "12/03/1980", "birth_date": "000 000 007"}[field]
    assert f'value="{kept}"' in page


def test_another_site_cannot_ask(client: Client) -> None:
    response = client.post(
        "/suis-je-concerne/",
        {"insurer": cast.phare().slug},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert response.status_code == 403
    assert not SealedQuestion.objects.exists()


def test_over_the_limit_of_a_network_the_page_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal_check, "OF_NETWORK", Limit("checks", at_most=2, seconds=600))
    assert [check(client).status_code for _ in range(4)] == [200, 200, 429, 429]
    response = check(client)
    assert response.headers["Retry-After"] == "600"
    assert "ne prenez pas ce silence pour une réponse" in text_of(response)
    assert SealedQuestion.objects.count() == 2


def test_over_the_limit_of_all_the_page_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal_check, "OF_ALL", Limit("checks", at_most=1, seconds=60))
    assert [check(client).status_code for _ in range(3)] == [200, 503, 503]
    assert "Trop de personnes demandent" in text_of(check(client))
    assert SealedQuestion.objects.count() == 1


@override_settings(CACHES=UNREACHABLE)
def test_without_a_count_the_page_says_so(client: Client) -> None:
    response = check(client)
    assert response.status_code == 503
    assert "n’a pas été prise" in text_of(response)
    assert not SealedQuestion.objects.exists()


def test_redis_learns_nothing_of_a_question(client: Client) -> None:
    check(client)
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        kept = b" ".join(key + str(store.get(key)).encode() for key in store.scan_iter("portal*"))
    assert b"personal-checks" in kept
    for secret in (b"000000007", b"7", b"1980", cast.phare().slug.encode()):
        assert secret not in kept.replace(NETWORK.encode(), b"").replace(b"198.51.100.0/24", b"")


def test_it_reads_in_english(client: Client) -> None:
    page = text_of(check(client, language="/en"))
    assert "Your question has been sent" in page
