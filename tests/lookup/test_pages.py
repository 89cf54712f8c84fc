"""Every public page: readable by all, without cookie, in both languages, kept by caches."""

import pytest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.translation import override
from pytest_django import DjangoAssertNumQueries

from insurers.models import Advice, Affiliation, ImpactReport, Insurer, InsurerAlias, TimelineEntry
from lookup import urls, versions
from tests import cast
from tests.conftest import Writing

pytestmark = pytest.mark.django_db

PHARE = "mutuelle-du-phare"
SLUGS = {
    "insurer": PHARE,
    "personal_check_of": PHARE,
    "poster": PHARE,
    "breach": "alphapay-betapay-2026",
}
NAMES = [pattern.name for pattern in urls.urlpatterns if pattern.name]
# What they take: tests/lookup/test_verifying.py, test_personal_check.py.
FORMS = {"verify", "report_message", "personal_check", "personal_check_of"}


def address(name: str, language: str = "fr") -> str:
    with override(language):
        return reverse(name, args=[SLUGS[name]] if name in SLUGS else [])


@pytest.fixture(scope="module", autouse=True)
def _phare(beginning: Writing) -> None:
    with beginning():
        cast.phare()
        Advice.objects.create(
            code="beware",
            population=cast.insured_people(),
            text_fr="Méfiez-vous des messages.",
            text_en="Be wary of messages.",
        )


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("name", NAMES)
def test_public_page_in_both_languages(client: Client, name: str, language: str) -> None:
    response = client.get(address(name, language))
    assert response.status_code == 200
    assert response["Content-Language"] == language
    if response["Content-Type"].startswith("text/html") and name != "suggestions":
        assert f'<html lang="{language}">' in response.content.decode()


@pytest.mark.parametrize("cookie", ["signed in", "a", "x" * 40])
@pytest.mark.parametrize("name", NAMES)
def test_public_page_ignores_cookies(client: Client, name: str, cookie: str) -> None:
    plain = Client().get(address(name))
    if cookie == "signed in":
        cast.sign_in(client, cast.paule())
    else:
        client.cookies["sessionid"] = cookie
    response = client.get(address(name))
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")
    assert response.content == plain.content


@pytest.mark.parametrize("name", NAMES)
def test_public_page_is_kept_by_caches_and_revalidated(client: Client, name: str) -> None:
    response = client.get(address(name))
    directives = response["Cache-Control"].replace(" ", "").split(",")
    kinds = {directive.split("=")[0] for directive in directives}
    assert kinds == {"public", "max-age", "stale-while-revalidate", "stale-if-error"}
    again = client.get(address(name), headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert not again.cookies


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FORMS])
def test_public_page_is_only_read(client: Client, name: str) -> None:
    assert client.post(address(name)).status_code == 405


def test_these_are_all_the_public_pages() -> None:
    """A page opened to everybody is added here on purpose."""
    assert sorted(NAMES) == [
        "accessibility",
        "advice",
        "breach",
        "breaches",
        "home",
        "insurer",
        "insurers",
        "insurers_csv",
        "insurers_json",
        "legal",
        "message_reported",
        "open_data",
        "personal_check",
        "personal_check_of",
        "poster",
        "privacy",
        "report_message",
        "robots",
        "senders",
        "suggestions",
        "verify",
    ]


def test_pages_point_to_their_other_language(client: Client) -> None:
    page = client.get("/organismes/mutuelle-du-phare/").content.decode()
    base = "http://localhost"
    path = "/organismes/mutuelle-du-phare/"
    assert f'<link rel="canonical" href="{base}{path}">' in page
    assert f'<link rel="alternate" hreflang="fr" href="{base}{path}">' in page
    assert f'<link rel="alternate" hreflang="en" href="{base}/en{path}">' in page
    assert f'<a href="/en{path}" lang="en" hreflang="en">English</a>' in page


def test_the_language_switch_keeps_the_search(client: Client) -> None:
    page = client.get("/en/?q=phare").content.decode()
    assert '<a href="/?q=phare" lang="fr" hreflang="fr">Français</a>' in page


def test_search_works_without_javascript(client: Client) -> None:
    page = client.get("/", {"q": "mutuele du pharre"}).content.decode()
    assert 'href="/organismes/mutuelle-du-phare/"' in page


def test_suggestions_are_a_part_of_a_page(client: Client) -> None:
    part = client.get("/recherche/suggestions/", {"q": "phare"}).content.decode()
    assert 'href="/organismes/mutuelle-du-phare/"' in part
    assert "<html" not in part


def test_an_unknown_insurer_is_never_said_not_concerned(client: Client) -> None:
    page = client.get("/", {"q": "swiss life"}).content.decode()
    assert "Nous ne savons pas." in page
    assert "Cela ne veut pas dire que vous n’êtes pas concerné" in page
    assert "carte de tiers payant" in page


