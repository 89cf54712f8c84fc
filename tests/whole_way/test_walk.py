"""By keyboard alone: each control is reached by Tab, in order, seen, and enough for each action."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from notifications.models import Transport
from tests.whole_way.conftest import FROM_THE_TOP, Portal, sign_in, visitor, wait_for
from tests.whole_way.test_story import accept

PHARE = "mutuelle-du-phare-demonstration"
BREACH = "viamedis-almerys-2024"
STATEMENT = f"/espace/communications/{BREACH}/{PHARE}/"

# Numbers what can be operated, in the order of the page; of a group of radio buttons, the one that
# Tab comes to.
NUMBER_CONTROLS = """() => {
    const every = document.querySelectorAll(
        'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]');
    const radios = new Set();
    let count = 0;
    for (const one of every) {
        if (one.disabled || !one.checkVisibility({visibilityProperty: true})) continue;
        if (one.type === 'radio') {
            const chosen = document.querySelector(`input[name="${one.name}"]:checked`);
            if (radios.has(one.name) || (chosen && chosen !== one)) continue;
            radios.add(one.name);
        }
        one.dataset.stop = count++;
    }
    return count;
}"""
FOCUSED = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    return [one.dataset.stop === undefined ? -1 : Number(one.dataset.stop),
        style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
            || getComputedStyle(one.parentElement).outlineStyle !== 'none',
        one.outerHTML.slice(0, 120)];
}"""

# Whether the focus is in this document or its frames, which element has it, and if that is a frame.
FOCUS_OF_FRAME = """() => {
    const one = document.activeElement;
    return [document.hasFocus(), [...document.querySelectorAll('*')].indexOf(one),
        one instanceof HTMLIFrameElement];
}"""


def press_tab(page: Page) -> None:
    """Press Tab, and wait until the focus is where that leads.

    A frame in a process of its own takes the focus, and gives it back, some time after the key:
    a Tab that came meanwhile would pass over the control that follows.
    """
    if len(page.frames) == 1:
        page.keyboard.press("Tab")
        return
    before = focus_of(page)
    page.keyboard.press("Tab")
    if is_in_frame(before) or is_in_frame(focus_of(page)):
        wait_for(lambda: has_arrived(before, focus_of(page)))


Focus = list[tuple[bool, int, bool]]  # as FOCUS_OF_FRAME returns it, the page's own first


def focus_of(page: Page) -> Focus:
    """Return what the page and its frames each know of the focus."""
    return [frame.evaluate(FOCUS_OF_FRAME) for frame in page.frames]


def is_in_frame(focus: Focus) -> bool:
    return focus[0][2]


def has_arrived(before: Focus, now: Focus) -> bool:
    """Whether it moved, and the page and its frames agree on where to."""
    return now != before and is_in_frame(now) == any(is_here for is_here, *_ in now[1:])


def walk(page: Page) -> None:
    """Go through the page by Tab; every control must be met once, in order, with its focus seen."""
    page.wait_for_load_state("networkidle")  # A frame that comes late takes the focus back.
    total = page.evaluate(NUMBER_CONTROLS)
    page.evaluate(FROM_THE_TOP)
    met: list[int] = []
    for _press in range(3 * total + 40):  # A date has several stops, a frame that scrolls one more.
        press_tab(page)
        stop, is_seen, what = page.evaluate(FOCUSED)
        if stop < 0 or stop in met[-1:]:
            continue
        assert is_seen, f"the focus is not seen: {what}"
        met.append(stop)
        if stop == total - 1:
            break
    assert met == list(range(total)), page.url


def go_to(page: Page, target: Locator) -> None:
    """Press Tab until a control has the focus."""
    for _press in range(400):
        if target.evaluate("one => one === document.activeElement"):
            return
        press_tab(page)
    raise AssertionError("nobody gets there by Tab")


def write(page: Page, name: str, text: str) -> None:
    """Replace what a field holds."""
    go_to(page, page.locator(f"[name={name}]"))
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def press(page: Page, button: str | re.Pattern[str], *, role: str = "button") -> None:
    """Go to a button or link, and press Enter."""
    target = page.get_by_role(role, name=button).first  # type: ignore[arg-type]
    go_to(page, target)
    with page.expect_navigation():
        page.keyboard.press("Enter")


@pytest.fixture(scope="module")
def paule(browser: Browser, portal: Portal) -> Iterator[Page]:
    with visitor(browser, portal) as page:
        sign_in(page, portal, "preparatrice")
        yield page


@pytest.fixture(scope="module")
def armand(browser: Browser, portal: Portal) -> Iterator[Page]:
    with visitor(browser, portal) as page:
        sign_in(page, portal, "approbateur")
        yield page


def test_each_control_of_the_public_pages_is_reached(page: Page) -> None:
    for address in ("/verifier/", "/verifier/signaler/", "/verifier/expediteurs/"):
        page.goto(address)
        walk(page)


