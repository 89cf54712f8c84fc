"""What a worker leases, by looks into indexes however long a campaign is."""

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from insurers.models import Ended, ListingMark
from notifications.models import Campaign, Channel, Notification, NotificationMember, State
from notifications.sending.acceptances import APPLY
from notifications.sending.leases import claim_batch, close_batch
from notifications.sending.turns import TURNS, turns_in_order
from notifications.sending.unfinished import unfinished
from tests.conftest import as_role
from tests.notifications.story import built, member

pytestmark = pytest.mark.django_db


def claim(campaign: Campaign) -> int | None:
    return claim_batch(campaign_id=campaign.pk, channel=Channel.EMAIL, now=timezone.now())


def plan(statement: str, values: dict[str, Any]) -> str:
    """Return how PostgreSQL runs a statement, where tables are too large to be read."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}", values)
        return "\n".join(row[0] for row in cursor.fetchall())


def withdraw(place: Notification | NotificationMember) -> None:
    """Mark a member as withdrawn; nobody has settled that yet."""
    ended = {"ended": Ended.WITHDRAWN, "is_counted": True, "is_stale": True}
    ListingMark.objects.create(list_id=place.list_id, ordinal=place.ordinal, **ended)


def test_nothing_is_leased_for_whoever_was_withdrawn_alone_or_in_a_family() -> None:
    family = [member(n, email="famille@example.fr") for n in (1, 2)]
    campaign = built([member(0, email="seul@example.fr"), *family, member(3, email="p@example.fr")])
    alone, other = Notification.objects.filter(people=1).order_by("ordinal")
    withdraw(alone)
    withdraw(NotificationMember.objects.get())  # whom the family's message does not name
    with as_role("worker"):
        assert claim(campaign)
    assert list(Notification.objects.filter(state=State.SENDING)) == [other]


def test_a_campaign_is_unfinished_while_messages_wait_or_are_being_sent() -> None:
    campaign = built([member(1, email="p@example.fr")])
    its_own = Campaign.objects.filter(pk=campaign.pk)
    with as_role("worker"):
        assert unfinished(its_own).exists()
        batch = claim(campaign)
        assert batch is not None
        assert not Notification.objects.filter(state=State.PENDING).exists()
        assert unfinished(its_own).exists()
        Notification.objects.update(state=State.ACCEPTED)
        close_batch(batch_id=batch, now=timezone.now(), due_at=timezone.now())
        assert not unfinished(its_own).exists()


def test_whose_turn_it_is_takes_one_look_for_each_campaign() -> None:
    campaign = built([member(1, email="p@example.fr")])
    assert [turn.campaign_id for turn in turns_in_order(now=timezone.now())] == [campaign.pk]
    found = plan(TURNS, {"now": timezone.now(), "only": None})
    assert "using messages_that_wait" in found
    assert found.index("Limit") < found.index("messages_that_wait")


def test_what_became_of_messages_is_not_joined_in_a_loop_in_a_loop() -> None:
    # Of a table that was found empty, any index read whole costs as much as a look for one row.
    built([member(n, email=f"p{n}@example.fr") for n in range(500)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE notifications_notification")
    assert "Join Filter" not in plan(APPLY, {"batch": 1})
