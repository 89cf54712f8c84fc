"""What a provider said of a failure, in its words, without what may tell who it was about."""

import re
from collections.abc import Iterable

from notifications.models import AnswerExample, Notification

ADDRESS = re.compile(r"\S+@\S+")
LINK = re.compile(r"\S+://\S+|\bwww\.\S+", re.IGNORECASE)
CODES = re.compile(r"\d{3} (?:[245]\.\d{1,3}\.\d{1,3} )?")  # RFC 5321, 4.2; RFC 3463
LONG_NUMBER = re.compile(r"\+?\d[\d .-]{5,}")
LONGEST = 2_000  # characters that are read; of a word of a million the rules would take hours
LONGEST_ADDRESS = 320


def scrubbed(text: str) -> str:
    """Return a provider's sentence without what may be an address or a number of somebody.

    Links go too: whoever runs a mail server chooses these words, and staff read them.
    """
    words = LINK.sub("…", ADDRESS.sub("…", _beginning(text)))
    codes = CODES.match(words)
    start = codes.end() if codes else 0
    return (words[:start] + LONG_NUMBER.sub("…", words[start:]))[:200]


def without_addresses(text: str, addresses: Iterable[str]) -> str:
    """Return a provider's sentence without the addresses that it is about, or their parts."""
    text = _beginning(text)
    words: set[str] = set()
    for address in addresses:
        local, _at, domain = address[:LONGEST_ADDRESS].rpartition("@")
        words |= {address, local, domain, *re.split(r"[.+_-]", local)}
    for word in sorted((word for word in words if len(word) > 1), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return text


def _beginning(text: str) -> str:
    """Return the whole words a text begins with, without what PostgreSQL cannot keep."""
    words = " ".join(text.encode(errors="replace").decode().replace("\0", "").split())
    return words if len(words) <= LONGEST else words[:LONGEST].rpartition(" ")[0]


def keep_example(*, message: Notification, reason: str, text: str) -> None:
    """Keep a provider's sentence where it is the campaign's first for that channel and reason."""
    if not (text and reason):
        return
    AnswerExample.objects.bulk_create(
        [
            AnswerExample(
                campaign_id=message.campaign_id,
                channel=message.channel,
                reason=reason,
                text=scrubbed(text),
            )
        ],
        ignore_conflicts=True,
    )
