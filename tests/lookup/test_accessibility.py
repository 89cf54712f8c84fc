"""The public pages in a real browser: axe-core, small screens, the keyboard, scripts on and off.

Pages are rendered first by the test client, with the rights of the web role and the site's own
headers (the content security policy holds), then handed to Chromium at their addresses.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import Client
from playwright.sync_api import ConsoleMessage, Page, Route, sync_playwright

from insurers.models import Advice, Insurer
from tests import cast
from tests.chromium import find_chromium

pytestmark = pytest.mark.django_db

SITE = "http://localhost"
PATHS = [
    "/",
    "/?q=mutuelle",
    "/?q=inconnue",
    "/organismes/",
    "/organismes/mutuelle-du-phare/",
    "/organismes/ancienne/",
    "/violations/",
    "/violations/alphapay-betapay-2026/",
    "/conseils/",
    "/donnees-ouvertes/",
    "/mentions-legales/",
    "/confidentialite/",
    "/accessibilite/",
    "/suis-je-concerne/",
    "/suis-je-concerne/mutuelle-du-phare/",
    "/en/",
    "/en/organismes/mutuelle-du-phare/",
    "/rien/",
]
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
Rendered = Mapping[str, HttpResponse]


@pytest.fixture
def rendered(client: Client) -> Rendered:
    Insurer.objects.create(slug="ancienne", name="Ancienne Mutuelle", successor=cast.phare())
    Advice.objects.create(
        code="beware",
        population=cast.insured_people(),
        text_fr="Méfiez-vous des messages.",
        text_en="Be wary of messages.",
    )
    suggested = "/recherche/suggestions/?q=phare"
    return {path: client.get(path) for path in [*PATHS, suggested]}  # type: ignore[misc]


@contextmanager
def browser_page(
    rendered: Rendered, *, width: int = 1280, scripts: bool = True
) -> Iterator[tuple[Page, list[str]]]:
    """Open Chromium on the rendered pages; the list fills with what its console complains of."""

    def answer(route: Route) -> None:
        parts = urlsplit(route.request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        if path.startswith("/static/"):
            found = Path(str(finders.find(path.removeprefix("/static/"))))
            route.fulfill(body=found.read_bytes(), content_type=TYPES[found.suffix])
        else:
            response = rendered[path]
            headers = {name.lower(): value for name, value in response.items()}
            route.fulfill(status=response.status_code, headers=headers, body=response.content)

    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "404" not in message.text:
            complaints.append(message.text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            java_script_enabled=scripts,
        )
        context.route(f"{SITE}/**", answer)
        page = context.new_page()
        page.on("console", note)
        yield page, complaints
        browser.close()


def test_axe_finds_nothing_and_nothing_overflows(rendered: Rendered) -> None:
    """On a wide screen; the whole ways look at every page on a narrow one, in light and dark."""
    faults: list[str] = []
    with browser_page(rendered) as (page, complaints):
        for path in PATHS:
            page.goto(SITE + path)
            violations = Axe().run(page).response["violations"]
            faults += [f"{path}: {one['id']}" for one in violations]
            root = "document.documentElement"
            if page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"):
                faults.append(f"{path}: wider than the screen")
    assert faults + complaints == []


def test_targets_are_at_least_24_pixels_high(rendered: Rendered) -> None:
    """WCAG 2.2, 2.5.8: links inside a sentence are exempt, so only menus and controls count."""
    with browser_page(rendered, width=320) as (page, _):
        page.goto(f"{SITE}/?q=mutuelle")
        heights = page.eval_on_selector_all(
            "nav a, .brand, .language a, button, input, summary, .suggestions a",
            "all => all.map(one => one.getBoundingClientRect().height)",
        )
    assert heights
    assert min(heights) >= 24


def test_the_answer_is_reached_with_the_keyboard_alone(rendered: Rendered) -> None:
    with browser_page(rendered) as (page, complaints):
        page.goto(f"{SITE}/")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Aller au contenu"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.locator(":focus").get_attribute("name") == "q"
        page.keyboard.type("phare")
        page.get_by_role("link", name="Mutuelle du Phare").wait_for()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.locator(":focus").get_attribute("href") == "/organismes/mutuelle-du-phare/"
        page.keyboard.press("Enter")
        page.wait_for_url("**/organismes/mutuelle-du-phare/")
        heading = page.get_by_role("heading", level=1).inner_text()
    assert heading.startswith("Mutuelle du Phare")
    assert complaints == []


def test_the_search_field_has_the_question_as_its_name(rendered: Rendered) -> None:
    with browser_page(rendered, scripts=False) as (page, _):
        page.goto(f"{SITE}/")
        field = page.get_by_role("searchbox", name="Quel est votre organisme complémentaire\u202f?")
        assert field.count() == 1


def test_the_focus_is_always_visible(rendered: Rendered) -> None:
    with browser_page(rendered) as (page, _):
        page.goto(f"{SITE}/organismes/mutuelle-du-phare/")
        outlines = set()
        for _step in range(12):
            page.keyboard.press("Tab")
            outlines.add(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
    assert outlines == {"solid"}
