"""A decision, then all members visible at one instant, each person once."""

from typing import Any

import pytest

from insurers.lists.acceptance import accept, decide_to_accept, publish_list
from insurers.lists.contacts import Contact, open_contacts
from insurers.lists.error_file import error_file
from insurers.lists.states import WrongStateError
from insurers.models import AffectedList, ListState, Operator
from insurers.signals import list_accepted
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import (
    LISE,
    OMAR,
    accepted,
    csv_file,
    members_of,
    read,
    table_exists,
)

pytestmark = pytest.mark.django_db


def test_a_list_awaits_a_decision_with_its_counts() -> None:
    affected_list = read(csv_file(LISE, OMAR))
    assert affected_list.state == ListState.REVIEW
    assert (affected_list.rows, affected_list.members) == (2, 2)
    assert (affected_list.members_with_email, affected_list.members_with_phone) == (2, 1)


def test_members_are_invisible_until_the_list_is_accepted() -> None:
    affected_list = read(csv_file(LISE))
    assert table_exists(affected_list.pk)
    assert members_of(affected_list) == []


def test_an_accepted_list_shows_all_its_members_with_their_rows() -> None:
    affected_list = accepted(csv_file(LISE, OMAR))
    assert affected_list.state == ListState.ACCEPTED
    assert [member.ordinal for member in members_of(affected_list)] == [2, 3]


def test_the_worker_opens_a_contact() -> None:
    affected_list = accepted(csv_file(LISE))
    (member,) = members_of(affected_list)
    assert open_contacts(affected_list).open(member.ordinal, member.contact) == Contact(
        "Lise", "Marin", "lise@courrier.example.fr", "+33639980001", ""
    )


def test_the_file_is_erased_once_the_list_is_accepted(tmp_path: Any) -> None:
    affected_list = read(csv_file(LISE))
    assert (tmp_path / "uploads" / str(affected_list.upload_id) / "0").exists()
    with as_role("worker"):
        accept(affected_list=affected_list, decided_by=None, now=cast.NOW)
    assert list((tmp_path / "uploads").iterdir()) == []
    assert affected_list.chunk_count == 0


def test_somebody_on_an_accepted_list_counts_there() -> None:
    accepted(csv_file(LISE))
    second = accepted(csv_file(LISE, OMAR))
    second.refresh_from_db()
    assert (second.members, second.members_uncounted, second.rows_already_listed) == (2, 1, 1)
    assert [part.rows for part in second.listed_already.all()] == [[2]]


def test_the_error_file_names_rows_listed_already_in_their_place() -> None:
    accepted(csv_file(LISE, OMAR))
    bad = "A9;31/02/1980;Marin;Lise;;"
    second = accepted(csv_file(LISE, bad, OMAR))
    lines = "".join(error_file(second)).splitlines()[1:]
    assert [line.split(";")[0] for line in lines] == ["2", "3", "4"]
    assert "figure déjà sur une liste" in lines[0]


@pytest.mark.parametrize(
    ("earlier", "later", "is_listed"),
    [
        ("alphapay betapay", "alphapay", True),
        ("alphapay", "alphapay betapay", False),
        ("alphapay", "betapay", False),
    ],
)
def test_a_person_is_listed_already_where_all_the_operators_are_named(
    earlier: str, later: str, is_listed: bool
) -> None:
    cast.phare_at_both_operators()
    accepted(csv_file(LISE), operators=operators(earlier))
    second = accepted(csv_file(LISE, ""), operators=operators(later))
    assert (second.members, second.rows_already_listed) == (1, int(is_listed))


def test_another_insurer_lists_its_own_people() -> None:
    accepted(csv_file(LISE))
    assert accepted(csv_file(LISE), place=cast.dune()).members == 1


def test_a_list_is_decided_once() -> None:
    affected_list = read(csv_file(LISE))
    with as_role("worker"):
        decide_to_accept(affected_list=affected_list, decided_by=None, now=cast.NOW)
        with pytest.raises(WrongStateError):
            decide_to_accept(affected_list=affected_list, decided_by=None, now=cast.NOW)


def test_publishing_twice_changes_nothing() -> None:
    affected_list = accepted(csv_file(LISE))
    with as_role("worker"):
        publish_list(list_id=affected_list.pk)
    assert len(members_of(affected_list)) == 1


def test_a_receiver_that_fails_leaves_the_list_to_be_published_later() -> None:
    affected_list = read(csv_file(LISE))
    list_accepted.connect(_fail)
    try:
        with pytest.raises(ConnectionError), as_role("worker"):
            accept(affected_list=affected_list, decided_by=None, now=cast.NOW)
    finally:
        list_accepted.disconnect(_fail)
    affected_list.refresh_from_db()
    assert (affected_list.state, members_of(affected_list)) == (ListState.ACCEPTING, [])
    with as_role("worker"):
        publish_list(list_id=affected_list.pk)
    assert len(members_of(affected_list)) == 1


def _fail(affected_list: AffectedList, **kwargs: Any) -> None:
    raise ConnectionError


def operators(codes: str) -> list[Operator]:
    return [cast.operator(code) for code in codes.split()]
