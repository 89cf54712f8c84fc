"""Where somebody stands for those who speak with them: on which lists, told when and how (worker).

Codes, numbers of lists and times, as JSON: no name, no address, no number, no reference.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NotRequired, TypedDict
from uuid import UUID

from django.db import connection
from django.db.models import Max, Min, Q

from insurers.lists.finding import Found, find_members, people_meant
from insurers.models import AffectedList, AffectedMember, ListingMark, ListState
from notifications.exemptions.standing import covers, ground_of
from notifications.models import (
    Campaign,
    CampaignKind,
    CampaignState,
    Channel,
    CoveredMember,
    DeliveryEvent,
    Notification,
    State,
    Told,
)
from notifications.outbox.planning import PLANNED

# What a message has been through once its server had it.
TAKEN = (
    State.ACCEPTED,
    State.DELIVERED,
    State.UNCERTAIN,
    State.BOUNCED,
    State.COMPLAINED,
    State.FAILED,
)
DEAD_ENDS = (State.BOUNCED, State.FAILED, State.SUPPRESSED)
WHY_NONE = f"SELECT channel, lack FROM ({PLANNED} WHERE c.id = %s AND m.ordinal = %s) AS planned"


class MessageStanding(TypedDict):
    """What became of one message, times in ISO 8601; `first_at` is null until a server had it."""

    campaign_id: int
    kind: str
    campaign_state: str
    channel: str
    state: str
    reason: str
    first_at: str | None
    last_at: str | None


class ListingStanding(TypedDict):
    """A row of a list: `ended` is a code or "", `none` why there is no message.

    Or, where there are some that did not tell the person, the ground of the exemption in force.
    """

    list_id: int
    breach_id: int
    accepted_at: str | None
    operators: list[int]
    ended: str
    messages: list[MessageStanding]
    none: NotRequired[str]


def standing_of(
    *, insurer_id: UUID, member_number: str, birth_date: str, birth_rank: str
) -> list[ListingStanding]:
    """Return where a person stands on this insurer's lists, the newest first; ended ones too.

    Raises what `find_members` raises where a key is lost: that is not « not found ».
    """
    places = places_of(
        insurer_id=insurer_id,
        member_number=member_number,
        birth_date=birth_date,
        birth_rank=birth_rank,
    )
    by_id = AffectedList.objects.in_bulk({place.list_id for place in places})
    return [_listing(by_id[place.list_id], place.ordinal) for place in places]


def places_of(
    *,
    insurer_id: UUID,
    member_number: str,
    birth_date: str,
    birth_rank: str,
    breach_ids: Collection[int] | None = None,
) -> list[Found]:
    """Return the rows of an insurer's lists that are a person, the newest first; ended ones too.

    Of some breaches only, where they are given. Raises what `find_members` raises.
    """
    people = people_meant(member_number=member_number, birth_date=birth_date, birth_rank=birth_rank)
    lists = AffectedList.objects.with_members().that_list_people().filter(insurer=insurer_id)
    if breach_ids is not None:
        lists = lists.filter(breach__in=breach_ids)
    places: set[Found] = set()
    for breach_id in lists.order_by().values_list("breach_id", flat=True).distinct():
        for standing in find_members(
            breach_id=breach_id, insurer_id=insurer_id, people=people, with_ended=True
        ):
            places |= set(standing)
    there = set(lists.values_list("pk", flat=True))
    found = [place for place in places if place.list_id in there]
    return sorted(found, key=lambda place: (-place.list_id, place.ordinal))


def _listing(affected_list: AffectedList, ordinal: int) -> ListingStanding:
    place = {"list_id": affected_list.pk, "ordinal": ordinal}
    member = AffectedMember.objects.get(**place)
    listing = ListingStanding(
        list_id=affected_list.pk,
        breach_id=affected_list.breach_id,
        accepted_at=_iso(affected_list.decided_at),
        operators=affected_list.operator_ids,
        ended=why_ended(affected_list, ordinal),
        messages=_standings(member),
    )
    states = [(message["state"], message["reason"]) for message in listing["messages"]]
    if why := why_untold(affected_list, member, states):
        listing["none"] = why
    return listing


def why_ended(affected_list: AffectedList, ordinal: int) -> str:
    """Return the code of why nothing more is sent to a person from this list, or ""."""
    mark = ListingMark.objects.filter(list_id=affected_list.pk, ordinal=ordinal).first()
    if mark is not None and mark.ended:
        return mark.ended
    return "" if affected_list.state == ListState.ACCEPTED else ListState.WITHDRAWN.value


def messages_of(member: AffectedMember) -> dict[int, Notification]:
    """Return what was made for a person, in the order in which it was: with what failed before."""
    covering = CoveredMember.objects.filter(list_id=member.list_id, ordinal=member.ordinal)
    numbers = list(covering.values_list("notification_id", flat=True))
    covered = list(Notification.objects.filter(pk__in=numbers))
    messages = {found.pk: found for found in covered}
    for found in covered:
        messages |= {earlier.pk: earlier for earlier in _failed_before(found, member)}
    return dict(sorted(messages.items()))


def _standings(member: AffectedMember) -> list[MessageStanding]:
    messages = messages_of(member)
    campaigns = Campaign.objects.in_bulk({found.campaign_id for found in messages.values()})
    times = _times(messages)
    return [
        MessageStanding(
            campaign_id=found.campaign_id,
            kind=campaigns[found.campaign_id].kind,
            campaign_state=campaigns[found.campaign_id].state,
            channel=found.channel,
            state=found.state,
            reason=found.reason,
            first_at=_iso(times.get(found.pk, (None, None))[0]),
            last_at=_iso(times.get(found.pk, (None, None))[1]),
        )
        for found in messages.values()
    ]


def _failed_before(message: Notification, member: AffectedMember) -> Iterable[Notification]:
    """Return the messages of the same campaign that failed, and gave the person over to this one.

    They cover the person no longer: they are found by the address, or by naming the person.
    """
    by_address = Q(pk=None)
    for channel, address in (
        (Channel.EMAIL, member.email_fingerprint),
        (Channel.SMS, member.phone_fingerprint),
    ):
        if address is not None:
            by_address |= Q(channel=channel, address_fingerprint=address)
    of_campaign = Notification.objects.filter(campaign=message.campaign_id).exclude(
        state=State.CANCELLED
    )
    named = Notification.objects.filter(
        list_id=member.list_id, ordinal=member.ordinal, campaign=message.campaign_id
    )
    for earlier in (of_campaign.filter(by_address), named):
        yield from earlier.filter(state__in=DEAD_ENDS).exclude(channel=message.channel)


def _times(numbers: Iterable[int]) -> dict[int, tuple[datetime | None, datetime | None]]:
    events = DeliveryEvent.objects.filter(notification_id__in=list(numbers))
    rows = (
        events.order_by()
        .values_list("notification_id")
        .annotate(first=Min("at", filter=Q(state__in=TAKEN)), last=Max("at"))
    )
    return {number: (first, last) for number, first, last in rows}


def why_untold(
    affected_list: AffectedList, member: AffectedMember, states: Collection[tuple[str, str]]
) -> str:
    """Return why no message was made for somebody, or what exempts whom none told; else "".

    `states` are state and reason of each message.
    """
    if not states:
        return why_none(affected_list, member)
    if all(covers(state, reason) for state, reason in states):
        return ground_of(affected_list.pk)
    return ""


def why_none(affected_list: AffectedList, member: AffectedMember) -> str:
    """Return the code of what keeps the person without a message; the ground of an exemption."""
    campaign = (
        Campaign.objects.filter(affected_list=affected_list, kind=CampaignKind.NOTICE)
        .exclude(state=CampaignState.RETURNED)
        .first()
    )
    ground = ground_of(affected_list.pk)
    if campaign is None and not ground:
        return "no_campaign"
    if campaign and campaign.state in (CampaignState.SUBMITTED, CampaignState.APPROVED):
        return f"campaign_{campaign.state}"
    told = Told.objects.filter(
        breach_id=affected_list.breach_id,
        insurer_id=affected_list.insurer_id,
        operator_id__in=affected_list.operator_ids,
        fingerprint=member.fingerprint,
    )
    if told.exclude(list_id=member.list_id, ordinal=member.ordinal).exists():
        return "told_already"
    if ground or campaign is None:
        return ground
    if campaign.state == CampaignState.CANCELLED:
        return "campaign_cancelled"
    with connection.cursor() as cursor:
        cursor.execute(WHY_NONE, [campaign.pk, member.ordinal])
        channel, lack = cursor.fetchone() or (None, "")
    return "left_out" if channel else lack


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
