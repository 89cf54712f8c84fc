"""An e-mail as bytes (RFC 5322, 2045): encoded once per campaign, filled in per recipient.

Text and HTML are quoted-printable: seven bits and short lines pass every server unchanged, so a
DKIM signature over them holds (RFC 6376, 5.3), and a blank can be filled in between two soft line
breaks without encoding the rest again. docs/decisions/0014 says what was measured.
"""

import hashlib
import re
import time
from binascii import b2a_qp
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from html import escape

from django.conf import settings
from django.utils import timezone

from insurers.lists import identifiers
from notifications.channels.base import Outgoing
from notifications.notices.content import NoticeContent
from notifications.notices.rendering import (
    BLANKS,
    COVERED,
    EmailText,
    Language,
    MessageLayout,
    lay_out,
)
from notifications.senders.choosing import Sender

RECEIPT_HEADER = "X-Receipt-Token"
SOFT_BREAK = b"=\r\n"
LONGEST_LINE = 76  # RFC 2045, 6.7, the soft break included
# What quoted-printable leaves as it is, on one line.
_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ,'-]{0,72}[A-Za-z0-9,'-])?")
_BLANK = re.compile("(" + "|".join(map(re.escape, BLANKS)) + ")")


@dataclass(frozen=True)
class From:
    """Who a message comes from, as its reader sees it."""

    name: str
    address: str
    reply_to: str = ""


@dataclass(frozen=True)
class MimeTemplate:
    """The bytes of a message, cut at its blanks; `blanks` says what goes after each piece."""

    pieces: tuple[bytes, ...]
    blanks: tuple[tuple[str, bool], ...]

    def fill(self, head: bytes, values: dict[str, str]) -> bytes:
        """Return the whole message, with the headers that are the recipient's own in front."""
        filled, quoted = [head, self.pieces[0]], dict[str, bytes]()
        for (blank, is_html), piece in zip(self.blanks, self.pieces[1:], strict=True):
            value = escape(values[blank]) if is_html else values[blank]
            if value not in quoted:
                quoted[value] = _quoted_sentence(value) if blank == COVERED else _quoted(value)
            filled += (quoted[value], piece)
        return b"".join(filled)


def visible_sender(sender: Sender, outgoing: Outgoing) -> From:
    """Return the From and Reply-To of a message: the identity's, or else the notice's."""
    return From(
        sender.from_name or outgoing.sender_name,
        sender.from_address,
        sender.reply_to or outgoing.reply_to,
    )


def wire_address(address: str) -> str | None:
    """Return an address as SMTP and a To header take it, its domain in IDNA; None if neither can.

    By the rule that lists are read by: a dot-atom (RFC 5321, 4.1.2), never quoted.
    """
    try:
        return identifiers.email(address) or None
    except identifiers.BadValueError:
        return None


def compose(outgoing: Outgoing, *, sender: From, address: str, receipt_token: str) -> bytes:
    """Return a message's bytes, lines ended by CRLF, without dots doubled."""
    message = outgoing.message
    if not isinstance(message, EmailText):
        raise TypeError("an e-mail is made of a layout and its blanks")
    head = (
        f"Date: {_date(int(time.time()))}\r\n"
        f"To: {address}\r\n"
        f"Message-ID: {outgoing.message_id}\r\n"
        f"{RECEIPT_HEADER}: {receipt_token}\r\n"
    )
    head += "".join(f"{name}: {value}\r\n" for name, value in removal_headers(outgoing).items())
    return template_for(message.layout, sender).fill(head.encode("ascii"), message.blanks)


