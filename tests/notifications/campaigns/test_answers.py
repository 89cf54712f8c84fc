"""A provider's words are shown to staff without whom they are about, and without a way out."""

import time

import pytest
from django.utils import translation

from notifications.campaigns.answers import scrubbed, without_addresses
from notifications.reasons import reason_label


def test_the_codes_stay_and_numbers_go() -> None:
    assert scrubbed("550 5.1.1 call 01 99 00 00 01") == "550 5.1.1 call …"


def test_links_go() -> None:
    assert scrubbed("550 see https://mx.example.fr/x?y or www.example.fr now") == (
        "550 see … or … now"
    )


def test_the_parts_of_the_address_go() -> None:
    said = without_addresses("Camille PHARE-x: mailbox camille.phare full", ["camille.phare@a.fr"])
    assert said == "… …-x: mailbox … full"


def test_words_that_only_hold_a_part_stay() -> None:
    assert without_addresses("unavailable", ["una@a.fr"]) == "unavailable"


def test_a_word_of_a_million_letters_takes_no_time() -> None:
    began = time.monotonic()
    assert scrubbed("550 " + 1_000_000 * "a") == "550"
    parts = ".".join(str(number) for number in range(100, 100_000))
    assert without_addresses(500_000 * "ab ", [f"{parts}@a.fr"]).startswith("ab ab")
    assert time.monotonic() - began < 5


def test_an_address_that_is_cut_goes() -> None:
    said = "550 " + 99 * "somebody@example.fr " + 200 * "c" + "@a.fr"
    assert scrubbed(said) == ("550" + 99 * " …")[:200]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("mailgun-400", "réponse 400 du prestataire de courriel"),
        ("brevo-no-answer", "connexion coupée avant la réponse du prestataire de courriel"),
        ("postmark-timed_out", "« timed_out », selon le prestataire de courriel"),
    ],
)
def test_a_providers_code_is_said_in_words(code: str, words: str) -> None:
    with translation.override(None):
        assert reason_label(code) == words
