"""Write a notice, see what the checklist still asks, submit it."""

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from insurers.models import AffectedList, Role
from insurers.permissions import readable, require_role, staff_of
from notifications.campaigns.forms import SubmitForm
from notifications.campaigns.sms_cost import sms_by_field, sms_texts
from notifications.campaigns.steps import RESUBMITTABLE, CampaignRefused
from notifications.campaigns.submitting import facts_of, submit_campaign
from notifications.models import Campaign, Notice
from notifications.notices.checklist import unmet
from notifications.notices.content import NoticeContent
from notifications.notices.facts import create_notice
from notifications.notices.forms import NoticeForm
from notifications.notices.placeholders import EXPLAINED
from notifications.notices.requests import notice_of
from notifications.notices.revising import Revision, SavedMeanwhileError, revise


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
    notice = notice_of(request, notice_id, Role.PREPARER, Role.APPROVER)
    facts = facts_of(notice)
    version = notice.versions.select_related("notice").latest("number")
    content = NoticeContent.from_json(version.content)
    form = NoticeForm(
        request.POST or None, content=content, number=version.number, uncertain=facts.uncertain
    )
    if request.method == "POST" and form.is_valid() and _saves(request, notice, form):
        return redirect("notice_edit", notice.pk)
    # A form that cannot be saved is judged as it was sent.
    shown = form.content() if form.is_bound else content
    problems = unmet(shown, facts)
    lists = _lists_for(notice)
    form.show_unmet(problems)
    form.show_sms(sms_by_field(shown))
    return render(
        request,
        "notifications/notice_edit.html",
        {
            "notice": notice,
            "version": version,
            "version_sha256": bytes(version.sha256).hex(),
            "form": form,
            "problems": problems,
            "placeholders": EXPLAINED,
            "submit_form": (
                SubmitForm(lists=lists, sms=sms_texts(content), initial={"version": version.number})
                if lists.exists()
                else None
            ),
        },
    )


def _saves(request: HttpRequest, notice: Notice, form: NoticeForm) -> bool:
    """Save what a valid form describes, or say in the form why it cannot be; nothing is lost."""
    try:
        revision = revise(
            notice=notice,
            content=form.content(),
            changes=form.cleaned_data["changes"],
            author_id=staff_of(request).user_id,
            now=timezone.now(),
        )
    except SavedMeanwhileError as meanwhile:
        form.say_saved_meanwhile(meanwhile.number)
        return False
    except CampaignRefused as refusal:
        form.add_error(None, str(refusal.message))
        return False
    _say_what_was_saved(request, revision)
    return True


def _say_what_was_saved(request: HttpRequest, revision: Revision) -> None:
    number = revision.version.number
    if not revision.is_new:
        messages.info(
            request, _("Rien n’a changé depuis la version %(number)d.") % {"number": number}
        )
        return
    messages.success(request, _("Version %(number)d enregistrée.") % {"number": number})
    if revision.taken_back:
        messages.warning(
            request,
            _("La campagne qui portait la version d’avant redevient un brouillon : soumettez-la."),
        )


@require_POST
def notice_check(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Say what is missing in a notice that is being typed; nothing is kept."""
    notice = notice_of(request, notice_id, Role.PREPARER, Role.APPROVER)
    version = notice.versions.latest("number")
    content = NoticeContent.from_json(version.content)
    form = NoticeForm(request.POST, content=content, number=version.number)
    form.is_valid()
    content = form.content()
    problems = unmet(content, facts_of(notice))
    form.show_unmet(problems)
    form.show_sms(sms_by_field(content))
    context = {"form": form, "problems": problems}
    return render(request, "notifications/_notice_checked.html", context)


@require_POST
def notice_submit(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Submit the latest version with a list and a plan, for approval by someone else."""
    notice = notice_of(request, notice_id, Role.PREPARER, Role.APPROVER)
    form = SubmitForm(request.POST, lists=_lists_for(notice))
    if not form.is_valid():
        for name, errors in form.errors.items():
            label = form.fields[name].label if name in form.fields else ""
            messages.error(request, " ".join(str(part) for part in (label, *errors) if part))
        return redirect("notice_edit", notice.pk)
    versions = notice.versions.select_related("notice__breach", "notice__population")
    version = get_object_or_404(versions, number=form.cleaned_data["version"])
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
