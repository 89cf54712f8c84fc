"""Columns that people must name: the list waits, is read as they say, and it is remembered."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from audit.models import AuditEntry
from insurers.lists.acceptance import accept
from insurers.lists.columns import (
    NoSuchColumnError,
    choose_columns,
    find_columns,
    forget_column,
    why_unclear,
)
from insurers.lists.headers import ColumnsUnclearError
from insurers.lists.ingestion import ingest_list
from insurers.lists.problems import Field, Refusal
from insurers.lists.refusing import erase_refused, refuse_list, refuse_undecided
from insurers.lists.states import WrongStateError
from insurers.models import AffectedList, ListState, RememberedColumn
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import (
    LISE,
    OMAR,
    accepted,
    csv_file,
    read,
    table_exists,
)

pytestmark = pytest.mark.django_db

POLICE = "N° Police;Né(e) le;Nom;Prénom;Courriel;Portable"
CHOICE = {
    0: Field.MEMBER_NUMBER,
    1: Field.BIRTH_DATE,
    2: Field.LAST_NAME,
    3: Field.FIRST_NAME,
    4: Field.EMAIL,
    5: Field.PHONE,
}


def waiting(*rows: str, header: str = POLICE, **kwargs: object) -> AffectedList:
    affected_list = read(csv_file(*(rows or (LISE, OMAR)), header=header), **kwargs)
    assert affected_list.state == ListState.COLUMNS
    return affected_list


def choose(affected_list: AffectedList, columns: dict[int, Field]) -> None:
    with as_role("worker"):
        choose_columns(affected_list=affected_list, columns=columns, chosen_by=None, now=cast.NOW)


def read_again(affected_list: AffectedList) -> None:
    with as_role("worker"):
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()


def columns_of(affected_list: AffectedList) -> list[tuple[Any, ...]]:
    return list(affected_list.columns.values_list("place", "header", "shapes", "field"))


def test_unclear_columns_make_the_list_wait_with_nothing_stored() -> None:
    affected_list = waiting()
    assert not table_exists(affected_list.pk)
    assert (affected_list.rows, affected_list.problems.count(), affected_list.attempt) == (0, 0, 0)
    assert columns_of(affected_list)[:2] == [
        (0, "N° Police", ["A99999"], ""),
        (1, "Né(e) le", ["99/99/9999", "9999-99-99"], "birth_date"),
    ]


def test_a_list_is_read_with_the_columns_chosen() -> None:
    affected_list = waiting()
    choose(affected_list, CHOICE)
    assert affected_list.state == ListState.UPLOADED
    read_again(affected_list)
    assert (affected_list.state, affected_list.members) == (ListState.REVIEW, 2)


def test_chosen_columns_give_the_same_members_as_known_headers() -> None:
    accepted(csv_file(LISE, OMAR))
    affected_list = waiting()
    choose(affected_list, CHOICE)
    read_again(affected_list)
    with as_role("worker"):
        accept(affected_list=affected_list, decided_by=None, now=cast.NOW)
    assert (affected_list.members_uncounted, affected_list.rows_already_listed) == (2, 2)


def test_a_choice_is_remembered_for_the_second_file() -> None:
    choose(waiting(), CHOICE)
    second = read(csv_file(OMAR, header=POLICE.upper()))
    assert (second.state, second.members) == (ListState.REVIEW, 1)


def test_a_choice_between_two_columns_is_remembered() -> None:
    header = "N° adhérent;Né le;Téléphone;Tél"
    rows = ("A1;31/12/1980;0142345678;0612345678", "A2;31/12/1981;0142345678;0612345679")
    first = waiting(rows[0], header=header)
    choose(first, {0: Field.MEMBER_NUMBER, 1: Field.BIRTH_DATE, 3: Field.PHONE})
    assert read(csv_file(rows[1], header=header)).members_with_phone == 1


def test_a_choice_is_not_remembered_for_another_insurer() -> None:
    choose(waiting(), CHOICE)
    waiting(place=cast.dune())


def test_a_new_choice_replaces_what_was_remembered() -> None:
    header = "Code A;Code B;Né le;Mail"
    rest = {2: Field.BIRTH_DATE, 3: Field.EMAIL}
    first = waiting("A1;B1;31/12/1980;l@example.fr", header=header)
    choose(first, {0: Field.MEMBER_NUMBER} | rest)
    read_again(first)
    choose(first, {1: Field.MEMBER_NUMBER} | rest)
    kept = RememberedColumn.objects.values_list("header", "field")
    assert dict(kept) == {"Code B": "member_number", "Né le": "birth_date", "Mail": "email"}


def test_one_header_on_two_columns_is_not_remembered() -> None:
    affected_list = waiting("A1;B1;31/12/1980;l@example.fr", header="Code;Code;Né le;Mail")
    choose(affected_list, {1: Field.MEMBER_NUMBER, 2: Field.BIRTH_DATE, 3: Field.EMAIL})
    assert not RememberedColumn.objects.filter(field="member_number").exists()


def test_a_masked_header_is_neither_stored_nor_remembered() -> None:
    affected_list = waiting(header="A00999;Né le;Nom;Prénom;Courriel;Portable")
    column = affected_list.columns.get(place=0)
    assert (column.header, column.is_masked) == ("", True)
    choose(affected_list, CHOICE)
    assert not RememberedColumn.objects.filter(field="member_number").exists()
    read_again(affected_list)
    assert affected_list.members == 2


def test_a_file_without_header_is_refused_and_keeps_nothing() -> None:
    affected_list = read(csv_file(OMAR, header=LISE))
    assert (affected_list.refusal_code, affected_list.columns.count()) == (Refusal.NO_HEADER, 0)


def test_merged_headers_and_trailing_empty_columns() -> None:
    row = "A1;31/12/1980;Marin;Lise;l@example.fr;;"
    affected_list = waiting(row, header="Contrat;Né le;Identité;;Mail;;")
    assert [place for place, *_rest in columns_of(affected_list)] == [0, 1, 2, 3, 4]
    choose(
        affected_list,
        {
            0: Field.MEMBER_NUMBER,
            1: Field.BIRTH_DATE,
            2: Field.LAST_NAME,
            3: Field.FIRST_NAME,
            4: Field.EMAIL,
        },
    )
    read_again(affected_list)
    assert affected_list.members == 1


def test_a_missing_column_is_guessed_from_its_values() -> None:
    affected_list = waiting(header="N° Police;Jour;Nom;Prénom;Contact;Tél")
    assert [field for *_rest, field in columns_of(affected_list)] == [
        *("", "birth_date", "last_name", "first_name", "email", "phone")
    ]


def test_nothing_is_guessed_where_two_columns_have_such_values() -> None:
    row = "A1;31/12/1980;01/01/2020;l@example.fr"
    affected_list = waiting(row, header="N° Police;Jour;Entrée;Mail")
    assert [field for *_rest, field in columns_of(affected_list)] == ["", "", "", "email"]


def test_columns_that_are_clear_are_kept_with_how_they_are_read() -> None:
    affected_list = read(
        csv_file(LISE + ";Brest", header=f"{POLICE.replace('Police', 'adh')};Ville")
    )
    assert affected_list.state == ListState.REVIEW
    fields = dict(affected_list.columns.values_list("header", "field"))
    assert (fields["N° adh"], fields["Ville"]) == ("member_number", "")


def test_a_column_taken_for_another_is_corrected_in_review() -> None:
    row = "7;A1;31/12/1980;l@example.fr"
    affected_list = read(csv_file(row, header="Id;Police;Né le;Mail"))
    assert affected_list.state == ListState.REVIEW
    choose(affected_list, {1: Field.MEMBER_NUMBER, 2: Field.BIRTH_DATE, 3: Field.EMAIL})
    read_again(affected_list)
    assert (affected_list.state, affected_list.members) == (ListState.REVIEW, 1)
    assert affected_list.columns.get(place=0).field == ""


def test_waiting_for_a_choice_uses_up_no_attempt() -> None:
    affected_list = waiting()
    choose(affected_list, CHOICE)
    read_again(affected_list)
    assert (affected_list.state, affected_list.attempt) == (ListState.REVIEW, 1)


@pytest.mark.parametrize("columns", [{}, {0: Field.MEMBER_NUMBER}, CHOICE | {2: Field.EMAIL}])
def test_a_choice_that_is_not_enough_changes_nothing(columns: dict[int, Field]) -> None:
    affected_list = waiting()
    with pytest.raises(ColumnsUnclearError):
        choose(affected_list, columns)
    affected_list.refresh_from_db()
    assert affected_list.state == ListState.COLUMNS


@pytest.mark.parametrize("columns", [CHOICE | {9: Field.LANGUAGE}, CHOICE | {2: Field.NIR}])
def test_a_column_that_is_not_there_or_a_nir_cannot_be_chosen(columns: dict[int, Field]) -> None:
    with pytest.raises(NoSuchColumnError):
        choose(waiting(), columns)


def test_columns_of_a_decided_list_cannot_be_chosen() -> None:
    affected_list = accepted(csv_file(LISE))
    with pytest.raises(WrongStateError):
        choose(affected_list, CHOICE)


def test_shapes_are_forgotten_once_a_list_is_accepted() -> None:
    affected_list = accepted(csv_file(LISE))
    assert {tuple(shapes) for _place, _header, shapes, _field in columns_of(affected_list)} == {()}


def test_a_waiting_list_can_be_refused_and_is_erased() -> None:
    affected_list, paule = waiting(), cast.paule()
    with as_role("worker"):
        refuse_list(
            affected_list=affected_list,
            code=Refusal.BY_STAFF,
            decided_by=paule,
            now=cast.NOW,
        )
        erase_refused(affected_list=affected_list)
    affected_list.refresh_from_db()
    assert (affected_list.chunk_count, affected_list.columns.count()) == (0, 0)


def test_a_list_that_waits_14_days_is_refused() -> None:
    affected_list = waiting()
    with as_role("worker"):
        assert refuse_undecided(now=cast.NOW + timedelta(days=13)) == []
        assert refuse_undecided(now=cast.NOW + timedelta(days=15)) == [affected_list.pk]


def test_a_choice_is_in_the_trail_by_numbers_and_codes() -> None:
    choose(waiting(), CHOICE)
    entry = AuditEntry.objects.get(action="list.columns_chosen")
    assert '"member_number":1' in entry.detail
    assert "Police" not in entry.detail


def test_forgetting_is_in_the_trail_and_asks_again() -> None:
    choose(waiting(), CHOICE)
    forget_column(
        remembered=RememberedColumn.objects.get(header="N° Police"), forgotten_by=cast.paule()
    )
    assert AuditEntry.objects.filter(action="columns.forgotten").count() == 1
    waiting(OMAR)


def test_what_is_unclear_can_be_told_again_later() -> None:
    unclear = why_unclear(waiting(header=POLICE.replace("Prénom", "Mail")))
    assert unclear is not None
    assert (unclear.missing, unclear.ambiguous) == (("member_number",), (Field.EMAIL,))


def test_named_columns_complete_those_that_are_clear() -> None:
    affected_list = waiting()
    assert (
        find_columns(affected_list=affected_list, named={Field.MEMBER_NUMBER: "n° police"})
        == CHOICE
    )
    assert find_columns(affected_list=affected_list, named={Field.MEMBER_NUMBER: "#1"}) == CHOICE


@pytest.mark.parametrize("name", ["Contrat", "#9", "#", "-"])
def test_a_name_that_fits_no_column_is_refused(name: str) -> None:
    with pytest.raises(NoSuchColumnError):
        find_columns(affected_list=waiting(), named={Field.MEMBER_NUMBER: name})


def test_a_nir_may_be_chosen_as_the_number_where_it_is_admitted(settings: Settings) -> None:
    settings.NIR_ALLOWED = True
    rows = [f"185037511600{n};1985-03-01;a@example.fr" for n in range(3)]
    affected_list = waiting(*rows, header="Code 1;Né le;Mail")
    choose(affected_list, {0: Field.MEMBER_NUMBER, 1: Field.BIRTH_DATE, 2: Field.EMAIL})
    read_again(affected_list)
    assert affected_list.members == 3