def test_each_control_of_the_staff_pages_is_reached(paule: Page, armand: Page) -> None:
    for address in ("/espace/avis/1/", "/espace/avis/1/apercu/", "/espace/avis/1/versions/"):
        paule.goto(address)
        walk(paule)
    paule.goto(STATEMENT)
    for summary in paule.locator("main summary").all():
        summary.click()
    walk(paule)
    for address in ("/espace/signalements/", f"/espace/equipe/{PHARE}/courriel/", STATEMENT):
        armand.goto(address)
        walk(armand)


def test_a_suspicious_message_is_reported(page: Page) -> None:
    page.goto("/verifier/signaler/")
    write(page, "text", "Votre carte Vitale expire : payez 1 euro sur hxxp scam")
    press(page, "Signaler ce message")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Merci")


def test_a_notice_goes_from_the_first_word_to_its_approval(
    paule: Page, armand: Page, tmp_path: Path
) -> None:
    upload(paule, tmp_path)
    write_notice(paule)
    look_and_try(paule)
    submit(paule)
    campaign = paule.url
    armand.goto(campaign)
    walk(armand)
    write(armand, "comment", "Dites aussi à qui écrire.")
    press(armand, "Renvoyer au préparateur")
    paule.goto(campaign)
    press(paule, "Corriger l’avis", role="link")
    write(paule, "fr_advice", "Méfiez-vous des appels, et écrivez-nous au moindre doute.")
    press(paule, "Enregistrer une version")
    submit(paule)
    armand.goto(paule.url)
    for point in armand.locator("input[name^=point_]").all():
        go_to(armand, point)
        armand.keyboard.press("Space")
    press(armand, "Approuver et envoyer")
    expect(armand.locator("#progress")).to_contain_text("terminée", timeout=60_000)


def upload(paule: Page, folder: Path) -> None:
    path = folder / "clavier.csv"
    rows = [f"7{n:08d};12/03/1980;Clavier;Lise;clavier{n}@example.fr" for n in range(3)]
    path.write_text("\n".join(["Numéro adhérent;Date de naissance;Nom;Prénom;Courriel", *rows]))
    paule.goto("/espace/listes/nouvelle/")
    paule.set_input_files("input[type=file]", path)  # The system's own window chooses a file.
    press(paule, "Envoyer la liste")
    expect(paule.locator("main")).to_contain_text("à décider", timeout=30_000)
    accept(paule)


def write_notice(paule: Page) -> None:
    paule.goto("/espace/")
    press(paule, re.compile("Commencer un avis"))
    write(paule, "fr_consequences", "Quelqu’un peut se faire passer pour votre mutuelle.")
    write(paule, "fr_measures", "L’opérateur a fermé les comptes détournés ce jour-là.")
    write(paule, "unreachable_plan", "Une lettre sera envoyée aux personnes sans contact.")
    write(paule, "en_consequences", "Somebody may pass for your insurer on the telephone.")
    write(paule, "en_measures", "")
    # What is said aloud while one types.
    announced = paule.get_by_role("status").and_(paule.locator("#unmet-count"))
    expect(announced).to_contain_text("à corriger")
    write(paule, "en_measures", "The operator closed the hijacked accounts the same day.")
    expect(announced).to_have_text("Plus aucun point à corriger")
    press(paule, "Enregistrer une version")
    walk(paule)


def look_and_try(paule: Page) -> None:
    press(paule, "Voir l’avis comme il sera reçu", role="link")
    press(paule, re.compile("famille"), role="link")
    expect(paule.locator(".tabs [aria-current=page]")).to_contain_text("famille")
    press(paule, "M’envoyer un essai")
    expect(paule.locator("main")).to_contain_text("part vers votre adresse")
    press(paule, "Modifier l’avis", role="link")


def submit(paule: Page) -> None:
    press(paule, "Soumettre")
    expect(paule.locator("h1")).to_contain_text("Campagne")


def test_a_statement_is_written_and_published(paule: Page, armand: Page) -> None:
    paule.goto(STATEMENT)
    go_to(paule, paule.locator("summary", has_text="Le texte").first)
    paule.keyboard.press("Enter")
    write(paule, "fr_measures", "Les comptes détournés sont fermés et l’accès est renforcé.")
    press(paule, "Enregistrer une version")
    press(paule, re.compile("Soumettre la version"))
    armand.goto(STATEMENT)
    walk(armand)
    press(armand, "Approuver et publier")
    expect(armand.locator("main")).to_contain_text("publique depuis")


def test_a_sending_identity_is_proposed(armand: Page) -> None:
    armand.goto(f"/espace/equipe/{PHARE}/courriel/")
    write(armand, "from_address", "avis@phare.example.fr")
    go_to(armand, armand.locator("[name=transport]:checked"))
    for _transport in range(list(Transport).index(Transport.POSTMARK)):
        armand.keyboard.press("ArrowDown")
    expect(armand.locator("[name=transport]:checked")).to_have_value("postmark")
    write(armand, "api_key", "une-cle")
    press(armand, "Proposer")
    expect(armand.locator("main")).to_contain_text("Identité d’envoi proposée")
