"""Short cuts through the story of a public statement."""

from dataclasses import replace

from notifications.models import Publication, StatementVersion
from notifications.statements.content import (
    StatementContent,
    StatementTexts,
    draft_of,
    save_statement,
)
from notifications.statements.publishing import approve_statement, submit_statement
from tests import cast

HAPPENED = "En février 2026, les comptes de professionnels d’Alphapay ont été détournés."
MEASURES = "Les comptes sont fermés, la CNIL est prévenue, une plainte est déposée."


def complete(**changed: object) -> StatementContent:
    """What may be submitted, with the Phare's contact."""
    content = replace(
        draft_of(None, cast.phare(), cast.breach()),
        fr=StatementTexts(happened=HAPPENED, measures=MEASURES),
    )
    return replace(content, **changed)  # type: ignore[arg-type]


def saved(content: StatementContent | None = None) -> StatementVersion:
    """Save a version, by Paule."""
    return save_statement(
        breach=cast.breach(),
        insurer=cast.phare(),
        content=content or complete(),
        author_id=cast.paule().pk,
        now=cast.NOW,
    )


def submitted(content: StatementContent | None = None) -> Publication:
    """Submit one, by Paule."""
    return submit_statement(version=saved(content), submitted_by_id=cast.paule().pk, now=cast.NOW)


def published(content: StatementContent | None = None) -> Publication:
    """Publish one, by Armand."""
    return approve_statement(
        publication_id=submitted(content).pk, approver_id=cast.armand().pk, now=cast.NOW
    )
