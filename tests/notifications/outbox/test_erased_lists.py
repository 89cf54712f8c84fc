"""People who count on a list that leaves count on another one, though a list was erased before."""

from collections.abc import Callable

import pytest

from insurers.lists.purging import purge_list, run_purge
from insurers.models import AffectedList
from tests import cast
from tests.conftest import as_role
from tests.notifications.effects import (
    add,
    line,
    prepare,
    replace,
    send,
    withdraw,
    withdraw_whole,
)
from tests.notifications.story import member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail")]
LISE = member(1, email="lise@example.fr")
INES = member(3, email="ines@example.fr")


@pytest.fixture(autouse=True)
def _both_operators() -> None:
    cast.phare_at_both_operators()


def erased(*, is_told: bool) -> None:
    """A list of somebody else, who was told or withdrawn with it, is no more."""
    found = add(member(9, email="zoe@example.fr"))
    if is_told:
        send(prepare(found))
    else:
        withdraw_whole(found)
    purge = purge_list(affected_list=found, requested_by=None, now=cast.NOW)
    with as_role("worker"):
        run_purge(purge_id=purge.pk, now=cast.NOW)


def replace_all(_left: AffectedList) -> None:
    replace(INES)


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize("leave", [withdraw_whole, replace_all])
def test_who_another_list_names_counts_there(
    leave: Callable[[AffectedList], None], is_told: bool
) -> None:
    erased(is_told=is_told)
    left = add(LISE)
    stays = add(LISE, "", operators=["betapay"])
    leave(left)
    stays.refresh_from_db()
    assert stays.members_uncounted == 0
    assert line().figures.listed == 1 + (leave is replace_all) + is_told


@pytest.mark.parametrize("is_told", [False, True])
def test_whose_address_comes_back_counts_again(is_told: bool) -> None:
    erased(is_told=is_told)
    add(LISE)
    withdraw_whole(add(member(1, email="lise@exemple.fr")))
    assert line().figures.listed == 1 + is_told


def test_who_is_listed_again_counts_where_nobody_counts_on_the_erased_list() -> None:
    erased(is_told=False)
    prepare(add(LISE))
    withdraw(LISE)
    add(LISE, INES)
    assert line().figures.listed == 2
