"""Write a notice, see what the checklist still asks, preview it, submit it."""

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from insurers.lists.contacts import Contact
from insurers.models import AffectedList, Role
from insurers.permissions import readable, require_role, staff_of
from notifications.campaign_forms import SubmitForm
from notifications.campaigns import (
    RESUBMITTABLE,
    CampaignRefused,
    checklist_of,
    facts_of,
    submit_campaign,
)
from notifications.models import Campaign, Notice, NoticeVersion
from notifications.notice_forms import NoticeForm
from notifications.notices import NoticeContent, create_notice, save_version
from notifications.rendering import EmailText, Language, Message, lay_out
from notifications.sms_cost import SAMPLE_REFERENCE, sms_texts

# Fictional recipients of every kind; a preview never shows a real one.
RECIPIENTS: tuple[tuple[str, Contact, int, Language], ...] = (
    ("one", Contact(first_name="Camille", last_name="Exemple"), 1, "fr"),
    ("family", Contact(first_name="Camille", last_name="Exemple"), 4, "fr"),
    ("unnamed", Contact(), 1, "fr"),
    ("english", Contact(first_name="Alex", last_name="Sample"), 1, "en"),
)


@require_POST
def notice_create(request: HttpRequest, list_id: int) -> HttpResponse:
    """Start a notice, pre-filled from the breach's facts, for the people of an accepted list."""
    chosen = get_object_or_404(readable(staff_of(request), AffectedList.objects.all()), pk=list_id)
    require_role(staff_of(request), chosen.insurer_id, Role.PREPARER, Role.APPROVER)
    version = create_notice(
        breach=chosen.breach,
        insurer=chosen.insurer,
        operators=list(chosen.operators.order_by("pk")),
        population=chosen.population,
        author_id=staff_of(request).user_id,
        now=timezone.now(),
    )
    return redirect("notice_edit", version.notice_id)


@require_http_methods(["GET", "HEAD", "POST"])
def notice_edit(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Show and save the notice; each unmet point of Article 34 stands beside its field."""
    notice = _notice(request, notice_id)
    require_role(staff_of(request), notice.insurer_id, Role.PREPARER, Role.APPROVER)
    version = notice.versions.select_related("notice").latest("number")
    content = NoticeContent.from_json(version.content)
    form = NoticeForm(request.POST or None, content=content, uncertain=facts_of(notice).uncertain)
    if request.method == "POST" and form.is_valid():
        version = save_version(
            notice=notice,
            content=form.content(),
            author_id=staff_of(request).user_id,
            now=timezone.now(),
        )
        messages.success(request, _("Version %(number)d enregistrée.") % {"number": version.number})
        return redirect("notice_edit", notice.pk)
    problems = checklist_of(version)
    lists = _lists_for(notice)
    form.show_unmet(problems)
    return render(
        request,
        "notifications/notice_edit.html",
        {
            "notice": notice,
            "version": version,
            "version_sha256": bytes(version.sha256).hex(),
            "form": form,
            "problems": problems,
            "submit_form": (
                SubmitForm(lists=lists, sms=sms_texts(content)) if lists.exists() else None
            ),
        },
    )


@require_safe
def notice_preview(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Show a version (`?version=`, else the latest) as fictional recipients would receive it."""
    notice = _notice(request, notice_id)
    asked = request.GET.get("version", "")
    if asked.isdecimal():
        version = get_object_or_404(notice.versions, number=int(asked))
    else:
        version = notice.versions.latest("number")
    return render(
        request,
        "notifications/notice_preview.html",
        {
            "notice": notice,
            "version": version,
            "previews": previews(version),
            "may_edit": staff_of(request).has_role(notice.insurer_id, Role.PREPARER, Role.APPROVER),
        },
    )


@require_POST
def notice_submit(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Submit the latest version with a list and a plan, for approval by someone else."""
    notice = _notice(request, notice_id)
    require_role(staff_of(request), notice.insurer_id, Role.PREPARER, Role.APPROVER)
    version = notice.versions.select_related("notice__breach", "notice__population").latest(
        "number"
    )
    form = SubmitForm(request.POST, lists=_lists_for(notice))
    if not form.is_valid():
        messages.error(request, _("Choisissez une liste acceptée et au moins le courriel."))
        return redirect("notice_edit", notice.pk)
    try:
        campaign = submit_campaign(
            version=version,
            affected_list=form.cleaned_data["affected_list"],
            channels=form.chosen_channels(),
            kind=form.cleaned_data["kind"],
            kind_reason=form.cleaned_data["kind_reason"],
            starts_at=form.cleaned_data["starts_at"],
            in_doubt=form.cleaned_data["in_doubt"],
            sms_sender=form.cleaned_data.get("sms_sender", ""),
            has_plain_sms=form.cleaned_data.get("has_plain_sms", False),
            submitted_by_id=staff_of(request).user_id,
            now=timezone.now(),
        )
    except CampaignRefused as refusal:
        messages.error(request, str(refusal.message))
        return redirect("notice_edit", notice.pk)
    messages.success(request, _("Soumise. Un autre approbateur doit maintenant l’approuver."))
    return redirect("campaign", campaign.pk)


def previews(version: NoticeVersion) -> list[tuple[str, EmailText, Message]]:
    """Return, for each kind of fictional recipient, the e-mail and the SMS."""
    content = NoticeContent.from_json(version.content)
    rendered = []
    for kind, contact, people, language in RECIPIENTS:
        layout = lay_out(content, language=language)
        email = layout.email(contact=contact, people=people, reference=SAMPLE_REFERENCE)
        rendered.append((kind, email, layout.short_message(reference=SAMPLE_REFERENCE)))
    return rendered


def _notice(request: HttpRequest, notice_id: int) -> Notice:
    mine = readable(staff_of(request), Notice.objects.all())
    return get_object_or_404(mine.select_related("breach", "insurer", "population"), pk=notice_id)


def _lists_for(notice: Notice) -> QuerySet[AffectedList]:
    """Return the accepted lists that fit the notice and have no campaign that still runs."""
    running = Campaign.objects.exclude(state__in=RESUBMITTABLE)
    return (
        AffectedList.objects.open_to_campaigns()
        .filter(
            breach=notice.breach_id,
            insurer=notice.insurer_id,
            population=notice.population_id,
        )
        .exclude(pk__in=running.values("affected_list"))
    )
