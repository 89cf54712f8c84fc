"""The transitions: receipts in any order end the same, and the database knows no other move."""

import re
from itertools import permutations

import pytest
from django.db import IntegrityError, connection, transaction

from notifications.models import DeliveryEvent, ReceiptKind, State
from notifications.states import STANDING_OF, after_receipt, allowed_moves
from tests import cast
from tests.notifications.story import built, member


def fold(state: State, kinds: tuple[ReceiptKind, ...]) -> State:
    for kind in kinds:
        state = after_receipt(state, kind)
    return state


@pytest.mark.parametrize("state", [s for s in State if s != State.SENDING])
def test_receipts_end_the_same_in_every_order(state: State) -> None:
    for size in range(1, len(ReceiptKind) + 1):
        for kinds in permutations(ReceiptKind, size):
            assert fold(state, kinds) == fold(state, tuple(sorted(kinds)))


@pytest.mark.parametrize("kind", ReceiptKind)
def test_a_receipt_twice_is_a_receipt_once(kind: ReceiptKind) -> None:
    for state in State:
        assert fold(state, (kind, kind)) == after_receipt(state, kind)


def test_every_state_means_one_thing_for_people() -> None:
    assert set(STANDING_OF) == set(State)


@pytest.mark.django_db
def test_the_database_has_the_same_transitions() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conname = 'only_allowed_moves'"
        )
        (definition,) = cursor.fetchone() or ("",)
    names = "|".join(state.value for state in State)
    found = set(re.findall(rf"\b({names})>({names})\b", definition))
    assert found == {(a.value, b.value) for a, b in allowed_moves()}


@pytest.mark.django_db
def test_the_database_refuses_another_move() -> None:
    campaign = built([member(1, email="a@example.fr")])
    with pytest.raises(IntegrityError), transaction.atomic():
        DeliveryEvent.objects.create(
            campaign=campaign,
            state=State.PENDING,
            previous_state=State.DELIVERED,
            people=1,
            messages=1,
            at=cast.NOW,
        )
