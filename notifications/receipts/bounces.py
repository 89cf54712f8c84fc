"""Read what a mail server sends back: delivery reports, complaints, and bounces of no known form.

Reports are read by the standard library (RFC 3464), complaints likewise (RFC 5965); what is
neither goes through flufl.bounce, which knows the forms of servers that follow no standard. What
comes out names a message by our token or its Message-ID, never by an address alone: anyone can
write a letter that says an address does not exist.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message as Mail
from enum import StrEnum

from flufl.bounce import all_failures

from notifications.channels.mime import RECEIPT_HEADER
from notifications.receipts.tokens import MAILBOX, TOKEN

LARGEST = 512 * 1024  # bytes that are looked at; the report comes before the returned message
VERP = re.compile(rf"{MAILBOX}\+({TOKEN.pattern})@", re.IGNORECASE)
STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
MESSAGE_ID = re.compile(r"<[0-9a-zA-Z@.-]+>")
ADDRESSED = ("Delivered-To", "X-Original-To", "Envelope-To", "To")
# Of no address for itself (RFC 3463): a full mailbox, the system or the network will do tomorrow;
# the size, the protocol, the content and the policy will not.
FOR_NOW = ("4.", "5.2.2", "5.3.", "5.4.")
NOT_THE_ADDRESS = ("5.2.3", "5.5.", "5.6.", "5.7.")
COMPLAINTS = {"abuse", "fraud", "virus", "other"}


class Said(StrEnum):
    """What is said of a message, the mildest first; the names are those of `ReceiptKind`."""

    DELIVERED = "delivered"
    DELAYED = "delayed"
    SOFT = "soft"
    FAILED = "failed"
    HARD = "hard"
    COMPLAINED = "complained"


MILDEST_FIRST = tuple(Said)


@dataclass(frozen=True)
class Report:
    """What a letter says became of one message of ours, and what may name that message."""

    said: Said
    code: str
    tokens: tuple[str, ...]
    message_ids: tuple[str, ...]
    recipients: tuple[str, ...] = field(repr=False)
    text: str = field(default="", repr=False)  # the server's sentence, as it is


@dataclass(frozen=True)
class _Line:
    """What is said of one recipient."""

    said: Said
    status: str
    recipients: tuple[str, ...] = field(repr=False)
    text: str = field(default="", repr=False)


def read_report(content: bytes) -> Report | None:
    """Return what a letter reports, or None: it is no report, or says nothing that counts."""
    mail = message_from_bytes(content[:LARGEST])
    parts = list(mail.walk())
    tokens, message_ids = _names(mail, parts)
    kind, lines = _lines(mail, parts)
    if not lines:
        return None
    # Several recipients are one of ours and those its mailbox passes the message on to: it
    # reached somebody if any of them says so.
    line = min(lines, key=lambda found: MILDEST_FIRST.index(found.said))
    return Report(
        said=line.said,
        code=f"{kind}-{line.status}",
        tokens=tokens,
        message_ids=message_ids,
        recipients=tuple(dict.fromkeys(r for found in lines for r in found.recipients)),
        text=line.text,
    )


def _lines(mail: Mail, parts: list[Mail]) -> tuple[str, list[_Line]]:
    for part in parts:
        if part.get_content_type() == "message/delivery-status":
            return "dsn", list(_delivery_lines(part))
        if part.get_content_type() == "message/feedback-report":
            return "complaint", list(_complaint_lines(part))
    if _is_automatic_reply(mail):
        return "", []
    return "bounce", list(_recognised_lines(mail, parts))


def _names(mail: Mail, parts: list[Mail]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tokens and Message-IDs that a letter holds, the surest first."""
    tokens = [
        found for name in ADDRESSED for value in _all(mail, name) for found in VERP.findall(value)
    ]
    message_ids: list[str] = []
    for part in parts[1:]:
        kind = part.get_content_type()
        headers = message_from_bytes(_bytes(part)) if kind == "text/rfc822-headers" else part
        tokens += [value.strip() for value in _all(headers, RECEIPT_HEADER)]
        tokens += [value.strip() for value in _all(headers, "Original-Envelope-Id")]
        for name in ("Return-Path", "Original-Mail-From"):
            tokens += [found for value in _all(headers, name) for found in VERP.findall(value)]
        message_ids += [
            found for value in _all(headers, "Message-ID") for found in MESSAGE_ID.findall(value)
        ]
    if not tokens and not message_ids:
        text = _text(parts)
        tokens += re.findall(rf"(?im)^{RECEIPT_HEADER}:\s*({TOKEN.pattern})\s*$", text)
        message_ids += re.findall(r"(?im)^Message-ID:\s*(<[0-9a-z@.-]+>)", text)
    lowered = (token.lower() for token in tokens)
    return tuple(dict.fromkeys(lowered)), tuple(dict.fromkeys(message_ids))


