"""Take a public statement to the public: submit a version, approve or return it, withdraw it."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from audit.trail import account, insurer_scope, record
from notifications.campaigns.refusals import StepRefused
from notifications.models import Publication, PublicationState, StatementVersion
from notifications.statements.checklist import unmet_by
from notifications.statements.content import StatementContent
from notifications.statements.mail import tell_authors

# What was once public: the register shows it for good.
EVER_PUBLIC = (
    PublicationState.PUBLISHED,
    PublicationState.REPLACED,
    PublicationState.WITHDRAWN,
)


class PublicationRefused(StepRefused):
    """The rule that forbids a step, for people."""


@transaction.atomic
def submit_statement(
    *, version: StatementVersion, submitted_by_id: int, now: datetime
) -> Publication:
    """Freeze a version for approval; raise PublicationRefused while the checklist is not met."""
    if problems := unmet_by(StatementContent.from_json(version.content), version.statement.insurer):
        raise PublicationRefused(_("La communication est encore incomplète."), problems)
    if version.publications.filter(state=PublicationState.PUBLISHED).exists():
        raise PublicationRefused(_("Cette version est déjà publique."))
    try:
        with transaction.atomic():
            made = Publication.objects.create(
                insurer_id=version.statement.insurer_id,
                statement=version.statement,
                version=version,
                state=PublicationState.SUBMITTED,
                submitted_by_id=submitted_by_id,
                submitted_at=now,
            )
    except IntegrityError as error:
        raise PublicationRefused(_("Une version attend déjà d’être approuvée.")) from error
    _record(made, "statement.submitted", submitted_by_id)
    return made


def barred_from_publishing(publication: Publication) -> set[int]:
    """Return who submitted it, or edited any version of the statement."""
    editors = publication.statement.versions.values_list("edited_by_id", flat=True)
    return {publication.submitted_by_id, *editors}


@transaction.atomic
def approve_statement(*, publication_id: int, approver_id: int, now: datetime) -> Publication:
    """Publish a version in place of the one before; raise PublicationRefused."""
    found = _locked(publication_id, PublicationState.SUBMITTED)
    if approver_id in barred_from_publishing(found):
        raise PublicationRefused(
            _(
                "La personne qui approuve n’est jamais celle qui a modifié ou soumis la"
                " communication. Demandez à un autre approbateur."
            )
        )
    content = StatementContent.from_json(found.version.content)
    if bytes(found.version.sha256) != content.sha256():
        raise PublicationRefused(_("Ce qui a été soumis a changé : soumettez à nouveau."))
    # The rules may have become stricter since it was submitted.
    if problems := unmet_by(content, found.insurer):
        raise PublicationRefused(_("La communication est encore incomplète."), problems)
    Publication.objects.filter(statement=found.statement, state=PublicationState.PUBLISHED).update(
        state=PublicationState.REPLACED, ended_by_id=approver_id, ended_at=now
    )
    _decide(found, PublicationState.PUBLISHED, approver_id, now)
    _record(found, "statement.published", approver_id)
    return found


@transaction.atomic
def return_statement(
    *, publication_id: int, approver_id: int, comment: str, now: datetime
) -> Publication:
    """Send a submitted version back with a comment; raise PublicationRefused."""
    found = _locked(publication_id, PublicationState.SUBMITTED)
    if not comment.strip():
        raise PublicationRefused(_("Dites ce qui est à corriger."))
    found.return_comment = comment.strip()
    _decide(found, PublicationState.RETURNED, approver_id, now)
    _record(found, "statement.returned", approver_id)
    tell_authors(publication=found, authors=barred_from_publishing(found) - {approver_id})
    return found


@transaction.atomic
def withdraw_statement(
    *, publication_id: int, approver_id: int, reason: str, now: datetime
) -> Publication:
    """Take the published version off the public page; it stays in the register."""
    found = _locked(publication_id, PublicationState.PUBLISHED)
    if not reason.strip():
        raise PublicationRefused(_("Dites pourquoi vous retirez la communication."))
    found.state = PublicationState.WITHDRAWN
    found.ended_by_id, found.ended_at = approver_id, now
    found.withdrawal_reason = reason.strip()
    found.save(update_fields=["state", "ended_by", "ended_at", "withdrawal_reason"])
    _record(found, "statement.withdrawn", approver_id)
    return found


def _locked(publication_id: int, state: PublicationState) -> Publication:
    rows = Publication.objects.select_for_update(of=("self",)).select_related(
        "version", "statement"
    )
    found = rows.get(pk=publication_id)
    if found.state != state:
        raise PublicationRefused(_("Cette version a changé d’état entre-temps."))
    return found


def _decide(found: Publication, state: PublicationState, by_id: int, now: datetime) -> None:
    found.state, found.decided_by_id, found.decided_at = state, by_id, now
    found.save(update_fields=["state", "decided_by", "decided_at", "return_comment"])


def _record(publication: Publication, action: str, actor_id: int) -> None:
    version = publication.version
    record(
        action=action,
        scope=insurer_scope(publication.insurer_id),
        actor=account(actor_id),
        subject=f"statement:{publication.statement_id}",
        detail={"version": version.number, "sha256": bytes(version.sha256).hex()},
    )
