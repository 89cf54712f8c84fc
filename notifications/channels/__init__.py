"""How a message leaves: one small class per channel, all with the same contract."""

from functools import partial
from uuid import UUID

from notifications.channels.base import (
    Channel,
    ChannelDownError,
    Outcome,
    Outgoing,
    SenderRefusedError,
)
from notifications.channels.email import EmailChannel
from notifications.channels.smpp import SmppChannel
from notifications.channels.sms_account import sms_account
from notifications.channels.sms_folder import FolderSmsChannel
from notifications.channels.sms_parts import keep_parts
from notifications.models import Channel as ChannelName
from notifications.senders.choosing import sender_for


def channel_for(name: str, *, insurer_id: UUID | None = None) -> Channel:
    """Return the channel that a notification's `channel` names, with its insurer's sender."""
    return EmailChannel(sender_for(insurer_id)) if name == ChannelName.EMAIL else _sms_channel()


def window_of(name: str) -> int:
    """Return how many messages of a batch may be without an answer at once, on this channel.

    So many are in doubt when a worker is killed (docs/decisions/0012-sms-window.md).
    """
    account = sms_account() if name == ChannelName.SMS else None
    return account.window if account is not None and account.provider == "smpp" else 1


def connections_of(name: str) -> int | None:
    """Return how many connections at once the provider of this channel admits; None is any."""
    account = sms_account() if name == ChannelName.SMS else None
    return account.connections if account is not None and account.provider == "smpp" else None


def _sms_channel() -> Channel:
    account = sms_account()
    if account is None:
        raise ChannelDownError("no SMS provider is set up")
    keep_ids = partial(keep_parts, account)
    if account.provider == "smpp":
        return SmppChannel(account, keep_ids=keep_ids)
    if account.provider == "ovh":
        # With its HTTP client, which a worker of another provider need not load to start.
        from notifications.channels.ovh import OvhChannel

        return OvhChannel(account, keep_ids=keep_ids)
    return FolderSmsChannel()


__all__ = [
    "Channel",
    "ChannelDownError",
    "Outcome",
    "Outgoing",
    "SenderRefusedError",
    "channel_for",
    "connections_of",
    "window_of",
]
