"""What an insurer says itself, published on its page."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import get_language

from insurers.models import Breach, Insurer
from notifications.models import PublishedStatement
from notifications.statements import StatementContent, StatementTexts


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


def statements_of(insurer: Insurer, breaches: list[Breach]) -> list[Said]:
    """Return what an insurer says of these breaches, the newest first, in one query."""
    known = {breach.pk: breach for breach in breaches}
    rows = PublishedStatement.objects.filter(insurer_id=insurer.pk, breach_id__in=known)
    return [_said(row, known[row.breach_id]) for row in rows.order_by("-published_at")]


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
