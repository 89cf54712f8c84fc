"""What no text of a message may hold, and what looks like it and may stay."""

import pytest
from django.test import override_settings

from notifications.forbidden import forbidden_in


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
    assert [str(found.message) for found in forbidden_in(text)] == []


def test_where_nothing_is_replaced_any_placeholder_is_refused() -> None:
    assert list(forbidden_in("{prénom}", is_filled_in=False))
