"""Every page in real Chromium: axe without violations, nothing wider than 320 px."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from breachportal.embedded.members import write_members
from notifications.references import derive
from tests.whole_way.conftest import MEMBERS, Portal, reference_in, sign_in, visitor
from tests.whole_way.pages import PHARE, PUBLIC

APPROVER = [
    "/espace/",
    "/espace/campagnes/1/annuler/",
    "/espace/campagnes/1/adresses-partagees/",
    "/espace/equipe/",
    f"/espace/equipe/{PHARE}/inviter/",
    f"/espace/equipe/{PHARE}/courriel/",
    "/espace/droits/",
]
AUDITOR = [
    "/registre/",
    "/espace/alertes/",
    "/registre/personne/",
    "/registre/listes/1/echantillon/",
]
STAFF = [
    "/espace/",
    "/espace/question/",
    "/espace/listes/nouvelle/",
    "/espace/listes/1/",
    "/espace/listes/1/colonnes/",
    "/espace/listes/1/dispense/",
    "/espace/avis/1/",
    "/espace/avis/1/apercu/",
    "/espace/avis/1/versions/",
    "/espace/campagnes/",
    "/espace/campagnes/1/",
    f"/espace/declarations/viamedis-almerys-2024/{PHARE}/",
    f"/espace/communications/viamedis-almerys-2024/{PHARE}/",
    "/espace/equipe/",
    f"/espace/registre/viamedis-almerys-2024/{PHARE}/",
    "/registre/",
    "/registre/viamedis-almerys-2024/",
    f"/registre/viamedis-almerys-2024/{PHARE}/article-33/",
    f"/registre/viamedis-almerys-2024/{PHARE}/",
    f"/registre/viamedis-almerys-2024/{PHARE}/preuves/",
    "/registre/journal/",
    "/espace/conservation/",
    "/espace/alertes/",
    "/espace/signalements/",
    "/compte/2fa/",
    "/compte/sessions/",
    "/compte/password/change/",
    "/compte/2fa/recovery-codes/",
    "/compte/2fa/totp/deactivate/",
]


@pytest.fixture(scope="module")
def small(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A visitor on a narrow screen."""
    with visitor(browser, portal, strict=False, viewport={"width": 320, "height": 640}) as page:
        yield page


@pytest.fixture(scope="module")
def paule(browser: Browser, portal: Portal) -> Iterator[Page]:
    """The preparer, signed in, on a narrow screen."""
    with visitor(browser, portal, viewport={"width": 320, "height": 640}) as page:
        sign_in(page, portal, "preparatrice")
        yield page


@pytest.fixture(scope="module")
def armand(browser: Browser, portal: Portal) -> Iterator[Page]:
    """The approver, signed in, on a narrow screen: more buttons than the preparer has."""
    with visitor(browser, portal, viewport={"width": 320, "height": 640}) as page:
        sign_in(page, portal, "approbateur")
        yield page


@pytest.fixture(scope="module")
def aude(browser: Browser, portal: Portal) -> Iterator[Page]:
    """The auditor, signed in, on a narrow screen."""
    with visitor(browser, portal, viewport={"width": 320, "height": 640}) as page:
        sign_in(page, portal, "auditrice")
        yield page


def check(page: Page, address: str, *, scheme: str = "light") -> None:
    put_in(page, scheme)
    page.goto(address)
    check_as_it_is(page)


def put_in(page: Page, scheme: str) -> None:
    """Show a page in light or dark colours, at once: no contrast is measured on the way there."""
    page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )


def check_as_it_is(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert [(found["id"], found["nodes"][0]["html"]) for found in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    hidden = "found => found.filter(e => e.scrollWidth > e.clientWidth).length"
    assert page.locator(".table-stacks").evaluate_all(hidden) == 0, "a table hides columns"
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.lang") in {"fr", "en"}


@pytest.mark.parametrize("address", APPROVER)
def test_an_approvers_page_is_accessible(armand: Page, address: str) -> None:
    check(armand, address)


@pytest.mark.parametrize("address", AUDITOR)
def test_an_auditors_page_is_accessible(aude: Page, address: str) -> None:
    check(aude, address)


def test_a_sample_a_match_and_ones_rights_are_answered(
    aude: Page, armand: Page, tmp_path: Path
) -> None:
    """Asked in the browser, which renews each page until the worker has answered."""
    write_members(tmp_path / "list.csv", rows=MEMBERS)
    with (tmp_path / "list.csv").open(encoding="utf-8", newline="") as file:
        listed = next(csv.DictReader(file, delimiter=";"))
    aude.goto("/registre/listes/1/echantillon/")
    aude.fill("[name=size]", "2")
    aude.get_by_role("button", name="Tirer l’échantillon").click()
    expect(aude.locator("#echantillon h2")).to_have_count(2, timeout=40_000)
    check_as_it_is(aude)
    aude.goto("/registre/personne/")
    aude.fill("[name=reason]", "Plainte 12")
    aude.select_option("[name=insurer]", label="Mutuelle du Phare (démonstration)")
    armand.goto("/espace/droits/")
    armand.check("[value=access]")
    for page, button in ((aude, "Chercher"), (armand, "Continuer")):
        page.fill("[name=member_number]", listed["Numéro adhérent"])
        page.fill("[name=birth_date]", listed["Date de naissance"])
        page.get_by_role("button", name=button).click()
        expect(page.locator("#reponse h2")).to_contain_text("ligne 2", timeout=20_000)
        check_as_it_is(page)


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize(("language", "scheme"), [("fr", "light"), ("en", "dark")])
def test_a_public_page_is_accessible(small: Page, address: str, language: str, scheme: str) -> None:
    check(small, f"/en{address}" if language == "en" else address, scheme=scheme)


def test_the_answers_of_checking_are_accessible(small: Page, portal: Portal) -> None:
    small.goto("/verifier/")
    for typed in (reference_in(portal.first_message()), derive(1), derive(1)[:-1] + "U"):
        small.fill("[name=reference]", typed)
        with small.expect_navigation():
            small.get_by_role("button", name="Vérifier ce code").click()
        for summary in small.locator("summary").all():
            summary.click()
        for scheme in ("light", "dark"):
            put_in(small, scheme)
            check_as_it_is(small)


@pytest.mark.parametrize("address", STAFF)
def test_a_staff_page_is_accessible(paule: Page, address: str) -> None:
    check(paule, address)


def test_the_answers_to_staff_are_accessible(paule: Page, tmp_path: Path) -> None:
    """Asked and waited for in the browser, which renews the page until the worker has answered."""
    write_members(tmp_path / "list.csv", rows=MEMBERS)
    with (tmp_path / "list.csv").open(encoding="utf-8", newline="") as file:
        listed = next(csv.DictReader(file, delimiter=";"))
    for number, heading in (
        (listed["Numéro adhérent"], "Sur 1 liste de votre organisme"),
        ("999999999", "Sur aucune liste acceptée de votre organisme"),
    ):
        paule.goto("/espace/question/")
        paule.fill("[name=member_number]", number)
        paule.fill("[name=birth_date]", listed["Date de naissance"])
        paule.keyboard.press("Enter")
        paule.get_by_role("heading", name=heading).wait_for(timeout=20_000)
        assert number not in paule.url
        for scheme in ("light", "dark"):
            put_in(paule, scheme)
            check_as_it_is(paule)


def test_the_course_of_a_campaign_is_accessible_as_a_table(paule: Page) -> None:
    paule.set_viewport_size({"width": 320, "height": 640})
    paule.goto("/espace/campagnes/1/")
    paule.locator("summary", has_text="tableau").click()
    assert paule.locator("#course-table tbody tr").count() >= 2
    assert Axe().run(paule).response["violations"] == []
    assert paule.evaluate("document.documentElement.scrollWidth") <= 320


def test_no_column_of_figures_is_cut_on_a_wide_screen(paule: Page) -> None:
    paule.set_viewport_size({"width": 1280, "height": 800})
    breach = "/registre/viamedis-almerys-2024/"
    for address in (breach, "/registre/journal/", "/espace/campagnes/"):
        paule.goto(address)
        assert paule.locator(".table").first.evaluate("e => e.scrollWidth <= e.clientWidth")