def test_what_was_typed_is_escaped(client: Client) -> None:
    page = client.get("/", {"q": "<script>alert(1)</script>"}).content.decode()
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("concerned", "est au nombre des organismes concernés"),
        ("partly", "tout le monde n’est pas concerné"),
        ("not_concerned", "déclare que ses adhérents ne sont pas concernés"),
    ],
)
def test_the_verdict_follows_the_source(client: Client, status: str, verdict: str) -> None:
    ImpactReport.objects.update(status=status)
    page = client.get(address("insurer")).content.decode()
    assert verdict in page
    assert 'href="https://journal.example.fr/article" rel="noopener"' in page


def test_without_statement_the_verdict_is_very_likely(client: Client) -> None:
    ImpactReport.objects.all().delete()
    page = client.get(address("insurer")).content.decode()
    assert "Très probablement" in page
    assert "aucune déclaration de cet organisme lui-même" in page


def test_without_any_fact_the_verdict_is_unknown(client: Client) -> None:
    ImpactReport.objects.all().delete()
    Affiliation.objects.all().delete()
    page = client.get(address("insurer")).content.decode()
    assert "Nous ne savons pas." in page


def test_the_answer_says_what_was_exposed_and_how_to_ask(client: Client) -> None:
    page = client.get(address("insurer")).content.decode()
    exposed, spared = page.split("Données annoncées comme non exposées")
    assert "Date de naissance" in exposed
    assert "Coordonnées bancaires" in spared
    assert "dpo@phare.example.fr" in page
    assert "anciens adhérents et les ayants droit" in page


def test_fictional_insurers_are_marked(client: Client) -> None:
    for name in ("insurer", "insurers"):
        assert ">fictif</span>" in client.get(address(name)).content.decode()
    assert ">fictif</span>" in client.get("/", {"q": "phare"}).content.decode()


def test_a_former_brand_points_to_its_successor(client: Client) -> None:
    Insurer.objects.create(slug="ancienne", name="Ancienne Mutuelle", successor=cast.phare())
    page = client.get("/organismes/ancienne/").content.decode()
    assert 'href="/organismes/mutuelle-du-phare/"' in page
    assert "est au nombre des organismes concernés" in page


def test_the_list_is_filtered_by_operator(client: Client) -> None:
    assert "Mutuelle du Phare" in client.get("/organismes/?operateur=alphapay").content.decode()
    assert "Mutuelle du Phare" not in client.get("/organismes/?operateur=betapay").content.decode()


def test_an_unknown_operator_is_no_other_list(client: Client) -> None:
    assert client.get("/organismes/?operateur=inconnu").status_code == 404


def test_the_breach_page_shows_the_timeline_with_its_sources(client: Client) -> None:
    entry = TimelineEntry.objects.create(
        breach=cast.breach(), date="2026-02-01", text_fr="Un fait.", text_en="A fact."
    )
    entry.sources.add(cast.source())
    assert "1er février 2026" in client.get(address("breach")).content.decode()
    english = client.get(address("breach", "en")).content.decode()
    assert "A fact." in english
    assert "Journal d’exemple" in english


def test_an_unset_operator_is_said_to_be_missing(client: Client) -> None:
    page = client.get(address("legal")).content.decode()
    assert "non renseigné par l’exploitant de cette installation" in page


@pytest.mark.parametrize(("name", "queries"), [("insurer", 12), ("breach", 15), ("insurers", 9)])
def test_queries_do_not_grow_with_the_directory(
    client: Client,
    name: str,
    queries: int,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr(versions, "CHECK_EVERY", 60)
    versions.directory_version()
    for number in range(12):
        insurer = cast.insurer(f"ile-{number}", f"Mutuelle de l’Île {number} (fictive)")
        InsurerAlias.objects.create(insurer=cast.phare(), name=f"Phare {number}")
        Insurer.objects.filter(pk=insurer.pk).update(successor=cast.phare())
    with django_assert_max_num_queries(queries + 2):  # and the two SET ROLE of the client
        assert client.get(address(name)).status_code == 200


@pytest.mark.parametrize("path", ["/organismes/inconnu/", "/violations/inconnue/", "/rien/"])
def test_a_missing_page_offers_the_search(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert 'role="search"' in response.content.decode()
    assert not response.cookies


@pytest.mark.parametrize("status", [500, 503])
def test_failure_pages_need_no_database_and_speak_both_languages(
    status: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        page = render_to_string(f"{status}.html", request=RequestFactory().get("/"))
    assert '<html lang="fr">' in page
    assert '<div class="prose" lang="en">' in page
