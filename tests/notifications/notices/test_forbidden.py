"""What no text of a message may hold, and what looks like it and may stay."""

import pytest
from django.test import override_settings

from notifications.notices.forbidden import forbidden_in
from notifications.notices.placeholders import Placeholder


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Profitez aussi de notre nouvelle offre.", "promotion"),
        ("Code promo : PHARE24", "promotion"),
        ("10 % de réduction sur votre contrat", "promotion"),
        ("Inscrivez-vous à notre newsletter", "promotion"),
        ("Cliquez sur https://phare.example.fr pour en savoir plus.", "lien"),
        ("HTTP://PHARE.EXAMPLE.FR", "lien"),
        ("ftp://phare.example.fr/a", "lien"),
        ("Voyez www.phare.example.fr.", "lien"),
        ("Voyez mutuelle-phare.fr/infos.", "lien"),
        ("Voyez espace-adherent.mutuelle-phare.com", "lien"),
        ("Tapez portail.example.fr/connexion", "lien"),
        ("Tapez https://portail.example.fr", "lien"),
        ("Tapez portail.example.fr.evil.com", "lien"),
        ("Tapez faux-portail.example.fr", "lien"),
        ("Voyez bit.ly/abc", "raccourcie"),
        ("Voyez TinyURL.com/abc", "raccourcie"),
        ("<img src=x width=1 height=1>", "HTML"),
        ("<b>Attention</b>", "HTML"),
        ("?utm_source=avis", "traceur"),
        ("Votre numéro 2 94 03 75 120 005 91 est exposé.", "sécurité sociale"),
        ("Votre numéro 294032A12000591 est exposé.", "sécurité sociale"),
        ("Vous êtes né(e) le 3 mai", "naissance"),
        ("Née le 12/03/1980", "naissance"),
        ("Date de naissance : 12.03.1980", "naissance"),
        ("Vous, du 12 mars 1980", "naissance"),
        ("1980-03-12", "naissance"),
        ("Born on March 12, 1980", "naissance"),
        ("Bonjour {age}", "{age}"),
        ("Bonjour {prénom", "{"),
    ],
)
@override_settings(PORTAL_HOST="portail.example.fr")
def test_it_is_refused_with_the_reason(text: str, said: str) -> None:
    messages = [str(found.message) for found in forbidden_in(text)]
    assert any(said in message for message in messages), messages


@pytest.mark.parametrize(
    "text",
    [
        "Tapez portail.example.fr dans votre navigateur.",
        "Êtes-vous sur portail.example.fr ?",
        "Écrivez à dpo@phare.example.fr ou appelez le 01 99 00 00 01.",
        "L’intrusion du 29 janvier 2024 a été découverte le 01/02/2024.",
        "La date de naissance et le nom sont exposés.",
        "Fondée en 1945, la mutuelle compte 33 000 000 de dossiers.",
        "Nous avons réduit les droits ; la réduction du risque continue.",
        "Une carte vous sera remise, c.-à-d. sous 10 jours.",
        "Signalez le SMS au 33700. N’y répondez pas.",
        "Bonjour {prénom} {nom}, {Référence}, { personnes }, {first_name}",
        "Vos droits : accès, rectification (art. 15 et 16), etc.",
    ],
)
@override_settings(PORTAL_HOST="portail.example.fr")
def test_it_may_stay(text: str) -> None:
    found = forbidden_in(text, own_domains={"phare.example.fr"})
    assert [str(one.message) for one in found] == []


@pytest.mark.parametrize(
    "text",
    [
        "Tapez {portail}.evil.com",
        "Tapez {portail}/connexion",
        "Tapez {portail}?suite",
        "Tapez ameli-{portail}",
        "Tapez {portail}{nom}",
        "Écrivez à moi@{portail}",
        "Tapez {nom}.com",
    ],
)
def test_nothing_may_touch_a_placeholder_and_make_another_address_of_it(text: str) -> None:
    assert any("séparez" in str(found.message) for found in forbidden_in(text))


