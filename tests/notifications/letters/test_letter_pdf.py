"""The letter: the content of the e-mail, the address in the window, whole pages, equal bytes."""

import json
import struct
import tempfile
import zlib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typst
from django.conf import settings

from insurers.lists.contacts import Contact
from insurers.lists.postal import PostalAddress
from insurers.models import DataCategory
from notifications.campaigns.sms_cost import SAMPLE_REFERENCE
from notifications.letters import pdf as letters
from notifications.letters.envelopes import capitals, envelope_lines
from notifications.letters.pdf import (
    Letter,
    LetterError,
    LetterLayout,
    lay_out_letters,
    letter_pages,
    letter_pdf,
)
from notifications.notices.content import NoticeContent, NoticeTexts
from notifications.notices.rendering import lay_out

pytestmark = pytest.mark.django_db
DAY = date(2026, 12, 1)
CAMILLE = Contact("Camille", "Exemple", address="Bât. B, 2e étage\n12, rue de l’Été\n75011 Paris\n")
FRENCH = NoticeTexts(
    subject="Vos données personnelles : ce qui s’est passé",
    nature="Une intrusion a eu lieu « chez Alphapay », {organisme} l’a su.",
    dates="Elle a été découverte le 1er février 2024.",
    consequences="Des appels ou des courriers trompeurs.",
    measures="Les accès ont été coupés ; la CNIL est prévenue.",
    advice="Ne donnez aucun code par téléphone.\nSurveillez vos remboursements.",
)
ENGLISH = replace(FRENCH, subject="Your personal data", nature="An intrusion took place.")
CONTENT = NoticeContent(
    exposed=("name", "birth_date"),
    not_exposed=("bank_details",),
    controller_name="Mutuelle du Phare",
    controller_address="3 quai des Exemples\n29200 Brest Cedex 2",
    dpo_name="Dominique Marin",
    contact_email="dpo@phare.example.fr",
    contact_phone="02 98 00 00 00",
    contact_address="DPO, 3 quai des Exemples, 29200 Brest",
    fr=FRENCH,
    en=ENGLISH,
)


@pytest.fixture(autouse=True)
def categories() -> None:
    for code, label in (
        ("name", "État civil"),
        ("birth_date", "Date de naissance"),
        ("bank_details", "Coordonnées bancaires"),
    ):
        DataCategory.objects.update_or_create(code=code, defaults={"label_fr": label})


def letter(contact: Contact = CAMILLE, *, people: int = 1) -> Letter:
    return Letter(contact=contact, people=people, reference=SAMPLE_REFERENCE)


def layout(content: NoticeContent = CONTENT) -> LetterLayout:
    return lay_out_letters(content, dated=DAY)


def seen(asked: LetterLayout, *some: Letter) -> list[dict[str, Any]]:
    """Return what typst lays out, block by block, with the page and place of each."""
    template = letters.TEMPLATE
    probe = f"""
#include "{template.name}"
#let seen(it) = (
  text: repr(it.fields().at("body", default: it.fields().at("children", default: none))),
  kind: repr(it.func()), page: it.location().page(), y: it.location().position().y.mm(),
)
#context [#metadata(query(selector(heading).or(par).or(list)).map(seen)) <seen>]
"""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / template.name).write_bytes(template.read_bytes())
        (Path(folder) / "probe.typ").write_text(probe)
        asked_for = letters._asked(asked, some, ppi=0)["letters"]
        found = typst.query(
            str(Path(folder) / "probe.typ"),
            "<seen>",
            field="value",
            one=True,
            ignore_system_fonts=True,
            sys_inputs={"letters": json.dumps(asked_for)},
        )
    return list(json.loads(found))


def text_of(asked: LetterLayout, *some: Letter) -> str:
    return "\n".join(block["text"] for block in seen(asked, *some))


# What it says.


