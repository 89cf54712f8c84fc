"""What PostgreSQL refuses to store in the directory, whoever asks."""

from datetime import date

import pytest
from django.db import IntegrityError, transaction

from insurers.models import (
    Affiliation,
    AmcNumber,
    ExposedData,
    ImpactReport,
    Insurer,
    InsurerAlias,
    Source,
)
from tests import cast

pytestmark = pytest.mark.django_db


def refused_by(constraint: str) -> "pytest.RaisesExc[IntegrityError]":
    return pytest.raises(IntegrityError, match=constraint)


def test_an_affiliation_cannot_end_before_it_starts() -> None:
    affiliation = cast.phare().affiliations.get()

    with refused_by("affiliation_ends_after_it_starts"), transaction.atomic():
        Affiliation.objects.filter(pk=affiliation.pk).update(
            valid_from_date=date(2024, 1, 2), valid_until_date=date(2024, 1, 1)
        )


def test_an_affiliation_may_last_one_day() -> None:
    affiliation = cast.phare().affiliations.get()
    affiliation.valid_from_date = affiliation.valid_until_date = date(2024, 1, 1)

    affiliation.save()

    assert Affiliation.objects.get(pk=affiliation.pk).valid_until_date == date(2024, 1, 1)


def test_an_affiliation_is_stored_once() -> None:
    place = cast.phare()

    with refused_by("each_affiliation_once"), transaction.atomic():
        Affiliation.objects.create(insurer=place, operator=cast.operator(), source=cast.source())


def test_an_affiliation_needs_a_source() -> None:
    with pytest.raises(IntegrityError, match="source_id"), transaction.atomic():
        Affiliation.objects.create(insurer=cast.phare(), operator=cast.operator("betapay"))


def test_an_insurer_is_reported_once_where_no_operator_is_named() -> None:
    facts = {"breach": cast.breach(), "insurer": cast.phare(), "source": cast.source()}
    ImpactReport.objects.create(**facts, operator=None, status="not_concerned")

    with refused_by("one_impact_report_per_operator"), transaction.atomic():
        ImpactReport.objects.create(**facts, operator=None, status="concerned")


def test_a_category_is_not_both_exposed_and_not() -> None:
    known = cast.breach().exposed_data.first()
    assert known is not None

    with refused_by("one_word_on_each_category"), transaction.atomic():
        ExposedData.objects.create(
            breach=known.breach,
            operator=known.operator,
            population=known.population,
            category=known.category,
            is_exposed=not known.is_exposed,
            certainty="stated",
        )


def test_an_insurer_does_not_succeed_itself() -> None:
    place = cast.phare()

    with refused_by("insurer_is_not_its_own_successor"), transaction.atomic():
        Insurer.objects.filter(pk=place.pk).update(successor=place)


@pytest.mark.parametrize(
    ("model", "attribute", "constraint"),
    [(InsurerAlias, "name", "each_alias_once"), (AmcNumber, "number", "each_amc_number_once")],
)
def test_another_name_of_an_insurer_is_stored_once(
    model: type[InsurerAlias | AmcNumber], attribute: str, constraint: str
) -> None:
    model.objects.create(insurer=cast.phare(), **{attribute: "0123"})

    with refused_by(constraint), transaction.atomic():
        model.objects.create(insurer=cast.phare(), **{attribute: "0123"})


def test_an_address_is_one_source() -> None:
    with refused_by("insurers_source_url"), transaction.atomic():
        Source.objects.create(url=cast.source().url)
