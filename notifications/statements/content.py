"""An insurer's public statement as structured content: pre-fill it, save it as a new version."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from django.db import transaction

from insurers.models import Breach, Insurer
from notifications.models import NoticeVersion, Statement, StatementGround, StatementVersion
from notifications.notices.content import NoticeContent, NoticeTexts
from notifications.notices.placeholders import replaced
from notifications.notices.rendering import shared_values
from notifications.notices.versions import add_version, canonical_sha256, hold_versions


@dataclass(frozen=True)
class StatementTexts:
    """What is written in one language; `reason` is why messages to each person were not sent."""

    happened: str = ""
    measures: str = ""
    reason: str = ""


@dataclass(frozen=True)
class StatementContent:
    """What the insurer says: its ground, what happened, measures taken, and whom to ask."""

    ground: str = StatementGround.INFORM.value
    contact_name: str = ""
    contact_email: str = ""
    contact_phone: str = ""
    contact_address: str = ""
    fr: StatementTexts = field(default_factory=StatementTexts)
    en: StatementTexts = field(default_factory=StatementTexts)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what `asdict` wrote."""
        texts = {name: StatementTexts(**content[name]) for name in ("fr", "en")}
        return cls(**{**content, **texts})

    def sha256(self) -> bytes:
        """Return the hash of the canonical JSON, 32 bytes."""
        return canonical_sha256(asdict(self))

    def texts(self, language: str) -> StatementTexts:
        """Return the texts in a language, or in French where it has none."""
        return self.en if language == "en" and self.en.happened else self.fr

    def language(self, wanted: str) -> str:
        """Return the language that `texts` answers in."""
        return "en" if self.texts(wanted) is self.en else "fr"

    @property
    def spoken_ground(self) -> StatementGround:
        """The ground, with its words."""
        return StatementGround(self.ground)


def draft_of(statement: Statement | None, insurer: Insurer, breach: Breach) -> StatementContent:
    """Return the latest version's content; before the first, what the insurer's notice says.

    Where it has no notice of the breach yet, only the contact of the directory.
    """
    latest = statement.versions.first() if statement else None
    if latest is not None:
        return StatementContent.from_json(latest.content)
    versions = NoticeVersion.objects.filter(notice__breach=breach, notice__insurer=insurer)
    if notice := versions.order_by("-edited_at", "-pk").first():
        return _from_notice(NoticeContent.from_json(notice.content))
    return StatementContent(
        contact_name=insurer.dpo_name,
        contact_email=insurer.contact_email,
        contact_phone=insurer.contact_phone,
        contact_address=insurer.contact_address,
    )


def _from_notice(notice: NoticeContent) -> StatementContent:
    return StatementContent(
        contact_name=notice.dpo_name,
        contact_email=notice.contact_email,
        contact_phone=notice.contact_phone,
        contact_address=notice.contact_address,
        fr=_texts_from(notice, notice.fr),
        en=_texts_from(notice, notice.en),
    )


def _texts_from(notice: NoticeContent, texts: NoticeTexts) -> StatementTexts:
    """Say to everybody what a notice says to each: what only a recipient has is left to be cut."""
    if not texts.subject:
        return StatementTexts()
    shared = shared_values(notice)
    happened = "\n\n".join(part for part in (texts.nature, texts.dates) if part)
    return StatementTexts(
        happened=replaced(happened, shared), measures=replaced(texts.measures, shared)
    )


@transaction.atomic
def save_statement(
    *,
    breach: Breach,
    insurer: Insurer,
    content: StatementContent,
    author_id: int,
    now: datetime,
) -> StatementVersion:
    """Store the content as the next version; versions never change afterwards."""
    statement, _made = Statement.objects.get_or_create(
        breach=breach,
        insurer=insurer,
        defaults={"created_by_id": author_id, "created_at": now},
    )
    hold_versions("statement", statement.pk)  # Whoever saves meanwhile makes the next one.
    return add_version(
        statement.versions, of=statement, content=asdict(content), author_id=author_id, now=now
    )
