"""Write a public statement, have it approved by somebody else, withdraw it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from insurers.models import Breach, Role
from insurers.permissions import readable_insurers, require_role, staff_of
from notifications.campaigns.forms import ReturnForm
from notifications.campaigns.refusals_shown import refusal_shown
from notifications.models import Publication, PublicationState, Statement, StatementVersion
from notifications.statements.checklist import unmet_by
from notifications.statements.content import StatementContent, draft_of, save_statement
from notifications.statements.forms import StatementForm, WithdrawalForm
from notifications.statements.publishing import (
    approve_statement,
    barred_from_publishing,
    return_statement,
    submit_statement,
    withdraw_statement,
)

PREPARING = (Role.PREPARER, Role.APPROVER)


@require_http_methods(["GET", "HEAD", "POST"])
def statement(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Show where an insurer's statement stands, and save what its staff write."""
    scope = staff_of(request)
    insurer = get_object_or_404(readable_insurers(scope), slug=insurer_slug)
    require_role(scope, insurer.pk)
    breach = get_object_or_404(Breach, slug=breach_slug)
    if request.method == "POST":
        require_role(scope, insurer.pk, *PREPARING)
    found = Statement.objects.filter(breach=breach, insurer=insurer).first()
    content = draft_of(found, insurer, breach)
    form = StatementForm(request.POST or None, content=content)
    if request.method == "POST" and form.is_valid():
        version = save_statement(
            breach=breach,
            insurer=insurer,
            content=form.content(),
            author_id=scope.user_id,
            now=timezone.now(),
        )
        messages.success(request, _("Version %(number)d enregistrée.") % {"number": version.number})
        return redirect("statement", breach.slug, insurer.slug)
    problems = unmet_by(content, insurer)
    form.show_unmet(problems)
    context = {
        "insurer": insurer,
        "breach": breach,
        "form": form,
        "problems": problems,
        "may_prepare": scope.has_role(insurer.pk, *PREPARING),
        **_course(request, found),
    }
    status = 422 if form.errors else 200
    return render(request, "notifications/statement.html", context, status=status)


@require_POST
def statement_submit(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Submit the latest version for approval by somebody else."""
    mine = Statement.objects.filter(insurer__in=staff_of(request).insurer_ids)
    found = get_object_or_404(
        mine.select_related("insurer", "breach"),
        breach__slug=breach_slug,
        insurer__slug=insurer_slug,
    )
    require_role(staff_of(request), found.insurer_id, *PREPARING)
    version = found.versions.select_related("statement").latest("number")
    with refusal_shown(request, found, "statement.submitted"):
        submit_statement(
            version=version, submitted_by_id=staff_of(request).user_id, now=timezone.now()
        )
        messages.success(request, _("Soumise. Un autre approbateur doit maintenant l’approuver."))
    return _back(found)


@require_POST
def statement_approve(request: HttpRequest, publication_id: int) -> HttpResponse:
    """Publish the version that waits."""
    publication = _publication(request, publication_id)
    with refusal_shown(request, publication.statement, "statement.published"):
        approve_statement(
            publication_id=publication.pk,
            approver_id=staff_of(request).user_id,
            now=timezone.now(),
        )
        messages.success(request, _("Publiée sur la page de l’organisme."))
    return _back(publication.statement)


@require_POST
def statement_return(request: HttpRequest, publication_id: int) -> HttpResponse:
    """Send it back for correction."""
    publication = _publication(request, publication_id)
    with refusal_shown(request, publication.statement, "statement.returned"):
        return_statement(
            publication_id=publication.pk,
            approver_id=staff_of(request).user_id,
            comment=request.POST.get("comment", "")[:2000],
            now=timezone.now(),
        )
        messages.success(request, _("Renvoyée avec votre commentaire."))
    return _back(publication.statement)


@require_POST
def statement_withdraw(request: HttpRequest, publication_id: int) -> HttpResponse:
    """Take it off the public page."""
    publication = _publication(request, publication_id)
    with refusal_shown(request, publication.statement, "statement.withdrawn"):
        withdraw_statement(
            publication_id=publication.pk,
            approver_id=staff_of(request).user_id,
            reason=request.POST.get("reason", "")[:1000],
            now=timezone.now(),
        )
        messages.success(request, _("Retirée : elle n’est plus publique, et reste au registre."))
    return _back(publication.statement)


def _course(request: HttpRequest, found: Statement | None) -> dict[str, object]:
    """Return the versions of a statement, and what waits, is public, or came back."""
    if found is None:
        return {}
    scope = staff_of(request)
    publications = list(found.publications.select_related("version"))
    latest = found.versions.latest("number")
    waiting = _in_state(publications, PublicationState.SUBMITTED)
    public = _in_state(publications, PublicationState.PUBLISHED)
    may_approve = scope.has_role(found.insurer_id, Role.APPROVER)
    taken = {row.version_id for row in (waiting, public) if row}
    return {
        "version": latest,
        "versions": [(row, _text_of(row), bytes(row.sha256).hex()) for row in found.versions.all()],
        "publications": publications,
        "waiting": waiting,
        "waiting_text": _text_of(waiting.version) if waiting else None,
        "is_barred": waiting and scope.user_id in barred_from_publishing(waiting),
        "public": public,
        "returned": publications[0]
        if publications and publications[0].state == PublicationState.RETURNED
        else None,
        "may_approve": may_approve,
        "may_submit": waiting is None and latest.pk not in taken,
        "comment_form": ReturnForm(),
        "withdrawal_form": WithdrawalForm(),
    }


def _in_state(publications: list[Publication], state: PublicationState) -> Publication | None:
    return next((row for row in publications if row.state == state), None)


def _text_of(version: StatementVersion) -> StatementContent:
    return StatementContent.from_json(version.content)


def _publication(request: HttpRequest, publication_id: int) -> Publication:
    mine = Publication.objects.filter(insurer__in=staff_of(request).insurer_ids)
    related = ("statement__insurer", "statement__breach")
    found = get_object_or_404(mine.select_related(*related), pk=publication_id)
    require_role(staff_of(request), found.insurer_id, Role.APPROVER)
    return found


def _back(found: Statement) -> HttpResponse:
    return redirect("statement", found.breach.slug, found.insurer.slug)
