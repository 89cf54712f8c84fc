"""What became of people of a list, event by event, for auditors (worker): codes and times only."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypedDict

from insurers.models import AffectedList, AffectedMember
from notifications.models import DeliveryEvent, Receipt
from notifications.replies.standing import messages_of, why_ended, why_untold


class Happening(TypedDict):
    """An event of a message, or what a provider said of it (scrubbed); time in ISO 8601."""

    at: str
    state: str
    reason: str
    said: str


class Message(TypedDict):
    """A message that covers, or covered, the person; `state` is where it stands now."""

    campaign_id: int
    channel: str
    state: str
    reason: str
    events: list[Happening]


class History(TypedDict):
    """A row of the file: `ended` is a code or "", `none` why there is no message, or none told."""

    row: int
    ended: str
    none: str
    messages: list[Message]


def histories(*, affected_list: AffectedList, ordinals: Sequence[int]) -> list[History]:
    """Return what became of the people of these rows, in this order."""
    members = AffectedMember.objects.filter(list_id=affected_list.pk, ordinal__in=ordinals)
    by_row = {member.ordinal: member for member in members}
    return [_history(affected_list, by_row[row]) for row in ordinals if row in by_row]


def _history(affected_list: AffectedList, member: AffectedMember) -> History:
    found = messages_of(member)
    happened = _happened(list(found))
    messages = [
        Message(
            campaign_id=message.campaign_id,
            channel=message.channel,
            state=message.state,
            reason=message.reason,
            events=happened[number],
        )
        for number, message in found.items()
    ]
    return History(
        row=member.ordinal,
        ended=why_ended(affected_list, member.ordinal),
        none=why_untold(affected_list, member, [(one.state, one.reason) for one in found.values()]),
        messages=messages,
    )


def _happened(numbers: Sequence[int]) -> dict[int, list[Happening]]:
    """Return, by message, its events and the provider's receipts, in the order of time."""
    found: dict[int, list[Happening]] = defaultdict(list)
    events = DeliveryEvent.objects.filter(notification_id__in=numbers)
    for number, at, state, reason in events.values_list("notification_id", "at", "state", "reason"):
        assert number is not None
        found[number].append(Happening(at=at.isoformat(), state=state, reason=reason, said=""))
    receipts = Receipt.objects.filter(notification_id__in=numbers)
    said = receipts.values_list("notification_id", "received_at", "kind", "code", "text")
    for number, at, kind, code, text in said:
        assert number is not None
        words = " ".join(part for part in (code, text) if part)
        found[number].append(Happening(at=at.isoformat(), state="", reason=kind, said=words))
    return defaultdict(
        list, {number: sorted(one, key=lambda event: event["at"]) for number, one in found.items()}
    )
