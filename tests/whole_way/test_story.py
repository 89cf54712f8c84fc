"""From a policyholder's question to the auditor's register, in a real browser."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from notifications.references import derive
from tests.whole_way.conftest import Portal, reference_in, sign_in, visitor, wait_for

FAMILIES = 20
CAME_BACK = "à corriger"


def write_list(folder: Path) -> Path:
    """Forty people in twenty families, one person without contact, one impossible date."""
    rows = ["Numéro adhérent;Date de naissance;Prénom;Nom;Courriel"]
    for number in range(2 * FAMILIES):
        rows.append(f"9{number:08d};12/03/1980;Camille;Nouvelle;{address_of(number // 2)}")
    rows += ["990000001;12/03/1980;Sans;Contact;", "990000002;31/02/1980;Date;Impossible;"]
    path = folder / "liste.csv"
    path.write_text("\n".join(rows) + "\n", encoding="cp1252")
    return path


def address_of(family: int) -> str:
    return f"famille{family}@nouvelle.example.fr"


def test_a_policyholder_finds_the_answer(page: Page) -> None:
    page.goto("/")
    page.fill("input[name=q]", "mutuel du phar")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile("Mutuelle du Phare")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Mutuelle du Phare")
    expect(page.locator("main")).to_contain_text("Viamedis")
    expect(page.locator("main")).to_contain_text("Date de naissance")


def test_a_recipient_checks_a_message_by_keyboard_alone(page: Page, portal: Portal) -> None:
    message = portal.first_message()
    reference = reference_in(message)
    page.goto("/")
    page.get_by_role("link", name="Vérifier un message").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/verifier/")
    type_reference(page, reference.lower().replace("-", " "))
    expect(page.locator("main")).to_contain_text("Nous avons envoyé un seul message avec ce code")
    shown = page.locator("pre").first.inner_text()
    _greeting, _covered, sent = message.split("\n\n", 2)
    assert sent.split() == shown.split("\n\n", 2)[2].split()
    assert reference not in page.url
    type_reference(page, derive(1))  # by another portal's key
    expect(page.locator("main")).to_contain_text("Nous n’avons envoyé aucun message avec ce code")
    expect(page.locator("main")).to_contain_text("33700")
    type_reference(page, reference[:-1] + ("0" if reference[-1] != "0" else "1"))
    expect(page.locator("#erreurs")).to_contain_text("un caractère est faux")


def type_reference(page: Page, reference: str) -> None:
    """Go to the field by Tab, type, and send by Enter."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "reference":
            break
    page.keyboard.press("Control+A")
    page.keyboard.type(reference)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_report_reaches_the_insurer_inert(browser: Browser, page: Page, portal: Portal) -> None:
    page.goto("/verifier/signaler/")
    page.get_by_label("Texte du message").fill("Le Phare : payez sur https://scam.test/a?id=7")
    page.get_by_label("De quel organisme").select_option(label="Mutuelle du Phare (démonstration)")
    page.get_by_role("button", name="Signaler ce message").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Merci")
    with visitor(browser, portal) as paule:
        sign_in(paule, portal, "preparatrice")
        paule.get_by_role("link", name="Signalements").click()
        expect(paule.locator("pre")).to_have_text("Le Phare : payez sur hxxps://scam[.]test/a?…")
        assert paule.locator("main a").count() == 0


def test_the_generated_list_was_notified(portal: Portal) -> None:
    summary = portal.summary
    assert summary["people"] > 250
    assert summary["accepted"] == summary["messages"]
    assert summary["unreachable"] > 0


def test_a_list_goes_from_upload_to_register(
    browser: Browser, portal: Portal, tmp_path: Path
) -> None:
    messages_before = portal.messages()
    with visitor(browser, portal) as paule:
        sign_in(paule, portal, "preparatrice")
        upload(paule, write_list(tmp_path))
        accept(paule)
        write_and_submit(paule)
        expect(paule.locator("main")).not_to_contain_text("Approuver et envoyer")
        with visitor(browser, portal) as armand:
            sign_in(armand, portal, "approbateur")
            send_back(armand, paule.url)
            correct_and_submit(paule)
            approve(armand, paule.url)
    # Alerts may come meanwhile, to other people.
    told = portal.told(after=messages_before)
    families = [address for address, _subject in told if address.endswith("@nouvelle.example.fr")]
    assert sorted(families) == sorted(map(address_of, range(FAMILIES)))
    came_back = [address for address, subject in told if CAME_BACK in subject]
    assert came_back == [portal.account("preparatrice")["email"]]
    with visitor(browser, portal) as aude:
        sign_in(aude, portal, "auditrice")
        check_register(aude, portal)


def upload(paule: Page, path: Path) -> None:
    paule.goto("/espace/listes/nouvelle/")
    paule.set_input_files("input[type=file]", path)
    paule.get_by_role("button", name="Envoyer la liste").click()
    expect(paule.locator("main")).to_contain_text("à décider", timeout=30_000)
    expect(paule.locator("main")).to_contain_text("41")
    with paule.expect_download() as download:
        paule.get_by_role("link", name=re.compile("Télécharger tous les problèmes")).click()
    problems = download.value.path().read_text(encoding="utf-8-sig")
    assert "31/02/1980" not in problems
    assert ";" in problems.splitlines()[1]


def accept(paule: Page) -> None:
    paule.get_by_role("button", name=re.compile("^Accepter")).click()
    expect(paule.locator(".tag-success")).to_have_text("acceptée", timeout=30_000)


