"""Somebody asks to be told when an answer changes, and confirms, by keyboard on a narrow screen."""

import re

import pytest
from playwright.sync_api import Browser, Page

from tests.whole_way.conftest import Portal, visitor, wait_for
from tests.whole_way.pages import SABLE
from tests.whole_way.test_accessibility import check_as_it_is


def press(page: Page, name: str) -> None:
    """Reach a button by Tab alone and press it."""
    for _step in range(30):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == name:
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return
    raise AssertionError("the keyboard does not reach the button")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_from_the_page_of_an_unknown_answer_to_the_confirmation(
    browser: Browser, portal: Portal, scripts: bool
) -> None:
    before = portal.messages()
    small = {"width": 320, "height": 640}
    with visitor(browser, portal, viewport=small, java_script_enabled=scripts) as page:
        page.goto(f"/organismes/{SABLE}/")
        page.get_by_label("Votre adresse e-mail").focus()
        page.keyboard.type(f"camille-{scripts}@example.fr")
        press(page, "Me prévenir")
        assert "un message est en route" in page.locator("h1").inner_text()

        wait_for(lambda: portal.messages() > before, seconds=60)
        confirm, remove = re.findall(r"https?://\S+", portal.message(before + 1))
        page.goto(confirm)
        if scripts:
            check_as_it_is(page)
        press(page, "Oui, me prévenir")
        assert page.locator("h1").inner_text() == "C’est confirmé"
        if scripts:
            check_as_it_is(page)

        page.goto(remove)
        if scripts:
            check_as_it_is(page)
        press(page, "Effacer mon adresse")
        assert page.locator("h1").inner_text() == "Votre adresse est effacée"
        assert page.context.cookies() == []
    logs = "".join(log.read_text() for log in (portal.state / "logs").iterdir())
    assert confirm.split("/")[-2] not in logs
    assert "camille-" not in logs
