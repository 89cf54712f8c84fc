"""Messages to hand to a channel, outside any campaign."""

from collections.abc import Iterator

from notifications.channels import ChannelDownError, Outcome, Outgoing, SenderRefusedError
from notifications.models import State
from notifications.notices.rendering import Message

TEXT = "Mutuelle du Phare : une violation de données vous concerne. Code BP7K-3F9M-Q2XD-7"


def number(index: int) -> str:
    """A number that no one has (ARCEP keeps 06 39 98 for fiction)."""
    return f"+336399800{index:02d}"


def outgoing(index: int, *, address: str = "", text: str = TEXT) -> Outgoing:
    return Outgoing(
        notification_id=index,
        address=address or number(index),
        sender_name="MutPhare",
        reply_to="dpo@phare.example.fr",
        message=Message(subject="Objet", text=text, html="<p>x</p>"),
        message_id=f"<{index:032x}@portail.example.fr>",
    )


def until_down(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Take outcomes until the end, or until the channel goes down."""
    try:
        yield from outcomes
    except (ChannelDownError, SenderRefusedError):
        return


def states(outcomes: list[Outcome]) -> list[State]:
    return [outcome.state for outcome in outcomes]
