"""From headers that nobody knows to a list in review, in a real browser, by keyboard alone."""

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.whole_way.conftest import Portal, sign_in, visitor

HEADER = "N° Police;Jour;Contact;Tél"


def write_list(folder: Path, *numbers: int) -> Path:
    rows = [f"7{number:08d};12/03/1980;qui{number}@colonnes.example.fr;" for number in numbers]
    path = folder / f"liste-{numbers[0]}.csv"
    path.write_text("\n".join((HEADER, *rows)) + "\n", encoding="cp1252")
    return path


def send(page: Page, path: Path) -> None:
    page.goto("/espace/listes/nouvelle/")
    page.set_input_files("input[type=file]", path)
    page.get_by_role("button", name="Envoyer la liste").click()


def check(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert [(found["id"], found["nodes"][0]["html"]) for found in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_columns_are_named_once_and_remembered(
    browser: Browser, portal: Portal, tmp_path: Path
) -> None:
    with visitor(browser, portal, strict=False, viewport={"width": 320, "height": 640}) as page:
        sign_in(page, portal, "preparatrice")
        send(page, write_list(tmp_path, 1, 2))
        expect(page.locator("main")).to_contain_text("colonnes à indiquer", timeout=30_000)
        check(page)
        page.get_by_role("link", name="Indiquer les colonnes").press("Enter")
        expect(page.get_by_label("Colonne 2 : Jour")).to_have_value("birth_date")
        expect(page.get_by_label("Colonne 3 : Contact")).to_have_value("email")
        check(page)
        page.get_by_role("button", name="Lire le fichier").press("Enter")
        page.get_by_role("alert").get_by_role("link", name="Colonne 1").press("Enter")
        check(page)
        expect(page.get_by_label("Colonne 1 : N° Police")).to_be_focused()
        page.get_by_label("Colonne 1 : N° Police").select_option("member_number")
        page.get_by_role("button", name="Lire le fichier").press("Enter")
        expect(page.locator("main")).to_contain_text("à décider", timeout=30_000)
        page.get_by_role("link", name="Vérifier ou corriger").click()
        expect(page.locator("main")).to_contain_text("Choix retenus")
        check(page)
        page.get_by_role("button", name="Refuser la liste").click()
        send(page, write_list(tmp_path, 3))
        expect(page.locator("main")).to_contain_text("à décider", timeout=30_000)
        page.get_by_role("button", name="Refuser la liste").click()
