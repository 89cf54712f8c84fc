"""Each point of the Article 34 checklist is enforced, and named with its article."""

import time
from dataclasses import astuple, replace
from dataclasses import fields as dataclass_fields
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.management import call_command
from django.http import QueryDict

from insurers.models import Population
from notifications.campaigns.sms_cost import sms_by_field
from notifications.notices.checklist import PLAIN, unmet
from notifications.notices.content import NoticeContent, NoticeTexts
from notifications.notices.facts import Facts, facts_for, prefill
from notifications.notices.forms import NoticeForm
from notifications.notices.rendering import lay_out
from notifications.statements.content import draft_of
from notifications.statements.forms import StatementForm
from tests import cast
from tests.notifications.story import complete

pytestmark = pytest.mark.django_db
LONG = "é" * 1500
SAID = "Somebody may pass for your insurer by quoting these data to you."


@pytest.fixture
def facts() -> Facts:
    return facts_for(
        breach=cast.breach(), operators=[cast.operator()], population=cast.insured_people()
    )


@pytest.fixture
def content(facts: Facts) -> NoticeContent:
    draft = prefill(facts=facts, insurer=cast.phare(), population=cast.insured_people())
    return complete(draft)


def _with(content: NoticeContent, name: str, value: object) -> NoticeContent:
    changed: dict[str, Any] = {name: value}
    return replace(content, **changed)


def fields(content: NoticeContent, facts: Facts) -> set[str]:
    return {problem.field for problem in unmet(content, facts)}


def test_a_complete_notice_is_met(content: NoticeContent, facts: Facts) -> None:
    assert unmet(content, facts) == []


def test_a_prefilled_notice_still_needs_the_insurers_own_words(facts: Facts) -> None:
    draft = prefill(facts=facts, insurer=cast.phare(), population=cast.insured_people())
    assert {"fr_consequences", "fr_measures", "unreachable_plan"} <= fields(draft, facts)


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("controller_name", "", "controller_address"),
        ("controller_address", "", "controller_address"),
        ("controller_address", "\u200b", "controller_address"),
        ("controller_name", "Phare " * 60, "controller_name"),
        ("dpo_name", "…", "dpo_name"),
        ("contact_email", '"https://evil.com/"@phare.example', "contact_email"),
        ("contact_email", "’dpo@phare.example", "contact_email"),
        ("contact_email", "dpo@évil.example", "contact_email"),
        ("contact_email", "dpo", "contact_email"),
        ("dpo_name", "", "dpo_name"),
        ("unreachable_plan", "", "unreachable_plan"),
        ("exposed", (), "exposed"),
        ("exposed", ("birth_date",), "exposed"),
        ("not_exposed", (), "not_exposed"),
        ("not_exposed", ("birth_date",), "not_exposed"),
    ],
)
def test_a_missing_element_is_named(
    content: NoticeContent, facts: Facts, name: str, value: object, field: str
) -> None:
    assert field in fields(_with(content, name, value), facts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", ""),
        ("nature", "Trop court."),
        ("nature", "Une violation a touché un prestataire, découverte le 18 février 2026."),
        ("nature", "Alphapay" + "\u200b" * 40),
        ("dates", ""),
        ("dates", "2024"),
        ("dates", "L’intrusion de 2024 a été découverte en 2024."),
        ("dates", "L’intrusion a été découverte le lendemain."),
        ("consequences", ""),
        ("measures", ""),
        ("advice", ""),
        ("advice", "." * 40),
        ("advice", "x" * 40),
        ("measures", "\u2800" * 40),
        ("measures", "a b c d e f"),
        ("subject", "…"),
        ("subject", "Vos données " * 30),
        ("subject", "{organisme} " * 12),
    ],
)
def test_a_missing_text_is_named(
    content: NoticeContent, facts: Facts, name: str, value: str
) -> None:
    changed = replace(content, fr=replace(content.fr, **{name: value}))
    assert f"fr_{name}" in fields(changed, facts)


@pytest.mark.parametrize(
    "text",
    [
        "L’intrusion a été découverte à une date inconnue.",
        "Découverte à une date NON PUBLIÉE.",
        "Découverte le 18 février 2026.",
        "Découverte en févr. 2026.",
        "Découverte le 18/02/2026.",
        "Découverte en 02/2026.",
        "Découverte le 2026-02-18.",
        "Discovered on February 18th, 2026.",
    ],
)
def test_dates_are_given_or_said_to_be_unknown(
    content: NoticeContent, facts: Facts, text: str
) -> None:
    assert unmet(replace(content, fr=replace(content.fr, dates=text)), facts) == []


