"""What an insurer's page answers, and on which grounds."""

from datetime import date

import pytest
from pytest_django import DjangoAssertNumQueries

from insurers.models import Affiliation, Breach, ImpactReport, Insurer, Operator
from lookup.answers import Answer, answers_of_all, read_page
from lookup.statuses import AnswerStatus
from tests import cast

pytestmark = pytest.mark.django_db


def quai() -> Insurer:
    """An insurer of which nothing is known yet."""
    return Insurer.objects.create(
        slug="mutuelle-du-quai", name="Mutuelle du Quai (fictive)", is_demo=True
    )


def worked(insurer: Insurer, code: str, **period: date) -> Affiliation:
    return Affiliation.objects.create(
        insurer=insurer, operator=cast.operator(code), source=cast.source(), **period
    )


def said(insurer: Insurer, status: str, operator: Operator | None = None) -> ImpactReport:
    return ImpactReport.objects.create(
        breach=cast.breach(),
        insurer=insurer,
        operator=operator,
        status=status,
        source=cast.source(),
    )


def only_answer(insurer: Insurer) -> Answer:
    cast.breach()
    (answer,) = read_page(insurer).answers
    return answer


def test_concerned_when_a_source_says_so() -> None:
    answer = only_answer(cast.phare())
    assert answer.status == AnswerStatus.CONCERNED
    assert [part.operator.code for part in answer.operator_parts] == ["alphapay"]


def test_partly_when_a_source_limits_it() -> None:
    insurer = quai()
    said(insurer, "partly", cast.operator())
    assert only_answer(insurer).status == AnswerStatus.PARTLY


def test_very_likely_when_only_the_relationship_is_known() -> None:
    insurer = quai()
    worked(insurer, "alphapay")
    assert only_answer(insurer).status == AnswerStatus.LIKELY


def test_not_concerned_only_when_declared() -> None:
    insurer = quai()
    said(insurer, "not_concerned")
    answer = only_answer(insurer)
    assert answer.status == AnswerStatus.NOT_CONCERNED
    assert answer.data_lists == []


def test_a_declaration_for_all_operators_outweighs_a_mere_relationship() -> None:
    insurer = quai()
    worked(insurer, "alphapay")
    said(insurer, "not_concerned")
    assert only_answer(insurer).status == AnswerStatus.NOT_CONCERNED


def test_a_declaration_for_one_operator_leaves_the_other_open() -> None:
    insurer = quai()
    worked(insurer, "alphapay")
    worked(insurer, "betapay")
    said(insurer, "not_concerned", cast.operator("alphapay"))
    answer = only_answer(insurer)
    assert answer.status == AnswerStatus.LIKELY
    assert [part.operator.code for part in answer.operator_parts] == ["betapay"]


def test_a_relationship_that_ended_before_gives_no_answer_but_is_shown() -> None:
    insurer = quai()
    worked(insurer, "alphapay", valid_until_date=date(2020, 12, 31))
    answer = only_answer(insurer)
    assert answer.status == AnswerStatus.UNKNOWN
    assert len(answer.grounds) == 1


def test_a_relationship_that_began_after_the_breach_does_not_count() -> None:
    insurer = quai()
    worked(insurer, "alphapay", valid_from_date=date(2026, 3, 1))
    cast.breach()
    assert read_page(insurer).answers == []


def test_without_any_fact_the_breach_is_listed_as_unknown() -> None:
    Breach.objects.filter(pk=cast.breach().pk).update(is_demo=True)
    page = read_page(quai())
    assert page.status == AnswerStatus.UNKNOWN
    assert [breach.slug for breach in page.silent_breaches] == ["alphapay-betapay-2026"]


def test_a_fictional_breach_is_not_held_against_a_real_insurer() -> None:
    Breach.objects.filter(pk=cast.breach().pk).update(is_demo=True)
    real = Insurer.objects.create(slug="reelle", name="Mutuelle réelle")
    assert read_page(real).silent_breaches == []


def test_a_source_that_names_no_operator_brings_every_operator_of_the_breach() -> None:
    insurer = quai()
    said(insurer, "concerned")
    answer = only_answer(insurer)
    assert [part.operator.code for part in answer.operator_parts] == ["alphapay", "betapay"]


def test_the_strongest_ground_is_the_answer() -> None:
    insurer = quai()
    worked(insurer, "betapay")
    said(insurer, "partly", cast.operator("alphapay"))
    assert only_answer(insurer).status == AnswerStatus.PARTLY


def test_a_former_brand_brings_its_successors_answer() -> None:
    former = quai()
    former.successor = cast.phare()
    former.save()
    page = read_page(former)
    assert page.answers == []
    assert [(one.insurer.slug, one.status) for one in page.successors] == [
        ("mutuelle-du-phare", AnswerStatus.CONCERNED)
    ]


def test_two_brands_that_name_each_other_do_not_hang_the_page() -> None:
    former, phare = quai(), cast.phare()
    Insurer.objects.filter(pk=former.pk).update(successor=phare)
    Insurer.objects.filter(pk=phare.pk).update(successor=former)
    former.refresh_from_db()
    assert [one.insurer.pk for one in read_page(former).successors] == [phare.pk]


def test_exposed_and_spared_data_are_kept_apart_by_operator() -> None:
    (lists,) = only_answer(cast.phare()).data_lists
    exposed = [row.category.code for group in lists.exposed for row in group]
    assert sorted(exposed) == ["birth_date", "member_number"]
    assert [row.category.code for group in lists.spared for row in group] == ["bank_details"]


def test_all_answers_take_a_fixed_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    cast.phare(), cast.dune()
    for number in range(10):
        insurer = cast.insurer(f"ile-{number}", f"Mutuelle de l’Île {number} (fictive)")
        insurer.successor = cast.phare()
        insurer.save()
    with django_assert_num_queries(8):
        found = answers_of_all()
        assert len(found) == 12
