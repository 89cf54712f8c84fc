"""Each point of the Article 34 checklist is enforced, and named with its article."""

from dataclasses import replace
from typing import Any

import pytest

from notifications.checklist import unmet
from notifications.notices import Facts, NoticeContent, facts_for, prefill
from tests import cast
from tests.notifications.story import complete

pytestmark = pytest.mark.django_db


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
        ("nature", "Alphapay a subi une violation dont la date n’est dite nulle part."),
        ("consequences", ""),
        ("measures", ""),
        ("advice", ""),
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
        "Profitez aussi de notre nouvelle offre.",
        "Cliquez sur https://phare.example.fr pour en savoir plus.",
        "Voyez www.phare.example.fr.",
        "Voyez bit.ly/abc et mutuelle-phare.fr/infos.",
        "Votre numéro 2 94 03 75 120 005 91 est exposé.",
    ],
)
def test_promotion_links_and_social_security_numbers_are_refused(
    content: NoticeContent, facts: Facts, text: str
) -> None:
    changed = replace(content, fr=replace(content.fr, measures=content.fr.measures + " " + text))
    assert "fr_measures" in fields(changed, facts)


def test_a_contact_needs_a_means_that_is_not_the_web(content: NoticeContent, facts: Facts) -> None:
    changed = replace(content, contact_phone="", contact_address="")
    assert "contact_phone" in fields(changed, facts)


def test_english_is_whole_or_absent(content: NoticeContent, facts: Facts) -> None:
    changed = replace(content, en=replace(content.en, consequences="Some text."))
    assert "en_consequences" in fields(changed, facts)