@pytest.mark.parametrize("name", ["subject", "nature", "dates", "consequences", "advice", "sms"])
def test_a_link_is_refused_in_any_text(content: NoticeContent, facts: Facts, name: str) -> None:
    text = getattr(content.fr, name) + " Voyez www.phare.example.fr."
    changed = replace(content, fr=replace(content.fr, **{name: text}))
    assert f"fr_{name}" in fields(changed, facts)


@pytest.mark.parametrize(
    "name",
    [
        "controller_name",
        "controller_address",
        "dpo_name",
        "contact_phone",
        "contact_address",
        "unreachable_plan",
    ],
)
def test_a_placeholder_is_refused_where_nothing_replaces_it(
    content: NoticeContent, facts: Facts, name: str
) -> None:
    changed = _with(content, name, getattr(content, name) + " {prénom}")
    assert name in fields(changed, facts)


def test_an_unknown_placeholder_is_named(content: NoticeContent, facts: Facts) -> None:
    changed = replace(content, fr=replace(content.fr, advice=content.fr.advice + " {âge}"))
    (problem,) = unmet(changed, facts)
    assert problem.field == "fr_advice"
    assert "{âge}" in str(problem.message)
    assert "{prénom}" in str(problem.message)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Écrivez le SMS"),
        ("Tapez {portail}. Code {référence}", "nommer l’organisme"),
        ("{organisme} : une violation. Code {référence}", "{portail}"),
        ("{organisme} : une violation, tapez {portail}", "{référence}"),
        ("{organisme} : une violation, tapez {portail}. Code {référence}", "vérifier"),
        ("{prénom}, {organisme} : tapez {portail}. Code {référence}", "ne nomme"),
        ("{organisme} : tapez {portail} ou bit.ly/x. Code {référence}", "raccourcie"),
    ],
)
def test_an_sms_says_who_writes_and_where_to_read_the_rest(
    content: NoticeContent, facts: Facts, text: str, said: str
) -> None:
    problems = unmet(replace(content, fr=replace(content.fr, sms=text)), facts)
    assert any(said in str(problem.message) for problem in problems if problem.field == "fr_sms")


def test_a_text_names_no_address_but_the_insurers_own(content: NoticeContent, facts: Facts) -> None:
    def judged(address: str) -> set[str]:
        advice = f"{content.fr.advice} En cas de doute, écrivez à {address}."
        known = replace(facts, own_domains=frozenset({"phare-courriel.example.fr"}))
        return fields(replace(content, fr=replace(content.fr, advice=advice)), known)

    assert judged(content.contact_email) == judged("avis@phare-courriel.example.fr") == set()
    assert judged("ameli@evil.com") == {"fr_advice"}


@pytest.mark.parametrize(
    "text", ["{téléphone}", "{organisme} ", "\ufdfa", "1 ", "a.", "loi du ", "a@b.cc ", "12 mars "]
)
def test_a_notice_of_any_texts_is_judged_in_a_moment(
    content: NoticeContent, facts: Facts, text: str
) -> None:
    whole = (text * 5000)[:5000]
    texts = NoticeTexts(*[whole] * len(astuple(NoticeTexts())))
    plain = dict.fromkeys(PLAIN, whole)
    hostile = replace(content, fr=texts, en=texts, **plain)  # type: ignore[arg-type]
    within = replace(  # As long as a notice may be.
        content, contact_phone="1 " * 50, fr=replace(texts, sms=whole[:1000]), en=NoticeTexts()
    )
    start = time.process_time()
    assert {"controller_name", "contact_phone", "fr_sms", "en_sms"} <= fields(hostile, facts)
    assert unmet(within, facts)
    assert sms_by_field(hostile) == {}
    assert sms_by_field(within)
    assert time.process_time() - start < 1


def test_a_phone_that_a_text_names_must_be_given(content: NoticeContent, facts: Facts) -> None:
    assert "fr_sms" in fields(replace(content, contact_phone=""), facts)


def test_the_subject_names_nobody(content: NoticeContent, facts: Facts) -> None:
    changed = replace(content, fr=replace(content.fr, subject="{prénom}, vos données"))
    assert "fr_subject" in fields(changed, facts)