def removal_headers(outgoing: Outgoing) -> dict[str, str]:
    """Return the headers by which a mail program takes an address back in one click (RFC 8058)."""
    if not outgoing.removal_link:
        return {}
    return {
        "List-Unsubscribe": f"<{outgoing.removal_link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def email_bytes(content: NoticeContent, *, language: Language) -> int:
    """Return how many bytes a notice's e-mail takes, own headers and blanks aside."""
    sender = From(content.controller_name, settings.DEFAULT_FROM_EMAIL or "", content.contact_email)
    return sum(map(len, _encoded(lay_out(content, language=language), sender).pieces))


@lru_cache(maxsize=64)
def template_for(layout: MessageLayout, sender: From) -> MimeTemplate:
    """Return what all messages of a campaign in one language share, encoded once."""
    return _encoded(layout, sender)


def _encoded(layout: MessageLayout, sender: From) -> MimeTemplate:
    boundary = "=_" + hashlib.sha256(f"{layout.text}{layout.html}".encode()).hexdigest()[:32]
    pieces, blanks = [_shared_headers(layout, sender, boundary)], []
    for subtype, content in (("plain", layout.text), ("html", layout.html)):
        pieces[-1] += (
            f"--{boundary}\r\n"
            f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        ).encode()
        first, *rest = _BLANK.split(_lines(content))
        pieces[-1] += _quoted(first)
        for blank, text in zip(rest[::2], rest[1::2], strict=True):
            pieces[-1] += SOFT_BREAK
            pieces.append(SOFT_BREAK + _quoted(text))
            blanks.append((blank, subtype == "html"))
        pieces[-1] += b"\r\n"
    pieces[-1] += f"--{boundary}--\r\n".encode()
    return MimeTemplate(tuple(pieces), tuple(blanks))


def _shared_headers(layout: MessageLayout, sender: From, boundary: str) -> bytes:
    """Return the headers that do not change, encoded words where needed (RFC 2047)."""
    message = EmailMessage(policy=SMTP)
    message["From"] = header_address(sender.name, sender.address)
    if sender.reply_to:
        message["Reply-To"] = sender.reply_to
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic reply, please.
    message["Content-Language"] = layout.language
    message["MIME-Version"] = "1.0"
    rest = (
        f"Subject: {_subject(layout.subject)}\r\n"
        f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'
    )
    return message.as_bytes().rstrip(b"\r\n") + b"\r\n" + rest.encode("ascii")


def _subject(subject: str) -> str:
    """Return a subject as it is, or in encoded words throughout (RFC 2047).

    EmailMessage mixes both, and doubles the space where it ends a line between them.
    """
    if (
        subject.isascii()
        and len(subject) <= LONGEST_LINE - len("Subject: ")
        and "=?" not in subject
    ):
        return subject
    return Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")


def header_address(name: str, address: str) -> str:
    """Return `"Name" <address>` as a header takes it; control characters of a name are dropped."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>' if plain else address


def _lines(content: str) -> str:
    """End lines by CRLF, without spaces before: they would have to be encoded."""
    return "\r\n".join(line.rstrip() for line in content.splitlines()) + "\r\n"


def _quoted(content: str) -> bytes:
    """Return quoted-printable, whose last line has room for a soft break after it.

    The C encoder copies the newlines it finds and breaks lines with bare LF where it found none.
    """
    if _PLAIN.fullmatch(content):
        return content.encode()
    encoded = b2a_qp(content.encode(), istext=True)
    if b"\r\n" not in encoded:
        encoded = encoded.replace(b"\n", b"\r\n")
    last = len(encoded) - encoded.rfind(b"\n") - 1
    if last < LONGEST_LINE:
        return encoded
    cut = len(encoded) - 3  # What is left on the line is 76 long: three or more go to the next.
    cut -= next((back for back in (1, 2) if encoded[cut - back : cut - back + 1] == b"="), 0)
    return encoded[:cut] + SOFT_BREAK + encoded[cut:]


_quoted_sentence = lru_cache(maxsize=16)(_quoted)  # It says how many people, and nobody's name.


@lru_cache(maxsize=4)
def _date(timestamp: int) -> str:
    return format_datetime(datetime.fromtimestamp(timestamp, timezone.get_default_timezone()))
