"""The report before the decision: what accepting the list would do, in numbers."""

import pytest
from django.test import Client
from django.urls import reverse

from insurers.lists import repeats
from insurers.lists.report import FAR, declared_people, reasons
from insurers.models import AffectedList, Declaration, ListEffect, ListReport
from tests import cast
from tests.conftest import WebClient
from tests.insurers.lists.files import LISE, OMAR, accepted, csv_file, read

pytestmark = pytest.mark.django_db
INES = "A00125;1990-01-02;Roche;Inès;ines@courrier.example.fr;"
LISE_ELSEWHERE = LISE.replace("lise@courrier", "lise@autre")
BAD = "A9;31/02/1980;Marin;Lise;lise@;"


def report_on(*rows: str, effect: ListEffect = ListEffect.ADD) -> ListReport:
    return ListReport.objects.get(affected_list=read(csv_file(*rows), effect=effect))


def test_a_first_list_is_all_new() -> None:
    report = report_on(LISE, OMAR)
    assert (report.new, report.changed, report.gone, report.previous_id) == (2, 0, 0, None)


def test_a_second_list_is_compared_with_the_first() -> None:
    first = accepted(csv_file(LISE, OMAR))
    report = report_on(LISE_ELSEWHERE, INES)
    assert report.previous_id == first.pk
    assert (report.new, report.changed, report.gone, report.already_listed) == (1, 1, 1, 0)


def test_people_listed_already_without_change_are_counted() -> None:
    accepted(csv_file(LISE, OMAR))
    report = report_on(LISE, INES)
    assert (report.already_listed, report.new, report.gone) == (1, 1, 1)


def test_the_report_says_what_publishing_does() -> None:
    accepted(csv_file(LISE, OMAR))
    second = accepted(csv_file(LISE_ELSEWHERE, OMAR, INES))
    report = ListReport.objects.get(affected_list=second)
    assert second.rows_already_listed == report.already_listed == 1
    assert second.rows_contact_changed == report.changed == 1
    assert second.members - second.rows_already_listed == report.new + report.changed == 2


def test_a_withdrawal_says_whom_it_finds_and_whom_not() -> None:
    accepted(csv_file(LISE, OMAR))
    report = report_on(LISE, INES, effect=ListEffect.WITHDRAW)
    assert (report.leaving, report.unmatched) == (1, 1)


def test_somebody_listed_for_another_operator_is_named_apart() -> None:
    cast.phare_at_both_operators()
    accepted(csv_file(LISE), operators=[cast.operator("betapay")])
    report = report_on(LISE, OMAR)
    assert (report.new, report.on_other_operators) == (2, 1)


def test_families_and_channels_are_counted() -> None:
    family = [LISE.replace("A00123", f"A{n}") for n in range(3)]
    report = report_on(*family, OMAR)
    assert (report.shared_addresses, report.shared_people) == (1, 3)
    assert (report.email_and_phone, report.only_email, report.only_phone) == (3, 1, 0)