def test_an_email_beyond_60_kb_is_refused(content: NoticeContent, facts: Facts) -> None:
    changed = replace(
        content, fr=replace(content.fr, advice=f"{SAID} {LONG}", measures=f"{SAID} {LONG}")
    )
    assert unmet(changed, facts) == []
    heavier = replace(changed, fr=replace(changed.fr, consequences=SAID + "é" * 4000))
    assert "fr_nature" in fields(heavier, facts)


def test_a_contact_needs_a_means_that_is_not_the_web(content: NoticeContent, facts: Facts) -> None:
    changed = replace(content, contact_phone="-", contact_address="\u200b")
    assert "contact_phone" in fields(changed, facts)


def test_texts_are_judged_with_the_notices_own_values(content: NoticeContent, facts: Facts) -> None:
    texts = replace(content.fr, advice=f"{content.fr.advice} 2 94 03 75 {{téléphone}}")
    changed = replace(content, contact_phone="120 005 91", fr=texts)
    assert "fr_advice" in fields(changed, facts)
    assert "contact_phone" not in fields(changed, facts)


def test_advice_that_no_message_may_hold_is_not_brought(facts: Facts) -> None:
    call_command("load_directory", verbosity=0)
    professionals = Population.objects.get(code="health_professionals")
    draft = prefill(facts=facts, insurer=cast.phare(), population=professionals)
    assert "3608" in draft.fr.advice
    assert "Viamedis.net" not in draft.fr.advice + draft.en.advice
    assert not {"fr_advice", "en_advice"} & fields(draft, facts)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("AG2R La Mondiale", "d’AG2R"),
        ("Éovi", "d’Éovi"),
        ("alan", "d’alan"),
        ("Harmonie", "de Harmonie"),
        ("Mutuelle du Phare", "de Mutuelle"),
    ],
)
def test_de_elides_before_a_vowel(facts: Facts, name: str, said: str) -> None:
    insurer = cast.phare()
    insurer.name = name
    draft = prefill(facts=facts, insurer=insurer, population=cast.insured_people())
    assert draft.fr.nature.startswith(f"Le tiers payant {said}")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("dpo@Phare.example", "dpo@phare.example"), ("dpo@é.example", "dpo@xn--9ca.example")],
)
def test_the_form_keeps_an_address_as_a_header_takes_it(
    content: NoticeContent, given: str, kept: str
) -> None:
    data = QueryDict(urlencode({"contact_email": given}))
    form = NoticeForm(data, content=content, number=1)
    form.is_valid()
    assert form.content().contact_email == kept
    statement = StatementForm(data, content=draft_of(None, cast.phare(), cast.breach()))
    statement.is_valid()
    assert statement.cleaned_data["contact_email"] == kept


@pytest.mark.parametrize("given", ['"<b>"@phare.example', "dpo@[10.0.0.1]", "dpó@phare.example"])
def test_the_form_refuses_an_address_that_servers_do(content: NoticeContent, given: str) -> None:
    form = NoticeForm(QueryDict(urlencode({"contact_email": given})), content=content, number=1)
    assert "contact_email" in form.errors


def test_english_is_whole_or_absent(content: NoticeContent, facts: Facts) -> None:
    changed = replace(content, en=replace(content.en, consequences="Some text."))
    assert "en_consequences" in fields(changed, facts)


@pytest.mark.parametrize("name", [field.name for field in dataclass_fields(NoticeTexts)])
def test_one_english_text_asks_for_all_of_them(
    content: NoticeContent, facts: Facts, name: str
) -> None:
    changed = replace(content, en=NoticeTexts(**{name: "Some text."}))
    every = {f"en_{field.name}" for field in dataclass_fields(NoticeTexts)}
    assert every - {f"en_{name}"} <= fields(changed, facts)
    assert changed.texts("en") is changed.en


def test_the_english_that_the_portal_began_is_ended_or_taken_out(
    content: NoticeContent, facts: Facts
) -> None:
    draft = prefill(facts=facts, insurer=cast.phare(), population=cast.insured_people())
    problems = unmet(replace(content, en=draft.en), facts)
    assert {problem.field for problem in problems} == {
        "en_consequences",
        "en_measures",
        "en_advice",
    }
    assert "videz-la en entier" in str(problems[0].message)
    whole = replace(content, en=replace(draft.en, consequences=SAID, measures=SAID, advice=SAID))
    assert unmet(whole, facts) == []
    assert lay_out(whole, language="en").language == "en"


def test_without_any_english_the_message_is_french(content: NoticeContent) -> None:
    assert not content.has_english
    assert lay_out(content, language="en").language == "fr"
