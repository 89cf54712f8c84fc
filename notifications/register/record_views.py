"""The record of Article 33(5): written by the insurer's staff, read by whoever may."""

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from insurers.models import Breach, Role
from insurers.permissions import readable_insurers, require_reader, require_role, staff_of
from notifications.register.forms import Complements, RecordForm, complements_of
from notifications.register.reach import readable_breaches
from notifications.register.record import latest_content, record_of, save_record, versions_of


@require_http_methods(["GET", "HEAD", "POST"])
def record_edit(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Show the record's form, and save what changed as a new version."""
    scope = staff_of(request)
    insurer = get_object_or_404(readable_insurers(scope), slug=insurer_slug)
    require_role(scope, insurer.pk, Role.PREPARER, Role.APPROVER)
    breach = get_object_or_404(Breach, slug=breach_slug)
    content = latest_content(breach=breach, insurer=insurer)
    form = RecordForm(request.POST or None, content=content)
    complements = Complements(
        request.POST or None,
        initial=[asdict(one) for one in content.complements],
        prefix="complements",
    )
    if request.method == "POST" and form.is_valid() and complements.is_valid():
        saved = save_record(
            breach=breach,
            insurer=insurer,
            content=form.content(complements_of(complements)),
            author_id=scope.user_id,
            now=timezone.now(),
        )
        said = _("Version %(number)d enregistrée.") % {"number": saved.number} if saved else ""
        messages.success(request, said or _("Rien n’a changé : pas de nouvelle version."))
        return redirect("register_record", breach.slug, insurer.slug)
    record = record_of(breach=breach, insurer=insurer)
    context = {
        "form": form,
        "complements": complements,
        "invalid": [one for one in complements.forms if one.errors] if request.POST else [],
        "record": record,
        "beside": [item for item in record.items if item.portal],
    }
    status = 422 if form.errors or context["invalid"] else 200
    return render(request, "notifications/record_edit.html", context, status=status)


@require_safe
def register_record(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Show the record as it stands, what is missing by name, and its versions."""
    scope = staff_of(request)
    breach = get_object_or_404(readable_breaches(scope), slug=breach_slug)
    insurer = get_object_or_404(readable_insurers(scope), slug=insurer_slug)
    require_reader(scope, insurer.pk, breach.pk)
    versions = versions_of(breach=breach, insurer=insurer).defer("content")[:50]
    return render(
        request,
        "notifications/register_record.html",
        {
            "record": record_of(breach=breach, insurer=insurer),
            "versions": [(version, bytes(version.sha256).hex()) for version in versions],
            "may_write": scope.has_role(insurer.pk, Role.PREPARER, Role.APPROVER),
        },
    )
