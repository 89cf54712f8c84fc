"""Send a file in parts from the list page's script: start, append, ask, cancel."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from insurers.lists.forms import AnnouncedForm
from insurers.lists.part_requests import STATUS, drop_body, part_of, say_refusal, say_where
from insurers.lists.receiving import (
    Announced,
    append,
    cancel_upload,
    made_list,
    start_upload,
)
from insurers.lists.upload_problems import UploadRefused
from insurers.lists.views import asked_place, person_of, places_of
from insurers.models import Upload
from insurers.permissions import opens_its_own_transactions, staff_of, within
from insurers.queueing import enqueue
from insurers.tasks import ingest_list


@opens_its_own_transactions
@require_POST
def upload_start(request: HttpRequest) -> HttpResponseBase:
    """Open an upload (`organisme` and `violation` in the query, the rest in the form)."""
    scope = staff_of(request)
    with within(scope):
        place = asked_place(request, places_of(scope))
        if place is None:
            raise Http404
        insurer, breach = place
        form = AnnouncedForm(request.POST, breach=breach, insurer=insurer)
        if not form.is_valid():
            what = " ".join(str(error) for errors in form.errors.values() for error in errors)
            return JsonResponse({"what": what, "to_do": ""}, status=422)
        announced = Announced(
            breach=breach,
            insurer=insurer,
            operators=list(form.cleaned_data["operators"]),
            population=form.cleaned_data["population"],
            size_bytes=form.cleaned_data["size"],
            file_modified_ms=form.cleaned_data["modified"],
            effect=form.cleaned_data["effect"],
            corrects=form.cleaned_data.get("corrects"),
        )
    try:
        upload = start_upload(announced=announced, author=person_of(request), now=timezone.now())
    except UploadRefused as refusal:
        return _refused(request, refusal)
    response = HttpResponse(status=201)
    response.headers["Location"] = reverse("upload_part", args=[upload.pk])
    return say_where(response, upload)


@opens_its_own_transactions
@require_http_methods(["HEAD", "GET", "PATCH"])
def upload_part(request: HttpRequest, upload_id: UUID) -> HttpResponseBase:
    """Say where an upload stands, or append a part to it."""
    try:
        upload = _own_upload(request, upload_id)
    except Http404:
        drop_body(request)
        raise
    response = HttpResponse(status=204)
    if request.method == "PATCH":
        try:
            made = append(upload=upload, part=part_of(request), clock=timezone.now)
        except UploadRefused as refusal:
            return _refused(request, refusal)
        if made is not None:
            enqueue(ingest_list, list_id=made.pk)
    else:
        with within(staff_of(request)):
            made = made_list(upload)
    if made is not None:
        response.headers["Content-Location"] = reverse("list_detail", args=[made.pk])
    return say_where(response, upload)


@opens_its_own_transactions
@require_POST
def upload_cancel(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Give an upload up; what came of it is erased."""
    upload = _own_upload(request, upload_id)
    try:
        cancel_upload(upload=upload, now=timezone.now())
    except UploadRefused as refusal:
        said = refusal.explain()
        messages.error(request, f"{said.what} {said.to_do}")
    else:
        messages.success(request, _("L’envoi est annulé ; il n’en reste rien."))
    query = f"?organisme={upload.insurer.slug}&violation={upload.breach.slug}"
    return redirect(reverse("list_upload") + query)


def _own_upload(request: HttpRequest, upload_id: UUID) -> Upload:
    """Return an upload that the person began; others' do not exist."""
    with within(staff_of(request)):
        mine = Upload.objects.filter(
            created_by=person_of(request).pk, insurer__in=staff_of(request).insurer_ids
        )
        return get_object_or_404(mine.select_related("insurer", "breach"), pk=upload_id)


def _refused(request: HttpRequest, refusal: UploadRefused) -> HttpResponse:
    drop_body(request)
    said = refusal.explain()
    response = JsonResponse(
        {"what": said.what, "to_do": said.to_do}, status=STATUS[refusal.problem]
    )
    return say_refusal(response, refusal)
