"""Collect what the SMS provider says of the messages that it took, now and then, from a worker."""

from datetime import datetime, timedelta
from functools import partial

from insurers.lists.locks import session_lock
from notifications.channels import ChannelDownError, SenderRefusedError
from notifications.channels.smpp_receipts import take_smpp_receipts
from notifications.channels.sms_account import SmsAccount, sms_account
from notifications.channels.sms_parts import (
    awaits_receipts,
    forget_old_parts,
    parts_that_wait,
    take_receipt,
)

LOCK = (39, 1)  # one collector at a time: providers allow one receiver
SECONDS = 20.0
MARGIN = timedelta(hours=1)  # the provider's clock and ours


def collect_sms_receipts(*, now: datetime) -> bool:
    """Take the receipts that wait at the provider (worker only); return whether it let us in."""
    account = sms_account()
    if account is None:
        return False
    forget_old_parts(now=now)
    since = awaits_receipts(account, now=now)
    if since is None:
        return False
    with session_lock(*LOCK) as is_alone:
        if not is_alone:
            return False
        try:
            _collect(account, since=since - MARGIN, now=now)
        except (ChannelDownError, SenderRefusedError):
            return False
    return True


def _collect(account: SmsAccount, *, since: datetime, now: datetime) -> None:
    take = partial(take_receipt, account, now=now)
    if account.provider == "smpp":
        take_smpp_receipts(account, take=take, seconds=SECONDS)
    elif account.provider == "ovh":
        from notifications.channels.ovh import ovh_receipts

        waiting = parts_that_wait(account)  # It tells the same again every time.
        for receipt in ovh_receipts(account, since=since):
            if receipt.provider_id in waiting:
                take(receipt)
