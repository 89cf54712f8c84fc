"""On paper, for people without a computer: what is printed, and that a poster is one sheet."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.whole_way.conftest import Portal, sign_in, visitor
from tests.whole_way.pages import PHARE

MGP = "/organismes/mgp/"
BREACH = "/registre/viamedis-almerys-2024/"
REGISTER = ["/registre/", BREACH, f"{BREACH}{PHARE}/", f"{BREACH}{PHARE}/article-33/"]
NOT_ON_PAPER = (
    "nav",
    "form",
    "button",
    ".button",
    ".skip",
    ".language",
    ".breadcrumb",
    "details:not(.print-open)",
)


@pytest.fixture(scope="module")
def paper(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A visitor who prints."""
    with visitor(browser, portal, strict=False, viewport={"width": 794, "height": 1123}) as page:
        page.emulate_media(media="print")
        yield page


@pytest.fixture(scope="module")
def files(browser: Browser, portal: Portal) -> Iterator[Page]:
    """An auditor who prints, on sheets that lie across."""
    with visitor(browser, portal, strict=False, viewport={"width": 1002, "height": 687}) as page:
        sign_in(page, portal, "auditrice")
        page.emulate_media(media="print")
        yield page


def pages_of(pdf: bytes) -> int:
    """Count the sheets of a PDF of Chromium, whose page objects are not compressed."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def printed(page: Page) -> bytes:
    return page.pdf(prefer_css_page_size=True)


@pytest.mark.parametrize(
    "address", ["/conseils/", MGP, f"/organismes/{PHARE}/", f"/organismes/{PHARE}/affiche/"]
)
@pytest.mark.parametrize("language", ["", "/en"])
def test_nothing_to_click_is_printed(paper: Page, address: str, language: str) -> None:
    paper.goto(language + address)
    for kind in NOT_ON_PAPER:
        shown = paper.locator(kind).evaluate_all("all => all.filter(e => e.offsetHeight).length")
        assert shown == 0, kind
    assert paper.get_by_role("heading", level=1).is_visible()
    assert paper.get_by_text(f"localhost{language}{address}").is_visible()


def test_an_insurers_page_has_on_paper_what_a_relative_needs(paper: Page) -> None:
    paper.goto(f"/organismes/{PHARE}/")
    for text in (
        "est au nombre des organismes concernés.",
        "Source :",
        "dpo@phare.example.fr",
        "01 99 00 00 01",
        "Que faire maintenant",
        "Tous les conseils, et où signaler une arnaque : localhost/conseils/",
    ):
        assert paper.get_by_text(text).first.is_visible(), text
    template = paper.get_by_text("Au titre de l’article 15")
    assert template.evaluate("e => e.checkVisibility({contentVisibilityAuto: true})")
    assert pages_of(printed(paper)) <= 3


def test_the_address_of_a_source_is_written_out(paper: Page) -> None:
    paper.goto(MGP)
    source = paper.locator("main a[href^='https://mgp.fr/']").first
    after = source.evaluate("e => getComputedStyle(e, '::after').content")
    assert after.startswith('" (" ') or "https://mgp.fr/" in after
    spelled = paper.locator("main .advice > li > a")
    assert all("http" not in text for text in spelled.all_inner_texts())


def test_advice_says_where_to_report_in_full(paper: Page) -> None:
    paper.goto("/conseils/")
    for text in ("33700.fr", "signal-spam.fr", "internet-signalement.gouv.fr"):
        assert paper.get_by_text(text).first.is_visible()
    link = paper.get_by_role("link", name="conseils en cas de fuite ou de vol de données")
    after = link.evaluate("e => getComputedStyle(e, '::after').content")
    assert "attr(href)" in after or "https://www.cnil.fr/fr/conseils-fuite-vol-donnees" in after
    assert pages_of(printed(paper)) <= 4


def test_every_poster_is_one_sheet(paper: Page) -> None:
    """The tallest three, as an area as wide as an A4 sheet's shows them."""
    rows = paper.request.get("/organismes.json").json()["rows"]
    slugs = sorted({row["insurer"] for row in rows})
    posters = [f"{language}/organismes/{one}/affiche/" for one in slugs for language in ("", "/en")]
    assert len(posters) > 50
    paper.set_viewport_size({"width": 673, "height": 100})
    heights = {}
    for address in posters:
        paper.goto(address)
        heights[address] = paper.evaluate("document.documentElement.scrollHeight")
    for address in sorted(heights, key=heights.__getitem__)[-3:]:
        paper.goto(address)
        assert pages_of(printed(paper)) == 1, address


def test_a_poster_says_what_is_known_and_how_to_check_it(paper: Page) -> None:
    paper.goto("/organismes/mgp/affiche/")
    said = paper.locator("article").inner_text()
    for text in (
        "MGP est au nombre des organismes concernés",
        "Source : MGP (organisme complémentaire",
        "Tapez cette adresse dans un navigateur : localhost",
        "ni lien ni pièce jointe",
        "Ne donnez jamais un mot de passe",
        "Demander à MGP",
    ):
        assert text in said.replace("\u00a0", " "), text
    assert paper.locator("article img, article svg").count() == 0


@pytest.mark.parametrize("address", REGISTER)
def test_the_register_is_printed_whole(files: Page, address: str) -> None:
    """Without controls, and nothing beyond the sheet's edge."""
    files.goto(address)
    for kind in NOT_ON_PAPER:
        shown = files.locator(kind).evaluate_all("all => all.filter(e => e.offsetHeight).length")
        assert shown == 0, kind
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert files.evaluate(width) == 0
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth).length"
    assert files.locator(".table").evaluate_all(cut) == 0
    assert files.get_by_role("heading", level=1).is_visible()


def test_the_table_of_a_breach_lies_across_with_whole_rows(files: Page) -> None:
    files.goto(BREACH)
    sheet = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", printed(files))
    assert sheet is not None
    assert float(sheet[1]) > float(sheet[2])
    style = "(e, name) => getComputedStyle(e).getPropertyValue(name)"
    table = files.locator(".table-dense table")
    for part, name, value in (
        ("thead", "display", "table-header-group"),
        ("tfoot", "display", "table-row-group"),
        ("tbody tr >> nth=0", "break-inside", "avoid"),
        ("tbody tr >> nth=0", "break-after", "avoid"),
    ):
        assert table.locator(part).evaluate(style, name) == value, (part, name)
    for chart in files.locator("svg.chart-course").all():
        assert chart.evaluate(style, "break-inside") == "avoid"
    assert files.get_by_text("Personnes informées à la fin de chaque jour").is_visible()
