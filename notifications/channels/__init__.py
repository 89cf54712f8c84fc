"""How a message leaves: one small class per channel, all with the same contract."""

from uuid import UUID

from notifications.channels.base import (
    Channel,
    ChannelDownError,
    Outcome,
    Outgoing,
    SenderRefusedError,
)
from notifications.channels.email import EmailChannel
from notifications.channels.sms import FileSmsChannel
from notifications.models import Channel as ChannelName
from notifications.senders import sender_for


def channel_for(name: str, *, insurer_id: UUID | None = None) -> Channel:
    """Return the channel that a notification's `channel` names, with its insurer's sender."""
    if name == ChannelName.EMAIL:
        return EmailChannel(sender_for(insurer_id))
    channels: dict[str, type[Channel]] = {ChannelName.SMS: FileSmsChannel}
    return channels[name]()


__all__ = [
    "Channel",
    "ChannelDownError",
    "Outcome",
    "Outgoing",
    "SenderRefusedError",
    "channel_for",
]
