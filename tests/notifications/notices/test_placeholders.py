"""Placeholders are filled in for each recipient, and name nobody where it might not be them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.contacts import Contact
from notifications.notices.content import NoticeContent
from notifications.notices.facts import facts_for, prefill
from notifications.notices.placeholders import Placeholder, placeholders_in, replaced, unknown_in
from notifications.notices.rendering import EmailText, lay_out
from tests import cast
from tests.notifications.story import complete


def test_placeholders_are_known_in_both_languages_however_they_are_written() -> None:
    text = "{prénom} {Prenom} {first_name} {FIRST NAME} { nom } {last name}"
    assert placeholders_in(text) == [Placeholder.FIRST_NAME] * 4 + [Placeholder.LAST_NAME] * 2
    assert unknown_in(text) == []


def test_what_is_no_placeholder_is_named_as_it_was_written() -> None:
    assert unknown_in("{âge} {âge} {} } {prénom}") == ["{âge}", "{}", "}"]


@given(st.text(alphabet="{}éa nomprénom", max_size=40))
def test_replacing_leaves_what_it_does_not_know(text: str) -> None:
    values = {Placeholder.LAST_NAME: "X"}
    assert replaced(text, {}) == text
    assert unknown_in(replaced(text, values)) == unknown_in(text)


@pytest.fixture
def content() -> NoticeContent:
    facts = facts_for(
        breach=cast.breach(), operators=[cast.operator()], population=cast.insured_people()
    )
    return complete(prefill(facts=facts, insurer=cast.phare(), population=cast.insured_people()))


def written(content: NoticeContent, contact: Contact, *, people: int = 1) -> EmailText:
    advice = "[{prénom} {nom}] [{prénom}] [{nom}] [{personnes}] [{organisme}] [{référence}]"
    layout = lay_out(replace(content, fr=replace(content.fr, advice=advice)), language="fr")
    return layout.email(contact=contact, people=people, reference="BP7K-3F9M-Q2XD-7")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("contact", "people", "said"),
    [
        (Contact("Camille", "Phare"), 1, "[Camille Phare] [Camille] [Phare] [1]"),
        (Contact("", "Phare"), 1, "[Phare] [Madame, Monsieur] [Phare] [1]"),
        (
            Contact("Camille", "Phare"),
            4,
            "[Madame, Monsieur] [Madame, Monsieur] [Madame, Monsieur] [4]",
        ),
        (
            Contact("<b>x</b>", "http://x"),
            1,
            "[Madame, Monsieur] [Madame, Monsieur] [Madame, Monsieur] [1]",
        ),
        (Contact(), 1, "[Madame, Monsieur] [Madame, Monsieur] [Madame, Monsieur] [1]"),
    ],
)
def test_a_message_names_only_whom_it_is_sure_of(
    content: NoticeContent, contact: Contact, people: int, said: str
) -> None:
    email = written(content, contact, people=people)
    whole = f"{said} [Mutuelle du Phare (fictive)] [BP7K-3F9M-Q2XD-7]"
    assert whole in email.text
    assert whole in email.html


@pytest.mark.django_db
def test_the_sms_says_the_portal_the_phone_and_the_reference(content: NoticeContent) -> None:
    sms = lay_out(content, language="fr").short_message(reference="BP7K-3F9M-Q2XD-7").text
    assert "vérifier ce SMS, tapez localhost " in sms
    assert content.contact_phone in sms
    assert sms.endswith("Code BP7K-3F9M-Q2XD-7")
    assert "{" not in sms
