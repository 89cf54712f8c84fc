"""What a provider says later of a part of an SMS, and how it names it."""

import re
from dataclasses import dataclass

from notifications.models import State


@dataclass(frozen=True)
class SmsReceipt:
    """A final receipt: `state` is delivered or failed, `reason` a code."""

    provider_id: str
    state: State
    reason: str


# Final states (SMPP 3.4, 5.2.28 and appendix B); the others say that one will come.
FINAL = {
    "DELIVRD": State.DELIVERED,
    "EXPIRED": State.FAILED,
    "DELETED": State.FAILED,
    "UNDELIV": State.FAILED,
    "REJECTD": State.FAILED,
}
STATES_BY_NUMBER = {2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 8: "REJECTD"}
ID = re.compile(rb"\bid:([^\s]{1,64})", re.IGNORECASE)
STAT = re.compile(rb"\bstat:([A-Z]{1,10})", re.IGNORECASE)
ERR = re.compile(rb"\berr:([0-9A-F]{1,4})\b", re.IGNORECASE)


def parse_receipt(
    text: bytes, *, message_id: bytes | None = None, message_state: int | None = None
) -> SmsReceipt | None:
    """Read a `deliver_sm`'s text (SMPP 3.4, appendix B), or its parameters where it has them.

    Returns None for what is no final receipt: an intermediate state, a message of a person's.
    """
    identifier = (message_id or b"").strip(b"\0") or _first(ID, text)
    stat = STATES_BY_NUMBER.get(message_state or 0) or _first(STAT, text).decode().upper()
    state = FINAL.get(stat[:7])
    if not identifier or state is None:
        return None
    error = _first(ERR, text).decode().lower().lstrip("0")
    reason = f"sms-{stat[:7].lower()}" + (f"-{error}" if error else "")
    return SmsReceipt(identifier.decode("ascii", "replace"), state, reason)


def same_id(provider_id: str, *, receipt_ids: str, is_receipt: bool) -> str:
    """Return the one form of an id that answers and receipts share.

    Providers pad ids with zeros, change their case, and write the same number in hexadecimal in
    one place and in decimal in the other; `receipt_ids` (SmsAccount) says which.
    """
    plain = provider_id.strip().lower()
    answered, receipted = {
        "hex-then-decimal": (16, 10),
        "decimal-then-hex": (10, 16),
    }.get(receipt_ids, (0, 0))
    if base := receipted if is_receipt else answered:
        try:
            return str(int(plain, base))
        except ValueError:
            return plain
    return plain.lstrip("0") or plain


def _first(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    match = pattern.search(text)
    return match[1] if match else b""
