"""Oversight by keyboard alone: where focus goes, what is announced, what a narrow screen keeps."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.whole_way.conftest import Portal, sign_in, visitor
from tests.whole_way.pages import PHARE

BREACH = "/registre/viamedis-almerys-2024/"


@pytest.fixture(scope="module")
def aude(browser: Browser, portal: Portal) -> Iterator[Page]:
    """The auditor, signed in, on a narrow screen."""
    with visitor(browser, portal, strict=False, viewport={"width": 320, "height": 640}) as page:
        sign_in(page, portal, "auditrice")
        yield page


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until something is reached, or fail."""
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"no Tab reaches {selector}")


def test_after_an_error_focus_is_at_what_is_wrong_and_leads_to_its_field(aude: Page) -> None:
    aude.goto("/registre/listes/1/echantillon/")
    tab_to(aude, "[name=size]")
    aude.keyboard.press("Control+A")
    with aude.expect_navigation():
        aude.keyboard.type("0\n")
    expect(aude.locator("#erreurs[role=alert]")).to_be_focused()
    aude.keyboard.press("Tab")
    aude.keyboard.press("Enter")
    expect(aude.locator("[name=size]")).to_be_focused()


def test_what_was_done_is_where_focus_begins(browser: Browser, portal: Portal) -> None:
    with visitor(browser, portal) as page:
        sign_in(page, portal, "preparatrice")
        page.goto(f"/espace{BREACH}{PHARE}/")
        tab_to(page, "main form button")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        expect(page.locator(".message[role=status]")).to_be_focused()


def test_a_pack_that_is_ready_is_announced_and_takes_no_focus(aude: Page) -> None:
    for _ in range(2):  # The second time, one is there to be downloaded meanwhile.
        aude.goto(f"{BREACH}{PHARE}/preuves/")
        tab_to(aude, "form[action$='demander/'] button")
        with aude.expect_navigation():
            aude.keyboard.press("Enter")
        if first := aude.locator("form[action$='telecharger/'] button").count():
            tab_to(aude, "form[action$='telecharger/'] button")
        expect(aude.locator("#evidence-said")).to_have_text("Le dossier est prêt.", timeout=40_000)
    assert first
    expect(aude.locator("form[action$='telecharger/'] button:focus")).to_have_count(1)


def test_a_narrow_screen_sorts_too(aude: Page) -> None:
    aude.goto(BREACH)
    tab_to(aude, "summary")
    aude.keyboard.press("Enter")
    tab_to(aude, "[name=tri]")
    while aude.locator("[name=tri]").input_value() != "-told":
        aude.keyboard.press("ArrowDown")
    tab_to(aude, "form[role=search] button")
    with aude.expect_navigation():
        aude.keyboard.press("Enter")
    assert "tri=-told" in aude.url
    assert aude.locator("tbody th").first.inner_text().startswith("Mutuelle du Phare")


def test_a_card_of_a_narrow_screen_has_no_empty_line(aude: Page) -> None:
    aude.goto(BREACH)
    empty = aude.locator("td[data-label]:empty")
    assert empty.count(), "Dune has no details"
    assert not [cell for cell in empty.all() if cell.is_visible()]
