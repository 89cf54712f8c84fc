"""Ask for a campaign's letters, follow their files, download each once; letters as a preview."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from insurers.models import Role
from insurers.permissions import readable, require_role, staff_of
from insurers.queueing import enqueue
from notifications.campaigns.refusals_shown import refusal_shown
from notifications.campaigns.requests import campaign_of
from notifications.campaigns.sms_cost import SAMPLE_REFERENCE
from notifications.letters.exports import ask_for_letters, download_letters
from notifications.letters.pdf import (
    Letter,
    LetterLayout,
    lay_out_letters,
    letter_pages,
    letter_pdf,
)
from notifications.letters.progress import letters_shown
from notifications.models import Campaign, LetterExport, LetterKind
from notifications.notices.content import NoticeContent
from notifications.notices.previews import BY_CODE, RECIPIENTS, SAMPLE_ADDRESS
from notifications.notices.requests import notice_of, version_of
from notifications.tasks import make_letters


@require_POST
def letters_ask(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Have files of the pending letters made; `again` names one that was lost."""
    campaign = campaign_of(request, campaign_id, Role.PREPARER, Role.APPROVER)
    again, kind = request.POST.get("again", ""), request.POST.get("kind", "")
    repeats = (
        get_object_or_404(campaign.letter_exports, pk=int(again)) if again.isdecimal() else None
    )
    with refusal_shown(request, campaign, "letters.asked"):
        export = ask_for_letters(
            campaign=campaign,
            kind=LetterKind(kind) if kind in LetterKind.values else LetterKind.ROWS,
            recipient=repeats.recipient if repeats else request.POST.get("recipient", "")[:200],
            requested_by_id=staff_of(request).user_id,
            repeats=repeats,
            now=timezone.now(),
        )
        enqueue(make_letters, export_id=export.pk)
        messages.success(request, _("Le fichier est en préparation : revenez dans un instant."))
    return redirect("campaign", campaign.pk)


@require_safe
def letters_progress(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Return the part of the page that htmx renews while files are made."""
    campaign = campaign_of(request, campaign_id)
    shown = letters_shown(campaign, staff=staff_of(request))
    return render(request, "notifications/_letter_files.html", shown)


@require_POST
def letters_download(request: HttpRequest, export_id: int) -> HttpResponse:
    """Give a file out, encrypted, once: never by GET, which programs follow by themselves."""
    mine = readable(staff_of(request), Campaign.objects.all())
    exports = LetterExport.objects.filter(campaign__in=mine).select_related("campaign")
    export = get_object_or_404(exports, pk=export_id)
    require_role(staff_of(request), export.insurer_id, Role.PREPARER, Role.APPROVER)
    with refusal_shown(request, export.campaign, "letters.downloaded"):
        content = download_letters(
            export_id=export.pk, downloaded_by_id=staff_of(request).user_id, now=timezone.now()
        )
        response = HttpResponse(content, content_type="application/octet-stream")
        response["Content-Disposition"] = f'attachment; filename="{export.file_name}"'
        return response
    return redirect("campaign", export.campaign_id)


@require_safe
def letter_preview_page(request: HttpRequest, notice_id: int, number: int) -> HttpResponse:
    """Show a page of the letter to a fictional recipient (`?pour=`) as a picture."""
    pages = letter_pages(*_preview(request, notice_id))
    if not 1 <= number <= len(pages):
        raise Http404
    return HttpResponse(pages[number - 1], content_type="image/png")


@require_safe
def letter_preview(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Show the letter to a fictional recipient (`?pour=`) as it would be printed."""
    layout, letter = _preview(request, notice_id)
    response = HttpResponse(letter_pdf(layout, [letter]), content_type="application/pdf")
    response["Content-Disposition"] = 'inline; filename="lettre.pdf"'
    return response


def _preview(request: HttpRequest, notice_id: int) -> tuple[LetterLayout, Letter]:
    version = version_of(request, notice_of(request, notice_id))
    recipient = BY_CODE.get(request.GET.get("pour", RECIPIENTS[0].code))
    if recipient is None or not recipient.contact.last_name:
        raise Http404  # Nobody writes a letter to whoever has no name.
    layout = lay_out_letters(
        NoticeContent.from_json(version.content), dated=timezone.localdate(version.edited_at)
    )
    contact = recipient.contact._replace(address=SAMPLE_ADDRESS, language=recipient.language)
    return layout, Letter(contact=contact, people=recipient.people, reference=SAMPLE_REFERENCE)