@pytest.mark.parametrize(
    "text",
    [
        "Tapez {portail}.",
        "Êtes-vous sur {portail} ?",
        "Êtes-vous sur {portail}?",
        "Tapez « {portail} », ou {portail}…",
        "L’adresse d’{organisme}, ({portail}): {portail}: {portail};",
    ],
)
@override_settings(PORTAL_HOST="portail.example.fr")
def test_punctuation_after_a_placeholder_may_stay(text: str) -> None:
    values = {Placeholder.PORTAL: "portail.example.fr", Placeholder.INSURER: "Apicil"}
    assert [str(found.message) for found in forbidden_in(text, values=values)] == []


def test_a_text_is_judged_with_what_replaces_its_placeholders() -> None:
    values = {Placeholder.PHONE: "120 005 91", Placeholder.INSURER: "exemple . fr"}
    said = [str(found.message) for found in forbidden_in("2 94 03 75 {téléphone}", values=values)]
    assert any("sécurité sociale" in message for message in said)
    said = [str(found.message) for found in forbidden_in("Voyez {organisme}", values=values)]
    assert any("lien" in message for message in said)


@pytest.mark.parametrize(
    "hidden",
    ["\u200b", "\u00ad", "\u202e", "\u2066", "\ue000", "\u3164", "\u2800", "\x01", "\U000e0041"],
)
def test_a_sign_that_nobody_sees_is_refused_and_hides_nothing(hidden: str) -> None:
    (only,) = forbidden_in(f"Bonjour{hidden} à vous")
    assert "invisibles" in str(only.message)
    assert "Bonjour" in str(only.message)
    said = " ".join(str(found.message) for found in forbidden_in(f"pro{hidden}mo et a.{hidden}fr"))
    assert "promotion" in said
    assert "lien" in said


def refusals(text: str) -> str:
    return " ".join(str(found.message) for found in forbidden_in(text))


@pytest.mark.parametrize(
    "text",
    [
        "2\u00a094\u00a003\u00a075\u00a0120\u00a0005\u00a091",
        "2\u202f94\u202f03\u202f75\u202f120\u202f005",
        "2.94.03.75.120.005.91",
        "2-94-03-75-120-005-91",
        "2\u201194\u201103\u201175\u2011120\u2011005\u201191",
        "2/94/03/75/120/005/91",
        "2  94 03 75 120 005 91",
        "2 94 03 2a 120 005 91",
        "２９４０３７５１２０００５",
        "\u0662\u0669\u0664\u0660\u0663\u0667\u0665\u0661\u0662\u0660\u0660\u0660\u0665",
        "NIR294037512000591",
    ],
)
def test_a_social_security_number_is_known_however_it_is_written(text: str) -> None:
    assert "sécurité sociale" in refusals(text)


@pytest.mark.parametrize(
    "text",
    [
        "12/03/80",
        "12.03.80",
        "12/3/80",
        "12 mars 80",
        "12 mars ’80",
        "12 03 1980",
        "12\u201103\u20111980",
        "12\u204403\u20441980",
        "12 févr. 1980",
        "12 janv 1980",
        "12 fe\u0301vrier 1980",
        "12 fevrier 1980",
        "1er août 1980",
        "12-mars-1980",
        "1980/03/12",
        "1980.03.12",
        "19800312",
        "12031980",
        "March 12th, 1980",
        "12 Mar 1980",
        "12th of March 1980",
        "１２/０３/１９８０",
        "née le 12",
        "mars 1980, le 12",
        "March 1980, on the 12th",
        "loi santé, née le 12 mars 1980",
        "Date de naissance : le 12",
    ],
)
def test_a_birth_date_is_known_however_it_is_written(text: str) -> None:
    assert "naissance" in refusals(text)


