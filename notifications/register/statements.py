"""What was ever public of an insurer's statement: for the register, whatever became of it."""

from dataclasses import dataclass

from insurers.models import Breach, Insurer
from notifications.models import Publication
from notifications.statements.content import StatementContent
from notifications.statements.publishing import EVER_PUBLIC


@dataclass(frozen=True)
class EverPublic:
    """A version that was public: its publication, its text and its hash."""

    publication: Publication
    content: StatementContent
    sha256: str


def statements_ever_public(*, breach: Breach, insurer: Insurer) -> list[EverPublic]:
    """Return the versions that were public, the newest first."""
    rows = Publication.objects.filter(
        insurer=insurer, statement__breach=breach, state__in=EVER_PUBLIC
    )
    return [
        EverPublic(
            row,
            StatementContent.from_json(row.version.content),
            bytes(row.version.sha256).hex(),
        )
        for row in rows.select_related("version").order_by("-decided_at", "-pk")
    ]
