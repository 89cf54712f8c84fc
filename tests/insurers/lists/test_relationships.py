"""Members and dependants, told apart by what a file says and counted, nothing more."""

import pytest
from django.test import Client
from django.urls import reverse

from insurers.lists.identifiers import BadValueError
from insurers.lists.problems import Field, Problem
from insurers.lists.relationships import relationship
from insurers.models import AffectedList, ListReport, ListState
from tests.insurers.lists.files import csv_file, read
from tests.insurers.lists.test_columns import choose, read_again

HEADER = "N° adhérent;Né(e) le;Courriel;Qualité"


def row(number: int, said: str) -> str:
    return f"A{number};31/12/1980;p{number}@courrier.example.fr;{said}"


def report_on(*said: str, header: str = HEADER) -> ListReport:
    rows = [row(number, word) for number, word in enumerate(said)]
    return ListReport.objects.get(affected_list=read(csv_file(*rows, header=header)))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Adhérent", "member"),
        ("ASSURÉ(E)", "member"),
        ("Assuré principal", "member"),
        ("Souscripteur", "member"),
        ("ouvrant droit", "member"),
        ("OD", "member"),
        ("Chef de famille", "member"),
        ("Bénéficiaire principal", "member"),
        ("Policyholder", "member"),
        ("self", "member"),
        ("Ayant droit", "dependant"),
        ("AYANT-DROIT", "dependant"),
        ("Conjoint(e)", "dependant"),
        ("Conjoint de l’assuré principal", "dependant"),
        ("CJT", "dependant"),
        ("Enfant 2", "dependant"),
        ("ENF01", "dependant"),
        ("Enfant à charge", "dependant"),
        ("Bénéficiaire", "dependant"),
        ("Membre de la famille", "dependant"),
        ("spouse", "dependant"),
        ("Child of member", "dependant"),
        ("Mme", ""),
        ("  ", ""),
    ],
)
def test_the_words_of_insurers_are_understood(text: str, kind: str) -> None:
    assert relationship(text) == kind


@pytest.mark.parametrize("text", ["A", "02", "Conjoint Marin", "actif", "ayant droitt", "?"])
def test_other_words_are_not_guessed(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        relationship(text)
    assert caught.value.problem == Problem.RELATIONSHIP
    assert text not in str(caught.value)


@pytest.mark.django_db
def test_rows_of_members_and_dependants_are_counted() -> None:
    report = report_on("Assuré", "Conjoint", "Enfant", "")
    assert (report.policyholders, report.dependants) == (1, 2)


@pytest.mark.django_db
def test_a_rejected_row_is_not_counted() -> None:
    affected_list = read(csv_file(row(1, "Assuré"), "A2;;x@y.fr;Enfant", header=HEADER))
    report = ListReport.objects.get(affected_list=affected_list)
    assert (report.policyholders, report.dependants) == (1, 0)


@pytest.mark.django_db
def test_an_unknown_word_is_a_warning_and_the_person_stays() -> None:
    affected_list = read(csv_file(row(1, "Assuré"), row(2, "Zorglub"), header=HEADER))
    problem = affected_list.problems.get()
    assert (problem.row, problem.column, problem.code) == (3, "relationship", "relationship")
    assert (problem.severity, affected_list.members) == ("warning", 2)


@pytest.mark.django_db
def test_a_column_of_other_things_is_passed_over() -> None:
    report = report_on("Mme", "M.", "Mme")
    assert (report.policyholders, report.dependants) == (None, None)
    assert not report.affected_list.problems.exists()


@pytest.mark.django_db
def test_people_may_say_that_a_column_is_the_one() -> None:
    affected_list = read(csv_file(row(1, "Assuré"), row(2, "Enfant"), header=HEADER + " X"))
    columns = affected_list.columns.values_list("place", "field")
    fields = {place: Field(field) for place, field in columns if field}
    choose(affected_list, fields | {3: Field.RELATIONSHIP})
    read_again(affected_list)
    assert affected_list.state == ListState.REVIEW
    assert ListReport.objects.get(affected_list=affected_list).dependants == 1


def page(client: Client, affected_list: AffectedList) -> str:
    return client.get(reverse("list_detail", args=[affected_list.pk])).content.decode()


@pytest.mark.django_db
def test_the_page_says_how_many(paule: Client) -> None:
    html = page(paule, report_on("Assuré", "Conjoint", "Enfant", "").affected_list)
    assert "<dt>Lignes d’adhérents</dt><dd>1</dd>" in html
    assert "<dt>Lignes d’ayants droit</dt><dd>2</dd>" in html
    assert "<dt>Lignes qui ne disent ni l’un ni l’autre</dt><dd>1</dd>" in html


@pytest.mark.django_db
def test_the_page_says_that_the_file_does_not_say(paule: Client) -> None:
    html = page(paule, report_on("x", header="N° adhérent;Né(e) le;Courriel;Note").affected_list)
    assert "<dt>Adhérents et ayants droit</dt><dd>non indiqué par le fichier</dd>" in html
