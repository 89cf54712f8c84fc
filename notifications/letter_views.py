"""Ask for a campaign's letters, and download them once."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from insurers.models import Role
from insurers.permissions import readable, require_role, staff_of
from insurers.queueing import enqueue
from notifications.campaign_requests import campaign_of, refusal_shown
from notifications.letters import ask_for_letters, download_letters
from notifications.models import Campaign, LetterExport
from notifications.tasks import make_letters


@require_POST
def letters_ask(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Have a file of the pending letters made; `again` names one that was lost."""
    campaign = campaign_of(request, campaign_id, Role.PREPARER, Role.APPROVER)
    again = request.POST.get("again", "")
    repeats = (
        get_object_or_404(campaign.letter_exports, pk=int(again)) if again.isdecimal() else None
    )
    with refusal_shown(request, campaign, "letters.asked"):
        export = ask_for_letters(
            campaign=campaign,
            recipient=repeats.recipient if repeats else request.POST.get("recipient", "")[:200],
            requested_by_id=staff_of(request).user_id,
            repeats=repeats,
            now=timezone.now(),
        )
        enqueue(make_letters, export_id=export.pk)
        messages.success(request, _("Le fichier est en préparation : revenez dans un instant."))
    return redirect("campaign", campaign.pk)


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
        response["Content-Disposition"] = f'attachment; filename="lettres-{export.pk}.csv.age"'
        return response
    return redirect("campaign", export.campaign_id)
