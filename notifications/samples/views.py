"""An auditor draws people of a list at random, and reads what became of each."""

import secrets
from http import HTTPStatus

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from insurers.models import AffectedList
from insurers.permissions import Refused, StaffScope, readable, staff_of
from insurers.queueing import enqueue
from notifications.models import Sample
from notifications.models.samples import LARGEST
from notifications.samples.drawing import SEED, SampleRefused, ask_sample
from notifications.samples.shown_history import shown_history
from notifications.tasks import draw_samples


class SampleForm(forms.Form):
    """How many people, and from which seed."""

    size = forms.IntegerField(
        label=_("Nombre de personnes"), min_value=1, max_value=LARGEST, initial=30
    )
    seed = forms.RegexField(
        SEED,
        label=_("Graine"),
        required=False,
        max_length=40,
        help_text=_("Laissez vide pour un tirage nouveau. La même graine redonne le même tirage."),
        error_messages={"invalid": _("Lettres sans accent, chiffres et tirets, 40 au plus.")},
    )


@require_http_methods(["GET", "HEAD", "POST"])
def sample_list(request: HttpRequest, list_id: int) -> HttpResponse:
    """Show the auditor's own samples of a list, and take a new one."""
    scope = _auditor(request)
    found = _list_of(scope, list_id)
    form = SampleForm(request.POST or None)
    nobody = False
    if request.method == "POST" and form.is_valid():
        try:
            sample = ask_sample(
                affected_list=found,
                asked_by_id=scope.user_id,
                seed=form.cleaned_data["seed"] or secrets.token_hex(8),
                size=form.cleaned_data["size"],
                now=timezone.now(),
            )
        except SampleRefused:
            nobody = True
        else:
            enqueue(draw_samples)
            return redirect("sample", sample.pk)
    context = {
        "list": found,
        "form": form,
        "nobody": nobody,
        "samples": Sample.objects.filter(affected_list=found, asked_by=scope.user_id),
    }
    status = 422 if form.errors or nobody else 200
    return render(request, "notifications/sample_list.html", context, status=status)


@require_safe
def sample(request: HttpRequest, sample_id: int) -> HttpResponse:
    """Show what became of each person drawn; until then the page asks again for it."""
    scope = _auditor(request)
    found = get_object_or_404(
        Sample.objects.select_related("affected_list__insurer", "affected_list__breach"),
        pk=sample_id,
        asked_by=scope.user_id,
    )
    _list_of(scope, found.affected_list_id)
    if found.made_at is None and request.headers.get("HX-Request"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    context = {
        "sample": found,
        "is_live": found.made_at is None,
        "rows": [shown_history(history) for history in found.rows],
    }
    return render(request, "notifications/sample.html", context)


def _auditor(request: HttpRequest) -> StaffScope:
    scope = staff_of(request)
    if scope.role != "auditor":
        raise Refused
    return scope


def _list_of(scope: StaffScope, list_id: int) -> AffectedList:
    lists = AffectedList.objects.select_related("insurer", "breach")
    return get_object_or_404(readable(scope, lists), pk=list_id)