@pytest.mark.parametrize("slice_rows", [1, 100])
def test_a_row_left_out_shares_no_address(slice_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejected and blank rows stand between those that are counted, in slices of any size."""
    monkeypatch.setattr(repeats, "SLICE_ROWS", slice_rows)
    alone = OMAR.replace("A00124", "A1")
    family = [LISE.replace("A00123", f"A{n}") for n in (7, 8)]
    report = report_on(BAD, family[0], "", alone, BAD, alone, INES, family[1], family[1])
    assert (report.shared_addresses, report.shared_people) == (1, 2)
    assert (report.affected_list.members, report.affected_list.rows_duplicate) == (4, 2)
    assert (report.email_and_phone, report.only_email, report.only_phone) == (2, 2, 0)


def test_problems_are_counted_by_reason() -> None:
    report = report_on(LISE, BAD, BAD.replace("A9", "A8"))
    assert report.problems == [["rejected", "birth_date_impossible", 2]]


def test_a_line_of_totals_is_said_to_be_nobody_kept() -> None:
    found = reasons(report_on(LISE, "Total;;;;;", LISE))
    (total,) = (reason for reason in found if reason.is_nobody)
    assert "total" in total.said.what
    assert not total.is_rejection
    assert len(found) == 2


@pytest.mark.parametrize(("expected", "warned"), [(10, False), (11, False), (12, True), (8, True)])
def test_the_page_warns_when_far_from_the_declaration(expected: int, warned: bool) -> None:
    declared = cast.declaration()
    Declaration.objects.filter(pk=declared.pk).update(expected_people=expected)
    report = report_on(*(LISE.replace("A00123", f"A{n}") for n in range(10)))
    assert (declared_people(report) == expected) is warned
    assert FAR == 0.10


def test_the_page_says_what_was_declared_where_the_list_is_far_from_it(paule: Client) -> None:
    declared = Declaration.objects.filter(pk=cast.declaration().pk)
    found = read(csv_file(LISE, OMAR))
    warning = "2 personnes seraient listées\u202f; votre déclaration en annonce 3."
    declared.update(expected_people=3)
    assert warning in page(paule, found)
    declared.update(expected_people=2)
    assert "votre déclaration en annonce" not in page(paule, found)


def test_the_page_says_all_that_was_counted(paule: Client) -> None:
    """A family of three, somebody with a mobile only, and one row twice; another list before."""
    accepted(csv_file(OMAR, INES, BAD.replace("31/02", "01/02")))
    family = [LISE.replace("A00123", f"A{n}").replace("06 39 98 00 01", "") for n in range(3)]
    mobile = "A7;31/12/1980;Marin;Noé;;06 39 98 00 02"
    html = page(
        paule, read(csv_file(*family, family[0], mobile, OMAR.replace("omar@", "o@"), INES))
    )
    for said in (
        "<strong>6</strong> personnes",
        "<strong>4</strong> nouvelles",
        "<strong>1</strong> au contact changé",
        "<strong>1</strong> déjà listées, sans changement",
        "\u00a0: 1 de leurs personnes ne sont pas dans ce fichier.",
        "<dt>Courriel seul</dt><dd>5</dd>",
        "<dt>Mobile seul</dt><dd>1</dd>",
        "<dt>Courriel et mobile</dt><dd>0</dd>",
        "<dd>1, pour 3 personnes</dd>",
        "<td>La même personne figure plus loin avec le même contact</td>"
        '<td>personne gardée</td><td class="number">1</td>',
    ):
        assert said in html, said


def test_listed_after_counts_nobody_twice() -> None:
    accepted(csv_file(LISE, OMAR))
    assert report_on(LISE_ELSEWHERE, INES).listed_after == 3
    assert report_on(INES, OMAR, effect=ListEffect.REPLACE).listed_after == 2
    assert report_on(LISE, effect=ListEffect.WITHDRAW).listed_after == 1


def page(client: Client, found: AffectedList) -> str:
    return client.get(reverse("list_detail", args=[found.pk])).content.decode()


def test_the_decision_says_what_will_happen_in_numbers(paule: Client) -> None:
    accepted(csv_file(LISE, OMAR))
    html = page(paule, read(csv_file(LISE), effect=ListEffect.WITHDRAW))
    assert "1 personne retirée, 0 message annulé" in html


def test_the_page_reads_no_member(paule: Client) -> None:
    accepted(csv_file(LISE, OMAR))
    html = page(paule, read(csv_file(LISE_ELSEWHERE, INES, BAD)))
    assert "la date de naissance n’existe pas" in html.lower()
    assert "la dernière est la n°" in html


def test_a_whole_list_is_withdrawn_after_a_confirmation(paule: Client) -> None:
    found = accepted(csv_file(LISE))
    address = reverse("list_withdraw", args=[found.pk])
    assert "confirmer" in paule.post(address, follow=True).content.decode()
    paule.post(address, {"confirmed": "on"})
    found.refresh_from_db()
    assert found.state == "withdrawing"


def test_a_viewer_withdraws_nothing(client: WebClient) -> None:
    found = accepted(csv_file(LISE))
    cast.sign_in(client, cast.vera())
    answer = client.post(reverse("list_withdraw", args=[found.pk]), {"confirmed": "on"})
    assert answer.status_code == 403
