"""See a notice as each channel will show it, and send it to oneself."""

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_replace, csp_update
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from insurers.models import Role
from insurers.permissions import staff_of
from insurers.queueing import enqueue
from notifications.channels.segments import segment
from notifications.models import Notice, Trial
from notifications.notices.content import NoticeContent
from notifications.notices.previews import BY_CODE, RECIPIENTS, Recipient, preview
from notifications.notices.requests import notice_of, version_of
from notifications.notices.trials import TrialRefused, ask_for_trial, status_of
from notifications.tasks import send_trial


@require_safe
@csp_update({"frame-src": [SELF]})  # type: ignore[untyped-decorator]
def notice_preview(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Show a version (`?version=`, else the latest) as `?pour=` would receive it."""
    notice = notice_of(request, notice_id)
    version = version_of(request, notice)
    shown = preview(NoticeContent.from_json(version.content), _recipient(request))
    may_edit = staff_of(request).has_role(notice.insurer_id, Role.PREPARER, Role.APPROVER)
    return render(
        request,
        "notifications/notice_preview.html",
        {
            "notice": notice,
            "version": version,
            "recipients": RECIPIENTS,
            "preview": shown,
            "sms_parts": len(segment(shown.sms.text).parts),
            "may_edit": may_edit,
            "trials": _trials(request, notice) if may_edit else [],
        },
    )


@require_safe
@xframe_options_sameorigin
@csp_replace(  # type: ignore[untyped-decorator]
    {"default-src": [NONE], "style-src": [UNSAFE_INLINE], "frame-ancestors": [SELF], "sandbox": []}
)
def notice_email(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Return the HTML of the e-mail, for the frames of the preview: no script, no image."""
    notice = notice_of(request, notice_id)
    content = NoticeContent.from_json(version_of(request, notice).content)
    return HttpResponse(preview(content, _recipient(request)).email.html)


@require_POST
def notice_try(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Have the latest version sent to the person who asks, marked TEST."""
    notice = notice_of(request, notice_id, Role.PREPARER, Role.APPROVER)
    recipient = BY_CODE.get(request.POST.get("pour", ""), RECIPIENTS[0])
    try:
        trial = ask_for_trial(
            version=notice.versions.latest("number"),
            recipient=recipient,
            asked_by_id=staff_of(request).user_id,
            now=timezone.now(),
        )
    except TrialRefused as refusal:
        messages.error(request, str(refusal.message))
    else:
        enqueue(send_trial, trial_id=trial.pk)
        messages.success(
            request, _("Un message d’essai part vers votre adresse ; personne d’autre n’en reçoit.")
        )
    return redirect("notice_preview", notice.pk)


def _trials(request: HttpRequest, notice: Notice) -> list[tuple[Trial, str]]:
    """Return the person's last trials of a notice, each with what became of it."""
    mine = Trial.objects.filter(version__notice=notice, asked_by=staff_of(request).user_id)
    last = mine.select_related("version")[:10]
    return [(trial, status_of(trial, now=timezone.now())) for trial in last]


def _recipient(request: HttpRequest) -> Recipient:
    code = request.GET.get("pour", RECIPIENTS[0].code)
    if code not in BY_CODE:
        raise Http404
    return BY_CODE[code]
