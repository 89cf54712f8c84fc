"""The page's script: parts, lost connections, a reload, another file, a change of mind."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.whole_way.conftest import Portal, sign_in, visitor

PARTS = re.compile(r"/espace/listes/envois/[0-9a-f-]{36}/$")
LIST_PAGE = re.compile(r"/espace/listes/\d+/$")


def large_file(folder: Path, name: str) -> Path:
    """Three parts of 8 MiB, made of few people and long remarks."""
    path = folder / name
    rows = ["Numéro adhérent;Date de naissance;Nom;Courriel;Remarque"]
    rows += [
        f"{name}{number};12/03/1980;Longue;l{number}@longue.example.fr;{'x' * 50_000}"
        for number in range(400)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


# Signed in once: a one-time code serves once.
@pytest.fixture(scope="module")
def signed_in(browser: Browser, portal: Portal) -> Iterator[Page]:
    # Chromium writes requests that a test cuts to its console.
    with visitor(browser, portal, strict=False, viewport={"width": 320, "height": 640}) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        sign_in(page, portal, "preparatrice")
        yield page


@pytest.fixture
def paule(signed_in: Page) -> Page:
    signed_in.unroute_all()
    signed_in.goto("/espace/listes/nouvelle/")
    return signed_in


def send(page: Page, path: Path) -> None:
    page.set_input_files("input[name=file]", path)
    page.get_by_role("button", name="Envoyer la liste").click()


def cut_parts(page: Page, *, after: int) -> list[str]:
    """Let some parts pass and cut all others; return what was let through."""
    passed: list[str] = []

    def handle(route: Route) -> None:
        if route.request.method == "PATCH" and len(passed) >= after:
            route.abort("connectionreset")
            return
        if route.request.method == "PATCH":
            passed.append(route.request.headers["upload-offset"])
        route.continue_()

    page.route(PARTS, handle)
    return passed


def test_a_large_file_goes_in_parts_to_its_list(paule: Page, tmp_path: Path) -> None:
    passed = cut_parts(paule, after=99)
    send(paule, large_file(tmp_path, "A"))
    paule.wait_for_url(LIST_PAGE, timeout=60_000)
    assert passed == ["0", str(8 * 1024**2), str(16 * 1024**2)]


def test_a_lost_connection_is_said_and_the_upload_goes_on(paule: Page, tmp_path: Path) -> None:
    cut_parts(paule, after=1)
    path = large_file(tmp_path, "B")
    size = path.stat().st_size
    send(paule, path)
    expect(paule.get_by_role("alert")).to_contain_text("La connexion est coupée", timeout=30_000)
    assert Axe().run(paule).response["violations"] == []
    assert paule.evaluate("document.documentElement.scrollWidth") <= 320
    bar = paule.get_by_role("progressbar")
    assert bar.evaluate("bar => [bar.value, bar.max]") == [8 * 1024**2, size]
    paule.unroute(PARTS)
    paule.wait_for_url(LIST_PAGE, timeout=60_000)


def test_after_a_reload_the_same_file_goes_on_and_no_other(paule: Page, tmp_path: Path) -> None:
    path = large_file(tmp_path, "C")
    cut_parts(paule, after=1)
    send(paule, path)
    expect(paule.get_by_role("alert")).to_contain_text("La connexion est coupée", timeout=30_000)
    paule.unroute(PARTS)
    paule.goto("/espace/listes/nouvelle/")
    unfinished = paule.locator("[data-unfinished]")
    expect(unfinished).to_contain_text("reçus sur")
    assert Axe().run(paule).response["violations"] == []
    again = unfinished.locator("input[type=file]")
    again.set_input_files(large_file(tmp_path, "autre"))
    unfinished.get_by_role("button", name="Reprendre", exact=True).click()
    expect(paule.get_by_role("alert")).to_contain_text("Ce n’est pas le même fichier")
    passed = cut_parts(paule, after=99)
    again.set_input_files(path)
    unfinished.get_by_role("button", name="Reprendre", exact=True).press("Enter")
    paule.wait_for_url(LIST_PAGE, timeout=60_000)
    assert passed == [str(8 * 1024**2), str(16 * 1024**2)]


def test_an_upload_is_cancelled_under_way(paule: Page, tmp_path: Path) -> None:
    cut_parts(paule, after=1)
    send(paule, large_file(tmp_path, "D"))
    expect(paule.get_by_role("alert")).to_contain_text("La connexion est coupée", timeout=30_000)
    paule.get_by_role("button", name="Annuler l’envoi").click()
    expect(paule.locator("main")).to_contain_text("L’envoi est annulé")
    expect(paule.locator("[data-unfinished]")).to_have_count(0)


def test_what_is_wrong_is_said_without_leaving_the_page(paule: Page) -> None:
    paule.get_by_role("button", name="Envoyer la liste").click()
    expect(paule.get_by_role("alert")).to_contain_text("Choisissez le fichier")
    expect(paule.locator("input[name=file]")).to_be_focused()


def test_an_approver_makes_a_token_that_works(browser: Browser, portal: Portal) -> None:
    with visitor(browser, portal, viewport={"width": 320, "height": 640}) as armand:
        sign_in(armand, portal, "approbateur")
        armand.goto("/espace/equipe/")
        armand.get_by_role("link", name="Jetons de l’interface").click()
        assert Axe().run(armand).response["violations"] == []
        armand.get_by_label("Nom").fill("export de nuit")
        armand.get_by_role("button", name="Créer le jeton").click()
        assert Axe().run(armand).response["violations"] == []
        assert armand.evaluate("document.documentElement.scrollWidth") <= 320
        secret = armand.get_by_label("Jeton", exact=True).input_value()
    headers = {"Authorization": f"Bearer {secret}"}
    with visitor(browser, portal, strict=False) as program:
        address = f"{portal.url}/api/v1/lists/1"
        answer = program.context.request.get(address, headers=headers)
        assert answer.json()["state"] == "accepted"
