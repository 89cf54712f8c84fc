"""What a campaign's SMS say and cost, in parts, for whoever prepares and approves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from notifications.channels.segments import Coding, forcing_ucs2, plain, segment
from notifications.models import Channel
from notifications.notices.checklist import LONGEST
from notifications.notices.content import NoticeContent
from notifications.notices.rendering import LANGUAGES, REFERENCE, Language, sms_with_blanks

# As long as any; a reference holds nothing that forces UCS-2.
SAMPLE_REFERENCE = "BP7K-3F9M-Q2XD-7"


@dataclass(frozen=True)
class SmsText:
    """The SMS in a language; `forcing` are the characters that make a part hold 70 instead of 160.

    `plain_parts` is what it would take without them.
    """

    language: Language
    text: str
    characters: int
    parts: int
    is_gsm: bool
    forcing: tuple[str, ...]
    plain_parts: int


@dataclass(frozen=True)
class SmsCost:
    """`parts` at most, each message in its longest language; without what a refused e-mail adds."""

    sender: str
    texts: tuple[SmsText, ...]
    messages: int
    parts: int


def sms_plan(plan: dict[str, Any]) -> tuple[str, bool]:
    """Return a plan's sender of SMS, and whether they are written plainly."""
    sms = plan.get("sms", {})
    return sms.get("sender", ""), sms.get("is_plain", False)


def sms_texts(content: NoticeContent, *, has_plain_sms: bool = False) -> tuple[SmsText, ...]:
    """Return the SMS in French, and in English where the notice has it."""
    languages: Sequence[Language] = ("fr", "en") if content.has_english else ("fr",)
    return tuple(_text(content, language, has_plain_sms) for language in languages)


def sms_by_field(content: NoticeContent) -> dict[str, SmsText]:
    """Return the SMS of both languages, by the field of the form; none that is far too long."""
    lengths = {name: len(getattr(content, name).sms.strip()) for name in LANGUAGES}
    written = [name for name in LANGUAGES if 0 < lengths[name] <= LONGEST["sms"]]
    return {f"{name}_sms": _text(content, name, False) for name in written}


def sms_cost(content: NoticeContent, plan: dict[str, Any], *, messages: int) -> SmsCost | None:
    """Return what so many messages of a plan cost; None where it has no SMS."""
    if Channel.SMS not in plan["channels"]:
        return None
    sender, is_plain = sms_plan(plan)
    texts = sms_texts(content, has_plain_sms=is_plain)
    longest = max(text.parts for text in texts)
    return SmsCost(sender=sender, texts=texts, messages=messages, parts=messages * longest)


def _text(content: NoticeContent, language: Language, has_plain_sms: bool) -> SmsText:
    laid_out = sms_with_blanks(content, language=language, has_plain_sms=has_plain_sms)
    text = laid_out.replace(REFERENCE, SAMPLE_REFERENCE)
    found = segment(text)
    return SmsText(
        language=language,
        text=text,
        characters=len(text),
        parts=len(found.parts),
        is_gsm=found.coding == Coding.GSM7,
        forcing=tuple(forcing_ucs2(text)),
        plain_parts=len(segment(plain(text)).parts),
    )
