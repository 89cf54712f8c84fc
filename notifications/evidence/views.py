"""« Download evidence »: ask for a pack, follow it, download it; for readers of the register."""

from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audit.models import Outcome
from audit.trail import account, insurer_scope, record
from insurers.models import Breach, Insurer
from insurers.permissions import readable, readable_insurers, require_reader, staff_of
from insurers.queueing import enqueue
from notifications.evidence.keys import published_keys
from notifications.evidence.packs import EvidenceRefused, ask_for_evidence, take_evidence
from notifications.models import EvidencePack, PackState
from notifications.register.glance import lines_of
from notifications.register.reach import readable_breaches
from notifications.tasks import make_evidence

SHOWN = 10


@require_safe
def evidence(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Show the packs of an insurer in a breach, and the key that they are checked with."""
    breach, insurer = _place(request, breach_slug, insurer_slug)
    context = _shown(breach, insurer) | {"keys": published_keys()}
    return render(request, "notifications/evidence.html", context)


@require_safe
def evidence_progress(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Return the part of the page that htmx renews while a pack is made."""
    breach, insurer = _place(request, breach_slug, insurer_slug)
    context = _shown(breach, insurer) | {"is_renewed": True}
    return render(request, "notifications/_evidence_packs.html", context)


@require_POST
def evidence_ask(request: HttpRequest, breach_slug: str, insurer_slug: str) -> HttpResponse:
    """Have a worker make a pack."""
    breach, insurer = _place(request, breach_slug, insurer_slug)
    user_id = staff_of(request).user_id
    try:
        pack = ask_for_evidence(
            breach=breach, insurer=insurer, requested_by_id=user_id, now=timezone.now()
        )
        enqueue(make_evidence, pack_id=str(pack.pk))
    except EvidenceRefused as refusal:
        _say_refused(request, refusal, breach, insurer, "evidence.asked")
    return redirect("evidence", breach.slug, insurer.slug)


@require_POST
def evidence_download(request: HttpRequest, pack_id: Any) -> HttpResponseBase:
    """Give a pack out, as a stream: by POST, since each download is in the trail."""
    scope = staff_of(request)
    packs = readable(scope, EvidencePack.objects.select_related("breach", "insurer"))
    pack = get_object_or_404(packs, pk=pack_id)
    require_reader(scope, pack.insurer_id, pack.breach_id)
    try:
        path = take_evidence(pack=pack, taken_by_id=scope.user_id)
    except EvidenceRefused as refusal:
        _say_refused(request, refusal, pack.breach, pack.insurer, "evidence.downloaded")
        return redirect("evidence", pack.breach.slug, pack.insurer.slug)
    assert pack.made_at
    name = f"preuves-{pack.breach.slug}-{pack.insurer.slug}-{pack.made_at:%Y%m%dT%H%M%SZ}.zip"
    return FileResponse(
        path.open("rb"), as_attachment=True, filename=name, content_type="application/zip"
    )


def _place(request: HttpRequest, breach_slug: str, insurer_slug: str) -> tuple[Breach, Insurer]:
    """Return the breach and insurer of an address, or raise Refused or Http404."""
    scope = staff_of(request)
    insurer = get_object_or_404(readable_insurers(scope), slug=insurer_slug)
    breach = get_object_or_404(readable_breaches(scope), slug=breach_slug)
    require_reader(scope, insurer.pk, breach.pk)
    if not lines_of(breach=breach, insurers=[insurer.pk], in_detail=False):
        raise Http404
    return breach, insurer


def _shown(breach: Breach, insurer: Insurer) -> dict[str, Any]:
    packs = list(EvidencePack.objects.filter(breach=breach, insurer=insurer)[:SHOWN])
    return {
        "breach": breach,
        "insurer": insurer,
        "packs": [(pack, bytes(pack.sha256).hex()) for pack in packs],
        "is_live": any(pack.state == PackState.ASKED for pack in packs),
    }


def _say_refused(
    request: HttpRequest, refusal: EvidenceRefused, breach: Breach, insurer: Insurer, action: str
) -> None:
    messages.error(request, str(refusal.message))
    record(
        action=action,
        scope=insurer_scope(insurer.pk),
        actor=account(staff_of(request).user_id),
        subject=f"breach:{breach.pk}",
        outcome=Outcome.REFUSED,
    )
