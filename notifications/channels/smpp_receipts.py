"""Take delivery receipts over SMPP: a receiver's connection, apart from those that send.

The provider keeps receipts for days until someone is bound to take them. Each is acknowledged
once it is recorded, so that one which was not comes again.
"""

import time
from collections.abc import Callable

from smpplib import consts

from notifications.channels.smpp_link import LinkLostError, linked
from notifications.channels.sms_account import SmsAccount
from notifications.channels.sms_receipts import SmsReceipt, parse_receipt

QUIET = 2.0  # seconds without a receipt, and the others can wait for the next time


def take_smpp_receipts(
    account: SmsAccount, *, take: Callable[[SmsReceipt], None], seconds: float
) -> int:
    """Call `take` for each receipt that comes within `seconds`; return how many came.

    Raises ChannelDownError or SenderRefusedError where the provider does not let us in.
    """
    taken = 0
    with linked(account, "receiver") as link:
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                pdu = link.receive(min(QUIET, left))
                if pdu is None:
                    break
                if pdu.command != "deliver_sm":
                    continue
                receipt = parse_receipt(
                    pdu.short_message or pdu.message_payload or b"",
                    message_id=pdu.receipted_message_id,
                    message_state=pdu.message_state,
                )
                if receipt is not None:
                    take(receipt)
                    taken += 1
                link.answer(pdu, "deliver_sm_resp", consts.SMPP_ESME_ROK)
        except LinkLostError:
            pass  # What was not acknowledged comes again.
    return taken
