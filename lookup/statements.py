"""What an insurer says itself, published on its page."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import get_language

from insurers.models import Breach, Insurer
from notifications.models import PublishedStatement
from notifications.statements.content import StatementContent, StatementTexts


@dataclass(frozen=True)
class Said:
    """A published statement in the page's language, or in French where it has no other."""

    breach: Breach
    content: StatementContent
    texts: StatementTexts
    language: str
    published_at: datetime
    number: int
    sha256: str


def statements_of(insurer: Insurer) -> list[Said]:
    """Return what an insurer says in public, the newest first."""
    rows = list(PublishedStatement.objects.filter(insurer_id=insurer.pk).order_by("-published_at"))
    breaches = Breach.objects.in_bulk([row.breach_id for row in rows])
    return [_said(row, breaches[row.breach_id]) for row in rows]


def _said(row: PublishedStatement, breach: Breach) -> Said:
    content = StatementContent.from_json(row.content)
    wanted = get_language() or "fr"
    return Said(
        breach=breach,
        content=content,
        texts=content.texts(wanted),
        language=content.language(wanted),
        published_at=row.published_at,
        number=row.number,
        sha256=bytes(row.sha256).hex(),
    )