def write_and_submit(paule: Page) -> None:
    paule.goto("/espace/")
    paule.get_by_role("button", name=re.compile("Commencer un avis")).click()
    expect(paule.locator("main")).to_contain_text("points de l’article 34")
    paule.fill("[name=fr_consequences]", "Quelqu’un peut se faire passer pour votre mutuelle.")
    paule.fill("[name=fr_measures]", "L’opérateur a fermé les comptes détournés ce jour-là.")
    paule.fill("[name=en_consequences]", "Somebody may pass for your insurer on the telephone.")
    paule.fill("[name=en_measures]", "The operator closed the hijacked accounts the same day.")
    paule.fill("[name=unreachable_plan]", "Une lettre sera envoyée aux personnes sans contact.")
    # Before anything is saved.
    expect(paule.locator("#unmet")).to_contain_text("respecte la liste de contrôle")
    paule.fill("[name=fr_sms]", "{organisme} : reçu ? Tapez {portail}. {référence}")
    expect(paule.locator("#size-fr_sms")).to_contain_text("UCS-2")
    paule.fill("[name=fr_sms]", "{organisme} : lisez https://phare.example.fr")
    expect(paule.locator("#unmet-fr_sms")).to_contain_text("ressemble à un lien")
    paule.fill("[name=fr_sms]", "{organisme} : fuite. Pour vérifier, tapez {portail}. {référence}")
    expect(paule.locator("#size-fr_sms")).to_contain_text("GSM-7")
    paule.get_by_role("button", name="Enregistrer une version").click()
    paule.get_by_role("link", name="Voir l’avis comme il sera reçu").click()
    phone = paule.frame_locator(".device-phone")
    expect(phone.locator("body")).to_contain_text("Bonjour Camille Exemple")
    paule.get_by_role("link", name=re.compile("famille")).click()
    expect(phone.locator("body")).to_contain_text("Madame, Monsieur")
    paule.get_by_role("link", name="Modifier l’avis").click()
    submit(paule)


def submit(paule: Page) -> None:
    paule.get_by_role("button", name="Soumettre").click()
    expect(paule.locator("h1")).to_contain_text("Campagne")


def send_back(armand: Page, address: str) -> None:
    armand.goto(address)
    expect(armand.locator("main")).to_contain_text("20 messages")
    armand.fill("[name=comment]", "Dites aussi à qui écrire.")
    armand.get_by_role("button", name="Renvoyer au préparateur").click()
    expect(armand.locator("main")).to_contain_text("Dites aussi à qui écrire.")


def correct_and_submit(paule: Page) -> None:
    paule.reload()
    expect(paule.locator("main")).to_contain_text("Dites aussi à qui écrire.")
    paule.get_by_role("link", name=re.compile("^n° .*version")).click()
    paule.get_by_role("link", name="Modifier l’avis").click()
    advice = paule.locator("[name=fr_advice]")
    advice.fill(advice.input_value() + "\nÉcrivez-nous en cas de doute.")
    paule.get_by_role("button", name="Enregistrer une version").click()
    paule.get_by_role("link", name="Comparer les versions").click()
    expect(paule.locator("ins")).to_contain_text("en cas de doute")
    paule.go_back()
    submit(paule)


def approve(armand: Page, address: str) -> None:
    armand.goto(address)
    armand.get_by_role("button", name="Approuver et envoyer").click()
    expect(armand.locator("main")).not_to_contain_text("Avancement")  # the browser asks for ticks
    for point in armand.locator("input[name^=point_]").all():
        point.check()
    armand.get_by_role("button", name="Approuver et envoyer").click()
    expect(armand.locator("#progress")).to_contain_text("terminée", timeout=60_000)


def check_register(aude: Page, portal: Portal) -> None:
    aude.goto("/registre/viamedis-almerys-2024/")
    row = aude.get_by_role("row").filter(has_text="Mutuelle du Phare")
    cells = [int(re.sub(r"\D", "", text)) for text in row.locator("td.number").all_inner_texts()]
    listed, standings = cells[0], cells[1:]
    assert listed == portal.summary["people"] + 2 * FAMILIES + 1
    assert sum(standings) == listed
    row.get_by_role("link").click()
    expect(aude.locator("main")).to_contain_text("Avis tels qu’envoyés")
    expect(aude.locator("main")).to_contain_text("Ni courriel ni mobile")


def test_a_policyholder_asks_about_herself_by_keyboard_alone(page: Page, portal: Portal) -> None:
    before = portal.messages()
    page.goto("/organismes/mutuelle-du-phare-demonstration/")
    page.get_by_role("link", name="Suis-je concerné, moi ?").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/suis-je-concerne/**")
    for number in ("900000001", "900009999"):
        go_to_field(page, "member_number")
        page.keyboard.type(number)
        go_to_field(page, "birth_date")
        page.keyboard.type("12/03/1980")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Votre question est partie")
        code = page.locator(".lead .reference").inner_text()
        assert number not in page.url
        if number == "900000001":
            listed = code
        page.go_back()
    wait_for(lambda: portal.messages() > before)
    answer = portal.message(portal.messages())
    assert listed in answer
    assert code not in answer
    assert "OUI, VOUS ÊTES CONCERNÉ" in answer
    reference = reference_in(answer)
    page.goto("/verifier/")
    type_reference(page, reference)
    expect(page.locator("main")).to_contain_text("Il répond à quelqu’un qui a demandé")


def go_to_field(page: Page, name: str) -> None:
    """Go to a field by Tab, and take what it holds."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == name:
            break
    else:
        raise AssertionError(f"{name} is not reached by Tab")
    page.keyboard.press("Control+A")


def test_a_person_without_the_second_factor_gets_nowhere(page: Page, portal: Portal) -> None:
    account = portal.account("lectrice")
    page.goto("/compte/login/")
    page.fill("input[name=login]", account["email"])
    page.fill("input[name=password]", account["password"])
    page.get_by_role("button", name="Se connecter").click()
    page.goto("/espace/")
    expect(page).to_have_url(re.compile("/compte/"))