def _delivery_lines(part: Mail) -> Iterator[_Line]:
    for block in part.get_payload() if part.is_multipart() else []:
        if not isinstance(block, Mail):
            continue
        # An envelope id stands in the first block, which has no action.
        action = str(block.get("Action", "")).strip().lower()
        found = STATUS.search(str(block.get("Status", ""))) or STATUS.search(
            str(block.get("Diagnostic-Code", ""))
        )
        status = found[1] if found else ""
        said = _said(action, status)
        if said is not None:
            addresses = tuple(
                str(block[name]).partition(";")[2].strip().strip("<>").lower()
                for name in ("Original-Recipient", "Final-Recipient")
                if block[name]
            )
            text = str(block.get("Diagnostic-Code", "")).partition(";")[2].strip()
            yield _Line(said, status or action, addresses, text)


def _said(action: str, status: str) -> Said | None:
    if action == "delivered":
        return Said.DELIVERED
    if action == "delayed":
        return Said.DELAYED
    if action != "failed":
        return None  # Relayed or expanded: another server has it now.
    return _failure(status)


def _failure(status: str) -> Said:
    """Tell an address that does not exist from a message that could not be delivered in the end."""
    if status.startswith(FOR_NOW):
        return Said.SOFT
    return Said.FAILED if status.startswith(NOT_THE_ADDRESS) else Said.HARD


def _complaint_lines(part: Mail) -> Iterator[_Line]:
    inner = part.get_payload()
    fields = inner[0] if isinstance(inner, list) and inner else message_from_bytes(_bytes(part))
    assert isinstance(fields, Mail)
    kind = str(fields.get("Feedback-Type", "")).strip().lower()
    if kind in COMPLAINTS:
        addresses = tuple(
            value.strip().strip("<>").lower() for value in _all(fields, "Original-Rcpt-To")
        )
        yield _Line(Said.COMPLAINED, kind, addresses)


def _is_automatic_reply(mail: Mail) -> bool:
    """Whether a person's mailbox answers (RFC 3834): that says nothing of the address."""
    automatic = str(mail.get("Auto-Submitted", "")).strip().lower()
    return automatic.startswith("auto-replied") or any(
        mail[name] for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress-Reply")
    )


def _recognised_lines(mail: Mail, parts: list[Mail]) -> Iterator[_Line]:
    try:
        temporary, permanent = all_failures(mail)
    except Exception:  # Its detectors trip over odd letters, which are then no bounce.
        return
    codes = (code for code in STATUS.findall(_text(parts)) if code.startswith(("4.", "5.")))
    status = next(codes, "")
    if permanent:
        yield _Line(_failure(status), status or "permanent", _addresses(permanent))
    elif temporary:
        yield _Line(Said.DELAYED, status or "temporary", _addresses(temporary))


def _addresses(found: Iterable[bytes | str]) -> tuple[str, ...]:
    texts = (a.decode("ascii", "replace") if isinstance(a, bytes) else a for a in found)
    return tuple(sorted(text.lower() for text in texts))


def _all(part: Mail, name: str) -> list[str]:
    """Return every value of a header, as text whatever bytes it holds."""
    return [str(value) for value in part.get_all(name, [])]


def _bytes(part: Mail) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(parts: list[Mail]) -> str:
    return "\n".join(
        _bytes(part).decode("utf-8", "replace")
        for part in parts
        if part.get_content_maintype() == "text"
    )