@pytest.mark.parametrize(
    "text",
    [
        "société-phare.fr",
        "santé.fr",
        "\u0430meli.fr",
        "ameli\u3002fr",
        "ameli\uff0efr",
        "ameli\u2024fr",
        "exemple [.] fr",
        "exemple(point)fr",
        "exemple point fr",
        "exemple . fr",
        "exemple%2Efr",
        "phare.pro",
        "phare.insurance",
        "phare.health",
        "phare.se",
        "phare.mobi",
        "phare.xn--p1ai",
        "-evil.fr",
        ".evil.fr",
        "@evil.fr",
        "192.0.2.1",
        "192.0.2.1/connexion",
        "tel:0899000000",
        "hxxps[:]//evil",
        "//evil/connexion",
        "javascript:alert(1)",
        "moi@evil.com/connexion",
        "[votre compte](evil)",
        "etc.Voici la suite",
    ],
)
def test_an_address_is_known_however_it_is_disguised(text: str) -> None:
    assert "lien" in refusals(text)


@pytest.mark.parametrize(
    "text",
    [
        "10 % offerts",
        "remise de 10 %",
        "Une remise de 15 €",
        "re\u0301duction sur tout",
        "gagnez 50 €",
    ],
)
def test_a_promotion_is_known_however_it_is_written(text: str) -> None:
    assert "promotion" in refusals(text)


@pytest.mark.parametrize(
    "text",
    [
        "Le 7 février 33 millions de personnes, le 8 mars 10 h 30, le 9 mars 12:30.",
        "Appelez le 01.99.00.00.01, le 06.12.34.56.78 ou le 06 12 34 56 78.",
        "Appelez le +33 1 99 00 00 01, le 3639 ou le 0 800 12 34 56.",
        "Le 01/02/24, le 29.01.24, le 12 mars 24, le 5 juin 2018 ou le 2024-02-01.",
        "M. Phare, Mme D., la M.A.I.F., la S.A.R.L., J.-C., p. ex. et p.ex. l’art. 34, § 3.",
        "Le règlement (UE) 2016/679, l’art. 34.1 et la version 1.2.3 ; 3,50 € ou 1.5 million.",
        "Nous offrons un service ouvert 24/7. « Attendez... puis rappelez…»",
        "Le point est clair : un point de contact répond.",
        "Dossiers : 33 000 000 ; 1 234 567 890 octets ; 12 345 678 personnes.",
        "Depuis 1980, 12 personnes y travaillent. Tapez 1. Puis 2.",
        "Il ne le fait plus ; 12 marques, 80 magasins.",
        "La loi du 6 janvier 1978, la loi n° 78-17 du 6 janvier 1978, la loi du 06/01/1978.",
        "La loi Informatique et Libertés du 6 janvier 1978 vous ouvre des droits.",
        "Le RGPD (règlement du 27 avril 2016) ; the Data Protection Act of 6 January 1978.",
        "En mars 2017, le 12 janvier 2026 et le 15 % restant.",
    ],
)
def test_ordinary_french_may_stay(text: str) -> None:
    assert refusals(text) == ""


@pytest.mark.parametrize("host", ["phare.example.fr", "PHARE.example.fr", "dpo.phare.example.fr"])
def test_an_address_of_the_insurers_own_domains_may_stand(host: str) -> None:
    text = f"Notre délégué : dpo@{host}. Écrivez-lui."
    assert not list(forbidden_in(text, own_domains={"phare.example.fr"}))


@pytest.mark.parametrize("host", ["evil.com", "phare.example.fr.evil.com", "xphare.example.fr"])
def test_an_address_elsewhere_is_refused(host: str) -> None:
    (only,) = forbidden_in(f"Écrivez à ameli@{host}", own_domains={"phare.example.fr"})
    assert f"ameli@{host}" in str(only.message)


def test_where_nothing_is_replaced_any_placeholder_is_refused() -> None:
    assert list(forbidden_in("{prénom}", is_filled_in=False))
