"""How a message leaves: one small class per channel, all with the same contract."""

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


def channel_for(name: str) -> Channel:
    """Return the channel that a notification's `channel` names."""
    channels: dict[str, type[Channel]] = {
        ChannelName.EMAIL: EmailChannel,
        ChannelName.SMS: FileSmsChannel,
    }
    return channels[name]()


__all__ = [
    "Channel",
    "ChannelDownError",
    "Outcome",
    "Outgoing",
    "SenderRefusedError",
    "channel_for",
]
