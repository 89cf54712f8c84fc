"""French punctuation keeps its word: « no end of a line before a colon »."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from notifications.campaigns.sms_cost import sms_texts
from notifications.notices.facts import facts_for, prefill
from tests import cast
from tests.insurers.lists.files import LISE, csv_file, read
from tests.insurers.lists.test_columns import waiting
from tests.translations import with_french_spaces

PLAIN = re.compile(r"« | »| [:;?!](?=\s|$)")
TEMPLATES = sorted(Path("templates").rglob("*.html"))
TRANSLATED = re.compile(r"{% blocktranslate.*?{% endblocktranslate %}", re.DOTALL)
MARKS = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}|<[^>]*>", re.DOTALL)


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("Il manque : %(names)s.", "Il manque\u00a0: %(names)s."),
        (" : c’est la liste", "\u00a0: c’est la liste"),
        ("« Lise » ; qui ?", "«\u00a0Lise\u00a0»\u202f; qui\u202f?"),
        ("Quoi ! (vraiment ?)", "Quoi\u202f! (vraiment\u202f?)"),
        ("« sha-256=:…: » à 10:30", "«\u00a0sha-256=:…:\u00a0» à 10:30"),
    ],
)
def test_spaces_around_french_punctuation_do_not_break(text: str, spaced: str) -> None:
    assert with_french_spaces(text) == spaced
    assert with_french_spaces(spaced) == spaced


@pytest.mark.django_db
@pytest.mark.parametrize("phone", ["01 99 00 00 01", ""])
def test_an_sms_is_prefilled_in_the_letters_that_cost_least(phone: str) -> None:
    """With a space that does not break it would take more than twice the parts."""
    cast.breach()
    insurer = cast.phare()
    insurer.contact_phone = phone
    facts = facts_for(
        breach=cast.breach(), operators=[cast.operator()], population=cast.insured_people()
    )
    content = prefill(facts=facts, insurer=insurer, population=cast.insured_people())
    for text in sms_texts(content):
        assert text.is_gsm
        assert with_french_spaces(text.text) != text.text or text.language == "en"


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_no_template_has_french_punctuation_beside_the_catalogue(path: Path) -> None:
    bare = MARKS.sub("\n", TRANSLATED.sub("", path.read_text()))
    assert PLAIN.findall(bare) == []


def text_of(client: Client, address: str) -> str:
    html = client.get(address).content.decode()
    return MARKS.sub("\n", html.partition("<main")[2])


@pytest.mark.django_db
def test_pages_show_such_spaces(paule: Client, tmp_path: Path, settings: Settings) -> None:
    settings.KEY_STORE_DIR, settings.UPLOAD_DIR = tmp_path / "keys", tmp_path / "up"
    shown = [
        text_of(paule, reverse("list_columns", args=[waiting().pk])),
        text_of(paule, reverse("list_detail", args=[read(csv_file(LISE, "A2;;;;;")).pk])),
        text_of(paule, reverse("api_docs")),
    ]
    assert all("\u00a0:" in text for text in shown[:1])
    assert [PLAIN.findall(text) for text in shown] == [[], [], []]
