"""How a message leaves: one small class per channel, all with the same contract."""

from notifications.channels.base import Channel, ChannelDownError, Outcome, Outgoing
from notifications.channels.email import EmailChannel
from notifications.channels.sms import FileSmsChannel
from notifications.models import Channel as ChannelName


def channel_for(name: str) -> Channel:
    """Return the channel that a notification's `channel` names."""
    return {ChannelName.EMAIL: EmailChannel, ChannelName.SMS: FileSmsChannel}[ChannelName(name)]()


__all__ = ["Channel", "ChannelDownError", "Outcome", "Outgoing", "channel_for"]
