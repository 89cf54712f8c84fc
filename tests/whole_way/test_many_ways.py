"""Every public page enlarged, by keyboard, to a screen reader, without colour and without scripts.

Each page is opened once in each language and looked at in all these ways; a test each then says
what was found. What the accessibility statement (`/accessibilite/`) claims is here,
in test_accessibility.py (axe-core, 320 pixels, light and dark) and in test_print.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils.translation import override
from playwright.sync_api import Browser, CDPSession, Page, Route, ViewportSize, expect

from lookup import urls
from notifications.references import derive
from tests.whole_way.conftest import FROM_THE_TOP, Portal, reference_in, visitor
from tests.whole_way.pages import PHARE, PUBLIC

Faults = dict[str, list[str]]
WIDE: ViewportSize = {"width": 1280, "height": 800}
TITLES = {  # The pages of failure that need no translation are in both languages, French first.
    "fr": (" – Portail violations",),
    "en": (" – Breach portal", " – Portail violations"),
}
FAILURES = ("429.html", "lookup/too_often.html", "500.html", "503.html", "lookup/not_our_page.html")

# WCAG 2.2, 1.4.12: what a reader may set without losing anything.
SPACED = """
* { line-height: 1.5 !important; letter-spacing: 0.12em !important }
* { word-spacing: 0.16em !important }
p { margin-bottom: 2em !important }
"""
SET_SPACING = """css => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = css ? [sheet] : [];
}"""
SET_TEXT_SIZE = "size => { document.documentElement.style.fontSize = size }"
LOST = """() => {
    const root = document.documentElement;
    const lost = root.scrollWidth > root.clientWidth ? ["wider than the screen"] : [];
    for (const one of document.body.querySelectorAll("*")) {
        const cuts = ["hidden", "clip"].includes(getComputedStyle(one).overflowX);
        if (cuts && one.scrollWidth > one.clientWidth + 1 && !one.closest(".sr-only, svg"))
            lost.push("cut: " + one.outerHTML.slice(0, 80));
    }
    return lost;
}"""
# Notes each element that takes the focus, and whether that can be seen.
WATCH_FOCUS = """() => {
    const kinds = "a[href], button, input, select, textarea, summary, [tabindex='0']";
    const all = [...document.querySelectorAll(kinds)].filter(
        one => one.checkVisibility({ contentVisibilityAuto: true }) && one.type !== "hidden");
    window.walked = [];
    document.addEventListener("focusin", event => {
        const style = getComputedStyle(event.target);
        const box = event.target.getBoundingClientRect();
        window.walked.push([
            all.indexOf(event.target),
            style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
            box.bottom > 0 && box.top < innerHeight,
        ]);
    });
    return all.length;
}"""
WITHOUT_COLOUR = """() => {
    const faults = [];
    for (const link of document.querySelectorAll("main a:not(.button)")) {
        if (link.closest("nav") || !link.offsetParent) continue;
        const drawn = [link, ...link.querySelectorAll("*")];
        if (!drawn.some(one => getComputedStyle(one).textDecorationLine.includes("underline")))
            faults.push("not underlined: " + link.textContent.trim());
    }
    const controls = "main :is(.button, input, textarea, select)";
    for (const control of document.querySelectorAll(controls)) {
        const style = getComputedStyle(control);
        if (control.offsetParent && !(parseFloat(style.borderTopWidth) > 0))
            faults.push("no border: " + control.outerHTML.slice(0, 80));
    }
    for (const here of document.querySelectorAll("[aria-current]")) {
        if (Number(getComputedStyle(here).fontWeight) < 600) faults.push("current by colour only");
    }
    const inWords = { ".tag": null, ".message": ".message-title", ".answer": ".verdict" };
    for (const kind in inWords)
        for (const one of document.querySelectorAll(kind))
            if (!(inWords[kind] ? one.querySelector(inWords[kind]) : one)?.textContent.trim())
                faults.push(kind + " says nothing in words");
    const mark = kind => [...document.querySelectorAll(kind)].map(
        one => getComputedStyle(one, "::before").content);
    const exposed = new Set(mark(".exposed li"));
    if (mark(".spared li").some(one => exposed.has(one))) faults.push("exposed as spared");
    return faults;
}"""
NAMED = {
    *("link", "button", "textbox", "searchbox", "combobox", "checkbox", "radio", "listbox"),
    *("heading", "navigation", "region", "table", "image", "img", "DisclosureTriangle"),
}


@pytest.fixture(scope="module")
def walk(browser: Browser, portal: Portal) -> Faults:
    """Open every page once in each language; return what is wrong, by way of looking."""
    found: Faults = defaultdict(list)
    with visitor(browser, portal, strict=False, viewport=WIDE) as page:
        session = page.context.new_cdp_session(page)
        for place in _every_place(page, portal):
            for way, faults in _look(page, session).items():
                found[way] += [f"{place}: {fault}" for fault in faults]
            page.set_viewport_size(WIDE)
        found["walked"].append("every page")
    return found


def _every_place(page: Page, portal: Portal) -> Iterator[str]:
    """Go from page to page, through the answers of a form and the pages of failure too."""
    references = [reference_in(portal.first_message()), derive(1), "BP7K"]
    for prefix in ("", "/en"):
        for path in PUBLIC:
            page.goto(prefix + path)
            yield prefix + path
        for number, reference in enumerate(references):
            page.goto(f"{prefix}/verifier/")
            page.locator("[name=reference]").fill(reference)
            with page.expect_navigation():
                page.locator("main form .button").last.click()
            yield f"{prefix}/verifier/, answer {number}"
        for name in FAILURES:
            with override("en" if prefix else "fr"):
                body = render_to_string(name, {"minutes": 1})
            address = f"{prefix}/{name}"
            page.route(f"**{address}", _answer_with(body))
            page.goto(address)
            yield address


def _answer_with(body: str) -> Callable[[Route], None]:
    def answer(route: Route) -> None:
        route.fulfill(body=body, content_type="text/html; charset=utf-8")

    return answer


def _look(page: Page, session: CDPSession) -> Faults:
    language = "en" if "/en/" in page.url else "fr"
    found = {"tree": _tree_faults(session, language), "keyboard": _keyboard_faults(page)}
    page.evaluate(SET_TEXT_SIZE, "212.5%")  # twice what the style sheet sets
    found["text twice as large"] = page.evaluate(LOST)
    page.evaluate(SET_TEXT_SIZE, "")
    page.set_viewport_size({"width": 640, "height": 400})
    found["page twice as large"] = page.evaluate(LOST)
    page.set_viewport_size({"width": 320, "height": 640})
    page.evaluate(SET_SPACING, SPACED)
    found["text spaced"] = page.evaluate(LOST)
    page.evaluate(SET_SPACING, "")
    page.emulate_media(forced_colors="active")
    found["without colour"] = page.evaluate(WITHOUT_COLOUR)
    page.emulate_media(forced_colors="none")
    return found


def _keyboard_faults(page: Page) -> list[str]:
    """Press Tab through the whole page: each control once, in order, seen, and out again."""
    page.evaluate(FROM_THE_TOP)
    controls = page.evaluate(WATCH_FOCUS)
    for _ in range(controls):
        page.keyboard.press("Tab")
    walked = page.evaluate("window.walked")
    order = [index for index, _, _ in walked]
    faults = [] if order == list(range(controls)) else [f"order {order} of {controls}"]
    faults += [f"focus of {index} not drawn" for index, drawn, _ in walked if not drawn]
    return faults + [f"focus of {index} off the screen" for index, _, seen in walked if not seen]


def _tree_faults(session: CDPSession, language: str) -> list[str]:
    """Look at what assistive technology is given (Chromium's accessibility tree)."""
    nodes = [node for node in _in_order(session) if not node.get("ignored")]
    roles: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for node in nodes:
        roles[node["role"]["value"]].append(node)
    faults = [
        f"{role} without a name"
        for role in NAMED & roles.keys()
        for node in roles[role]
        if not node.get("name", {}).get("value", "").strip()
    ]
    for landmark in ("banner", "main", "contentinfo"):
        if len(roles[landmark]) > 1 or (landmark == "main" and not roles[landmark]):
            faults.append(f"{len(roles[landmark])} {landmark}")
    menus = [node["name"]["value"] for node in roles["navigation"]]
    if len(menus) != len(set(menus)):
        faults.append(f"two menus of one name: {menus}")
    levels = [
        int(each["value"]["value"])
        for node in roles["heading"]
        for each in node["properties"]
        if each["name"] == "level"
    ]
    if levels[:1] != [1] or levels.count(1) != 1:
        faults.append(f"headings begin {levels[:3]}")
    if any(after > before + 1 for before, after in pairwise(levels)):
        faults.append(f"headings skip a level: {levels}")
    title = roles["RootWebArea"][0]["name"]["value"]
    if not title.endswith(TITLES[language]):
        faults.append(f"title {title}")
    return faults


def _in_order(session: CDPSession) -> Iterator[dict[str, Any]]:
    """The nodes of the accessibility tree as they are read, from the first to the last."""
    nodes = {node["nodeId"]: node for node in session.send("Accessibility.getFullAXTree")["nodes"]}
    left = [next(iter(nodes))]
    while left:
        node = nodes.get(left.pop())
        if node:
            yield node
            left += reversed(node.get("childIds", []))


WAYS = [
    "tree",
    "keyboard",
    "text twice as large",
    "page twice as large",
    "text spaced",
    "without colour",
]


@pytest.mark.parametrize("way", WAYS)
def test_every_public_page_can_be_used(walk: Faults, way: str) -> None:
    assert walk["walked"] == ["every page"]
    assert walk[way] == []


def test_every_public_address_is_walked() -> None:
    """A new page is added to tests/whole_way/pages.py."""
    bare = [path.split("?")[0] for path in PUBLIC]
    files = {"insurers_csv", "insurers_json", "robots", "suggestions"}
    for pattern in urls.urlpatterns:
        if pattern.name not in files:
            assert any(pattern.pattern.match(path[1:]) for path in bare), pattern.name


@pytest.fixture
def plain(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A visitor whose browser runs no script."""
    with visitor(browser, portal, java_script_enabled=False) as page:
        yield page


def test_an_answer_is_found_without_scripts(plain: Page) -> None:
    plain.goto("/")
    plain.get_by_role("searchbox").fill("phare")
    plain.get_by_role("button", name="Chercher").click()
    plain.get_by_role("link", name="Mutuelle du Phare").click()
    expect(plain.locator(".verdict").first).to_contain_text("est au nombre des organismes")
    plain.get_by_role("link", name="Affiche à imprimer").click()
    expect(plain.get_by_role("heading", level=1)).to_contain_text("Mutuelle du Phare")
    plain.get_by_role("link", name="English").click()
    expect(plain.locator(".verdict").first).to_contain_text("is among the insurers affected")


def test_a_message_is_checked_without_scripts(plain: Page, portal: Portal) -> None:
    plain.goto("/verifier/")
    answers = {
        reference_in(portal.first_message()): "Nous avons envoyé un seul message avec ce code.",
        derive(1): "Nous n’avons envoyé aucun message avec ce code.",
    }
    for typed, answer in answers.items():
        plain.get_by_label("Code de référence du message").fill(typed)
        plain.get_by_role("button", name="Vérifier ce code").click()
        expect(plain.locator(".verdict").first).to_contain_text(answer)
    plain.get_by_label("Code de référence du message").fill("BP7K")
    plain.get_by_role("button", name="Vérifier ce code").click()
    summary = plain.get_by_role("alert")
    summary.get_by_role("link").click()
    expect(plain.get_by_label("Code de référence du message")).to_be_focused()


def test_a_message_is_reported_without_scripts(plain: Page) -> None:
    plain.goto("/verifier/signaler/")
    plain.get_by_label("Texte du message").fill("Votre remboursement de 45 € vous attend.")
    plain.get_by_label("Comment l’avez-vous reçu").select_option(label="SMS")
    plain.get_by_role("button", name="Signaler ce message").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Merci de votre signalement")


def test_a_screen_reader_is_told_the_question(plain: Page) -> None:
    plain.goto("/")
    expect(plain.locator("body")).to_match_aria_snapshot("""
      - link "Aller au contenu"
      - banner:
        - link "Portail violations"
        - paragraph:
          - link "English"
        - navigation "Menu principal"
      - main:
        - search:
          - heading /Quel est votre organisme complémentaire/ [level=1]
          - searchbox /Quel est votre organisme complémentaire/
          - button "Chercher"
      - contentinfo:
        - navigation "Pied de page":
          - list:
            - listitem:
              - link "Mentions légales"
            - listitem:
              - link "Vie privée"
            - listitem:
              - link /Accessibilité . non conforme/
    """)


def test_a_screen_reader_is_told_the_answer(plain: Page) -> None:
    plain.goto(f"/organismes/{PHARE}/")
    expect(plain.get_by_role("main")).to_match_aria_snapshot("""
      - main:
        - heading /Mutuelle du Phare/ [level=1]
        - region /Violation de données Viamedis/:
          - heading /Violation de données Viamedis/ [level=2]
          - paragraph: /Oui . Mutuelle du Phare .* est au nombre des organismes concernés/
          - heading /Par l’opérateur Viamedis . concerné/ [level=3]
        - region "Que faire maintenant":
          - list
        - region /Demander à Mutuelle du Phare/:
          - term: Téléphone
          - definition: 01 99 00 00 01
    """)


def test_a_screen_reader_is_told_what_was_typed_wrong(plain: Page) -> None:
    plain.goto("/verifier/")
    plain.get_by_role("button", name="Vérifier ce code").click()
    expect(plain).to_have_title("Erreur\u00a0: vérifier un message – Portail violations")
    field = plain.get_by_role("textbox", name="Code de référence du message")
    expect(field).to_have_attribute("aria-invalid", "true")
    described = (field.get_attribute("aria-describedby") or "").split()
    texts = " ".join(plain.locator(f"#{one}").inner_text() for one in described)
    assert "Treize lettres et chiffres" in texts
    assert "Tapez le code qui figure dans le message." in texts