def in_order(text: str, *parts: str) -> bool:
    places = [text.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


def test_it_says_what_the_e_mail_says_in_the_same_order() -> None:
    email = lay_out(CONTENT, language="fr").email(
        contact=CAMILLE, people=1, reference=SAMPLE_REFERENCE
    )
    parts = (
        "Bonjour Camille Exemple,",
        "Ce message concerne une personne assurée",
        "Une intrusion a eu lieu « chez Alphapay », Mutuelle du Phare l’a su.",
        "Elle a été découverte le 1er février 2024.",
        "État civil",
        "Date de naissance",
        "Coordonnées bancaires",
        *FRENCH.consequences.splitlines(),
        *FRENCH.measures.splitlines(),
        *FRENCH.advice.splitlines(),
        "Dominique Marin",
        "02 98 00 00 00",
        "dpo@phare.example.fr",
        "DPO, 3 quai des Exemples, 29200 Brest",
        "Responsable de traitement : Mutuelle du Phare",
        settings.PORTAL_HOST,
    )
    letter_text = text_of(layout(), letter())
    spaces = str.maketrans("\u00a0\u202f", "  ")
    assert in_order(letter_text.translate(spaces), *parts)
    assert in_order(email.text.translate(spaces), *parts)


def test_it_is_dated_from_the_controllers_town_and_bears_the_reference() -> None:
    text = text_of(layout(), letter())
    assert in_order(text, "Brest, le 1er décembre 2026", SAMPLE_REFERENCE, FRENCH.subject)
    assert text.count(SAMPLE_REFERENCE) == 2


@pytest.mark.parametrize(
    ("address", "start"),
    [
        ("1 quai du Phare, 00000 Exempleville (adresse fictive)", "Exempleville, le 1er"),
        ("12 rue Haute\n35400 Saint-Malo\nFrance", "Saint-Malo, le 1er"),
        ("Tour A, La Défense", "Le 1er"),
        ("", "Le 1er"),
    ],
)
def test_without_a_town_there_is_only_the_day(address: str, start: str) -> None:
    words = layout(replace(CONTENT, controller_address=address)).languages["fr"]
    assert words["date"].startswith(start)


def test_it_says_how_to_check_it_without_link_or_code_to_scan() -> None:
    text = text_of(layout(), letter())
    assert "tapez vous-même l’adresse" in text
    assert "://" not in text
    assert b"/URI" not in letter_pdf(layout(), [letter()])


def test_one_letter_may_be_english_beside_french_ones() -> None:
    english = letter(CAMILLE._replace(language="en"))
    text = text_of(layout(), letter(), english)
    assert in_order(text, "Bonjour Camille", "1 December 2026", "An intrusion")
    assert "What happened" in text


def test_a_letter_for_several_people_greets_nobody_by_name() -> None:
    text = text_of(layout(), letter(people=2))
    assert "Camille" not in text
    assert "concerne 2 personnes" in text.replace("\u00a0", " ")


def test_placeholders_name_whoever_the_letter_is_for_and_no_family() -> None:
    named = replace(
        CONTENT, fr=replace(FRENCH, advice="{prénom} {nom} : {référence}, {personnes}.")
    )
    assert f"Camille Exemple : {SAMPLE_REFERENCE}, 1." in text_of(layout(named), letter())
    assert f"Madame, Monsieur : {SAMPLE_REFERENCE}, 2." in text_of(layout(named), letter(people=2))


def test_what_looks_like_markup_is_text() -> None:
    odd = replace(CONTENT, fr=replace(FRENCH, measures="#panic() *x* $y$ <z> // \\ `w`"))
    assert "#panic() *x* $y$ <z> // " in text_of(layout(odd), letter()).replace("\\\\", "\\")


def test_characters_that_no_font_shows_are_left_out() -> None:
    odd = replace(CONTENT, fr=replace(FRENCH, measures="Fait 😀 le 東 1er\u202fmai\u00ad."))
    assert "Fait  le  1er\u202fmai." in text_of(layout(odd), letter())
    assert letter_pdf(layout(odd), [letter()])


# How it looks.

LONG = replace(CONTENT, fr=replace(FRENCH, advice="Un conseil qui en dit long. " * 200))


def test_a_long_letter_goes_on_overleaf_and_the_next_begins_on_a_front() -> None:
    pages = [block["page"] for block in seen(layout(LONG), letter(), letter())]
    longest = max(page for page in pages[: len(pages) // 2])
    assert longest == 2
    assert pages[len(pages) // 2] == 3
    short = [block for block in seen(layout(), letter(), letter()) if block["kind"] == "heading"]
    assert {block["page"] for block in short} == {1, 3}
    assert len(letter_pages(layout(LONG), letter())) == 2


def test_what_is_not_the_address_stays_below_the_window() -> None:
    assert min(block["y"] for block in seen(layout(), letter()) if block["page"] == 1) >= 92


LONGEST = PostalAddress.of(
    "Résidence du Grand Large, escalier 12, appartement 1203\n"
    "1234 avenue du Maréchal Jean de Lattre de Tassigny prolongée\n"
    "Lieu-dit Les Hauts de la Roche\n97400 Saint-Denis de la Réunion\nRoyaume-Uni"
)


def test_the_address_stands_where_every_window_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 90 to 200 mm by 44 to 90 mm a window may show; 100 to 190 by 55 to 79 it always does."""
    monkeypatch.setattr(letters, "_PPI", 38)  # three dots in two millimetres
    name = "Marie-Françoise Éléonore", "de la Très-Longue-Maison-Exemplaire"
    contact = Contact(*name, address="\n".join((*LONGEST.lines, *LONGEST[1:])))
    width, height, rows = dots(letter_pages(layout(), letter(contact))[0])
    inked = [
        (x * 210 / width, y * 297 / height)
        for y, row in enumerate(rows)
        for x, lightness in enumerate(row)
        if lightness < 200
    ]
    shown = [(x, y) for x, y in inked if 90 <= x <= 200 and 44 <= y <= 90]
    assert len(shown) > 300
    assert min(x for x, _ in shown) >= 100
    assert max(x for x, _ in shown) <= 190
    assert min(y for _, y in shown) >= 55
    assert max(y for _, y in shown) <= 79


def dots(png: bytes) -> tuple[int, int, list[list[int]]]:
    """Return the width, the height and the lightness of each dot of an RGBA picture of typst's."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (depth, kind) == (8, 6)
    packed, at = b"", 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + size]
        at += size + 12
    raw, stride = zlib.decompress(packed), 4 * width
    before, rows = bytearray(stride), []
    for y in range(height):
        start = y * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        unfilter(raw[start], line, before)
        rows.append(list(line[1::4]))
        before = line
    return width, height, rows


def unfilter(kind: int, line: bytearray, before: bytearray) -> None:
    """Undo a filter of PNG's (RFC 2083, chapter 6) in place, four bytes a dot."""
    for place in range(len(line)):
        left = line[place - 4] if place >= 4 else 0
        up = before[place]
        corner = before[place - 4] if place >= 4 else 0
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda value: abs(guess - value))
        line[place] = (line[place] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255


# How it is made.


def test_equal_letters_give_equal_bytes() -> None:
    first, second = (letter_pdf(layout(), [letter(), letter(people=2)]) for _ in range(2))
    assert first == second
    assert first != letter_pdf(layout(), [letter()])


def test_the_pdf_can_be_read_aloud() -> None:
    pdf = letter_pdf(layout(), [letter()])
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    assert b"/Lang(fr)" in pdf
    assert b"/CreationDate" not in pdf


def test_a_failure_names_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "TEMPLATE", "/nowhere/letter.typ")
    with pytest.raises(LetterError) as failure:
        letter_pdf(layout(), [letter()])
    assert failure.value.__cause__ is None
    assert "Camille" not in f"{failure.value!r} {letter()!r}"


# The envelope.


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("12, rue de l’Été", "12 RUE DE L ETE"),
        ("Cœur-de-ville n° 4", "COEUR DE VILLE N 4"),
        ("Straße 5", "STRASSE 5"),
        ("Ленина 4", "ЛЕНИНА 4"),
    ],
)
def test_lines_are_in_capitals_without_accents(text: str, printed: str) -> None:
    assert capitals(text) == printed


def test_a_long_line_is_folded_where_there_is_a_line_for_it() -> None:
    address = PostalAddress.of("12 avenue du Maréchal Jean de Lattre de Tassigny\n75011 Paris\n")
    assert envelope_lines(name="Camille Exemple", address=address) == [
        "Camille Exemple",
        "12 AVENUE DU MARECHAL JEAN DE LATTRE",
        "DE TASSIGNY",
        "75011 PARIS",
    ]


def test_a_long_line_without_room_is_kept_whole() -> None:
    lines = "A\nB\nC\n12 avenue du Maréchal Jean de Lattre de Tassigny\n75011 Paris\n"
    printed = envelope_lines(name="Camille", address=PostalAddress.of(lines))
    assert printed[4] == "12 AVENUE DU MARECHAL JEAN DE LATTRE DE TASSIGNY"


def test_abroad_the_country_comes_last_and_the_lines_stay() -> None:
    address = PostalAddress.of("Rue Haute, 5/3\nB-1000 Bruxelles\nBelgique")
    assert envelope_lines(name="Camille", address=address)[1:] == [
        "Rue Haute, 5/3",
        "B-1000 BRUXELLES",
        "BELGIQUE",
    ]
