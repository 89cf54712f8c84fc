"""Which exemptions are in force, and what they make of people's figures."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from notifications.models import Exemption, State
from notifications.models.exemptions import IN_FORCE, OPEN
from notifications.reasons import CAMPAIGN_CANCELLED
from notifications.states import STANDING_OF, Standing


def grounds_by_list(*, breach_id: int, insurer_id: UUID) -> dict[int, str]:
    """Return the grounds of the exemptions in force of an insurer in a breach, by list."""
    standing = Exemption.objects.filter(breach=breach_id, insurer=insurer_id, state__in=IN_FORCE)
    return dict(standing.values_list("affected_list", "ground"))


def ground_of(list_id: int) -> str:
    """Return the ground of the exemption in force on a list, or ""."""
    standing = Exemption.objects.filter(affected_list=list_id, state__in=IN_FORCE)
    return standing.values_list("ground", flat=True).first() or ""


def is_decided_for(list_id: int) -> bool:
    """Whether an exemption of the list is in force, or waits to be approved."""
    return Exemption.objects.filter(affected_list=list_id, state__in=OPEN).exists()


def covers(state: str, reason: str) -> bool:
    """Whether people in a state of the list's campaign are those whom its exemption covers.

    They are whoever could not be told, and whoever was no longer to be told because the campaign
    was cancelled. Who left the list stays cancelled. `recount.SUMS` says the same in SQL.
    """
    if STANDING_OF[State(state)] == Standing.UNREACHABLE:
        return True
    return state == State.CANCELLED and reason == CAMPAIGN_CANCELLED


Row = tuple[Any, str, str, str, int, int]
"""Campaign, channel, state, reason, people, messages."""


def with_exempt(rows: Iterable[Row], grounds: Mapping[int, str]) -> Iterator[Row]:
    """Yield the rows of campaigns, people of an exempt list as exempt, their messages as they are.

    `grounds` are by campaign.
    """
    for campaign, channel, state, reason, people, messages in rows:
        ground = grounds.get(campaign, "")
        if ground and people and covers(state, reason):
            yield campaign, "", State.EXEMPT.value, ground, people, 0
            people = 0
        if people or messages:
            yield campaign, channel, state, reason, people, messages
