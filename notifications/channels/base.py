"""The contract of a channel."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from notifications.models import State
from notifications.notices.rendering import EmailText, Message


@dataclass(frozen=True)
class Outgoing:
    """One message to one address. `address` is in clear here, and nowhere else.

    `removal_link` is that of a message which people asked for, and may take back; a notice, which
    the law asks for, has none.
    """

    notification_id: int
    address: str
    sender_name: str
    reply_to: str
    message: Message | EmailText
    message_id: str
    removal_link: str = ""

    def __repr__(self) -> str:
        return f"Outgoing({self.notification_id})"


@dataclass(frozen=True)
class Outcome:
    """What became of a message: a state, and the provider's answer as a code.

    `provider_reference` is what the provider calls the message in its receipts, where that is
    not what the message itself carries. `answer` is the provider's sentence about a failure,
    without the address (`notifications/campaigns/answers.py` scrubs it).
    """

    notification_id: int
    state: State
    reason: str = ""
    provider_reference: str = ""
    answer: str = field(default="", repr=False, compare=False)


class Foreseen(Iterator[Outgoing]):
    """Messages that `gate` lets through, with sight of the next one before it may be sent.

    A channel may announce the next message's address; its content waits until it comes out.
    `goes_on` looks whether the one that came out may still be sent, once some time has passed.
    """

    def __init__(
        self,
        messages: list[Outgoing],
        gate: Callable[[list[Outgoing]], Iterator[Outgoing]] = iter,
        *,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._messages, self._passing, self._count = messages, gate(messages), 0
        self.goes_on = goes_on

    def __next__(self) -> Outgoing:
        message = next(self._passing)
        self._count += 1
        return message

    @property
    def upcoming(self) -> Outgoing | None:
        """The message after the one that came out last, None where there is none."""
        return self._messages[self._count] if self._count < len(self._messages) else None


def still_to_be_sent(messages: Iterable[Outgoing]) -> bool:
    """Whether a message that came out, and has not left, may be sent after some time.

    A channel asks before it sends anything again: staff may have stopped the campaign meanwhile.
    """
    return messages.goes_on() if isinstance(messages, Foreseen) else True


class ChannelDownError(Exception):
    """The provider cannot be reached: nothing of the rest of the batch was sent."""


class SenderRefusedError(Exception):
    """The provider refuses us, not an address: trying the others would lose them."""


class Channel(Protocol):
    @property
    def gives_way(self) -> bool:
        """Whether other connections go on while it waits (`notifications/cooperation.py`)."""

    def send(self, messages: Iterable[Outgoing]) -> Iterator[Outcome]:
        """Send over one connection, one message in flight, yielding each outcome at once.

        The caller records an outcome before it asks for the next, so that a killed process
        leaves at most one message in doubt. Raises ChannelDownError or
        SenderRefusedError; the message then in hand was not sent.
        """
