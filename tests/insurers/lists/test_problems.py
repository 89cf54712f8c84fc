"""Every code has its words, in both languages' templates, and none can carry a value."""

import pytest
from django.utils import translation

from insurers.lists.problems import (
    HOW_TO_GO_ON,
    Problem,
    Refusal,
    column_name,
    explain_problem,
    explain_refusal,
)


@pytest.mark.parametrize("code", Problem.values)
def test_every_problem_says_what_to_do(code: str) -> None:
    said = explain_problem(code)
    assert said.what
    assert said.to_do.endswith(".")


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("code", Refusal.values)
def test_every_refusal_says_where_and_how_to_go_on(code: str, language: str) -> None:
    with translation.override(language):
        said = explain_refusal(code, row=7, column="email", earlier="")
    assert said.what
    assert "{" not in said.what
    assert said.to_do


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("problem", Problem.values)
def test_a_refusal_says_what_is_wrong_at_its_place(problem: str, language: str) -> None:
    with translation.override(language):
        said = explain_refusal(Refusal.NO_VALID_ROW, row=7, column="email", problem=problem)
        assert explain_problem(problem).what in said.what
    assert "{" not in said.what
    assert said.to_do.endswith(".")


def test_every_refusal_has_a_way_on() -> None:
    assert set(HOW_TO_GO_ON) == set(Refusal)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("", ""),
        ("email", "courriel"),
        ("member_number,email|phone", "numéro d’adhérent, courriel ou téléphone mobile"),
        ("#4", "colonne n° 4"),
    ],
)
def test_columns_are_named_without_their_header(column: str, name: str) -> None:
    assert column_name(column) == name
