"""The Article 34 message as structured content, saved as versions that never change."""

from dataclasses import asdict, astuple, dataclass, field
from datetime import datetime
from typing import Any, Self

from django.db import transaction

from notifications.models import Notice, NoticeVersion
from notifications.notices.versions import add_version, canonical_sha256


@dataclass(frozen=True)
class NoticeTexts:
    """What is written in one language; empty strings are what remains to be written.

    Placeholders (`placeholders.py`) stand for what each recipient's message says.
    """

    subject: str = ""
    nature: str = ""
    dates: str = ""
    consequences: str = ""
    measures: str = ""
    advice: str = ""
    sms: str = ""


@dataclass(frozen=True)
class NoticeContent:
    """One field per element of Article 34(2); `exposed` and `not_exposed` hold category codes."""

    operators: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    not_exposed: tuple[str, ...] = ()
    controller_name: str = ""
    controller_address: str = ""
    dpo_name: str = ""
    contact_email: str = ""
    contact_phone: str = ""
    contact_address: str = ""
    unreachable_plan: str = ""
    fr: NoticeTexts = field(default_factory=NoticeTexts)
    en: NoticeTexts = field(default_factory=NoticeTexts)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `asdict` wrote."""
        lists = {name: tuple(content[name]) for name in ("operators", "exposed", "not_exposed")}
        texts = {name: NoticeTexts(**content[name]) for name in ("fr", "en")}
        return cls(**{**content, **lists, **texts})

    def sha256(self) -> bytes:
        """Return the hash of the canonical JSON: what an approval binds."""
        return canonical_sha256(asdict(self))

    @property
    def has_english(self) -> bool:
        """Whether anything is written in English: the checklist then asks for all of it."""
        return any(text.strip() for text in astuple(self.en))

    def texts(self, language: str) -> NoticeTexts:
        """Return the texts in a language, or in French where it has none."""
        return self.en if language == "en" and self.has_english else self.fr


@transaction.atomic
def save_version(
    *, notice: Notice, content: NoticeContent, author_id: int, now: datetime
) -> NoticeVersion:
    """Store the content as the notice's next version; versions never change afterwards."""
    return add_version(
        notice.versions, of=notice, content=asdict(content), author_id=author_id, now=now
    )
