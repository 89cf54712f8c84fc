"""Send a list, follow its reading, decide."""

from collections.abc import Iterator

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from insurers.lists.acceptance import decide_to_accept
from insurers.lists.error_file import error_file
from insurers.lists.forms import UploadForm
from insurers.lists.ingestion import OperatorsNotAffiliatedError, register_list
from insurers.lists.problems import Refusal, column_name, explain_problem
from insurers.lists.refusing import refuse_list, why_refused
from insurers.lists.rejected import rows_to_correct
from insurers.lists.report import declared_people, reasons, rows_of_neither
from insurers.lists.returning import does_not_give_back
from insurers.lists.states import AWAITING, UNFINISHED, WrongStateError
from insurers.lists.uploads import CHUNK_BYTES, SealingUploadHandler
from insurers.lists.withdrawal import decide_to_withdraw
from insurers.models import (
    AffectedList,
    Breach,
    Insurer,
    ListEffect,
    ListReport,
    ListState,
    Role,
    Upload,
)
from insurers.permissions import (
    Refused,
    StaffScope,
    opens_its_own_transactions,
    require_role,
    staff_of,
    within,
)
from insurers.queueing import enqueue
from insurers.tasks import accept_list, erase_list, ingest_list, withdraw_list

PREPARING = (Role.PREPARER, Role.APPROVER)
PROBLEMS_SHOWN = 20
PART_BYTES = 8 * CHUNK_BYTES  # what the script sends at once


# Django reads the body to find the token, so the handler is put in place before the check.
@opens_its_own_transactions
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def list_upload(request: HttpRequest) -> HttpResponseBase:
    """Take a file for one insurer and breach (in the query: `organisme` and `violation`)."""
    scope = staff_of(request)
    with within(scope):
        choices = places_of(scope)
    chosen = asked_place(request, choices)
    if chosen is None:
        return render(request, "insurers/list_choice.html", {"choices": choices})
    insurer, breach = chosen
    if request.method != "POST":
        with within(scope):
            form = UploadForm(breach=breach, insurer=insurer)
            return _upload_page(request, form, insurer, breach)
    handler = SealingUploadHandler()
    request.upload_handlers = [handler]
    try:
        return _receive(request, handler, insurer, breach)
    finally:
        handler.discard()


@csrf_protect
def _receive(
    request: HttpRequest, handler: SealingUploadHandler, insurer: Insurer, breach: Breach
) -> HttpResponse:
    scope = staff_of(request)
    # Read the body to its end before the transaction opens.
    data = request.POST
    with within(scope):
        form = UploadForm(data, breach=breach, insurer=insurer, handler=handler)
        if not form.is_valid() or handler.upload is None:
            return _upload_page(request, form, insurer, breach, status=422)
        try:
            affected_list = register_list(
                breach=breach,
                insurer=insurer,
                operators=form.cleaned_data["operators"],
                population=form.cleaned_data["population"],
                effect=form.cleaned_data["effect"],
                corrects=form.cleaned_data.get("corrects"),
                upload=handler.upload,
                uploaded_by=person_of(request),
                now=timezone.now(),
            )
        except OperatorsNotAffiliatedError:
            form.add_error("operators", _("Votre organisme n’est pas rattaché à cet opérateur."))
            return _upload_page(request, form, insurer, breach, status=422)
        enqueue(ingest_list, list_id=affected_list.pk)
    handler.keep()
    return redirect("list_detail", affected_list.pk)


def places_of(scope: StaffScope) -> list[tuple[Insurer, Breach]]:
    """Return the insurers that the person prepares lists for, with each breach that touches one."""
    insurers = [key for key in scope.roles if scope.has_role(key, *PREPARING)]
    if not insurers:
        raise Refused
    return [
        (insurer, breach)
        for insurer in Insurer.objects.filter(pk__in=insurers)
        for breach in Breach.objects.filter(
            operator_parts__operator__affiliations__insurer=insurer
        ).distinct()
        if not breach.is_closed(timezone.localdate())
    ]


def asked_place(
    request: HttpRequest, choices: list[tuple[Insurer, Breach]]
) -> tuple[Insurer, Breach] | None:
    """Return the choice that the query names, the only one, or None where one must be made."""
    asked = (request.GET.get("organisme"), request.GET.get("violation"))
    if asked == (None, None):
        return choices[0] if len(choices) == 1 else None
    for insurer, breach in choices:
        if (insurer.slug, breach.slug) == asked:
            return insurer, breach
    raise Http404


def _upload_page(
    request: HttpRequest, form: UploadForm, insurer: Insurer, breach: Breach, status: int = 200
) -> HttpResponse:
    unfinished = Upload.objects.under_way().filter(
        created_by=person_of(request).pk, insurer=insurer, breach=breach
    )
    context = {
        "form": form,
        "insurer": insurer,
        "breach": breach,
        "unfinished": unfinished.order_by("created_at"),
        "part_bytes": PART_BYTES,
    }
    return render(request, "insurers/list_upload.html", context, status=status)


@require_safe
def list_detail(request: HttpRequest, list_id: int) -> HttpResponse:
    """Show where a list is: its reading, its counts, the decision."""
    found = readable_list(request, list_id)
    report = ListReport.objects.filter(affected_list=found).select_related("affected_list").first()
    may_prepare = staff_of(request).has_role(found.insurer_id, *PREPARING)
    may_withdraw = (
        may_prepare and found.state == ListState.ACCEPTED and found.effect != ListEffect.WITHDRAW
    )
    context = _progress(found) | {
        "report": report,
        "rows_to_correct": rows_to_correct(
            [found, *AffectedList.objects.open_to_campaigns().filter(corrects__isnull=False)]
        )
        if found.rows_rejected
        else 0,
        "reasons": reasons(report) if report else [],
        "declared_people": declared_people(report) if report else None,
        "rows_of_neither": rows_of_neither(report) if report else None,
        "may_withdraw": may_withdraw,
        "does_not_give_back": may_withdraw and does_not_give_back(found),
        "refusal": why_refused(found),
        "sha256": bytes(found.sha256 or b"").hex(),
        "may_decide": may_prepare and found.state in AWAITING,
        "may_prepare": may_prepare,
        "problems": [
            (problem.row, column_name(problem.column), explain_problem(problem.code))
            for problem in found.problems.order_by("row", "pk")[:PROBLEMS_SHOWN]
        ],
    }
    return render(request, "insurers/list_detail.html", context)


@require_safe
def list_progress(request: HttpRequest, list_id: int) -> HttpResponse:
    """Return the part of the page that htmx renews; the whole page once there is news."""
    found = readable_list(request, list_id)
    if found.state not in UNFINISHED:
        return HttpResponseClientRefresh()
    return render(request, "insurers/_list_progress.html", _progress(found))


@require_safe
def list_errors(request: HttpRequest, list_id: int) -> StreamingHttpResponse:
    """Stream the error file."""
    found = readable_list(request, list_id)
    lines = _in_scope(staff_of(request), translation.get_language(), found)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="liste-{found.pk}-problemes.csv"'
    return response


def _in_scope(scope: StaffScope, language: str, found: AffectedList) -> Iterator[str]:
    # A streamed body is written after the page's transaction and language are gone.
    with translation.override(language), within(scope):
        yield from error_file(found)


@require_POST
def list_accept(request: HttpRequest, list_id: int) -> HttpResponse:
    """Accept, and have the worker publish."""
    found = readable_list(request, list_id)
    require_role(staff_of(request), found.insurer_id, *PREPARING)
    try:
        decide_to_accept(affected_list=found, decided_by=person_of(request), now=timezone.now())
    except WrongStateError:
        messages.error(request, _("Cette liste n’attend plus de décision."))
    else:
        enqueue(accept_list, list_id=found.pk)
        messages.success(request, _("La liste est acceptée ; ses personnes sont mises en place."))
    return redirect("list_detail", found.pk)


@require_POST
def list_refuse(request: HttpRequest, list_id: int) -> HttpResponse:
    """Refuse, and have the worker erase."""
    found = readable_list(request, list_id)
    require_role(staff_of(request), found.insurer_id, *PREPARING)
    try:
        refuse_list(
            affected_list=found,
            code=Refusal.BY_STAFF,
            decided_by=person_of(request),
            now=timezone.now(),
        )
    except WrongStateError:
        messages.error(request, _("Cette liste n’attend plus de décision."))
    else:
        enqueue(erase_list, list_id=found.pk)
        messages.success(
            request, _("La liste est refusée ; il n’en reste que l’empreinte et les nombres.")
        )
    return redirect("list_detail", found.pk)


@require_POST
def list_withdraw(request: HttpRequest, list_id: int) -> HttpResponse:
    """Withdraw a whole accepted list, and have the worker cancel what is not sent."""
    found = readable_list(request, list_id)
    require_role(staff_of(request), found.insurer_id, *PREPARING)
    if request.POST.get("confirmed") != "on":
        messages.error(request, _("Cochez la case pour confirmer le retrait."))
        return redirect("list_detail", found.pk)
    try:
        decide_to_withdraw(affected_list=found, decided_by=person_of(request), now=timezone.now())
    except WrongStateError:
        messages.error(request, _("Cette liste ne peut pas, ou ne peut plus, être retirée."))
    else:
        enqueue(withdraw_list, list_id=found.pk)
        messages.success(
            request, _("La liste est retirée ; ce qui n’est pas encore envoyé est annulé.")
        )
    return redirect("list_detail", found.pk)


def person_of(request: HttpRequest) -> AbstractBaseUser:
    """Return who is signed in."""
    assert isinstance(request.user, AbstractBaseUser)
    return request.user


def readable_list(request: HttpRequest, list_id: int) -> AffectedList:
    """Return a list that the person may read; another insurer's does not exist."""
    scope = staff_of(request)
    mine = AffectedList.objects.filter(insurer_id__in=scope.insurer_ids)
    found = get_object_or_404(
        mine.select_related("insurer", "breach", "population", "uploaded_by", "uploaded_with"),
        pk=list_id,
    )
    if not scope.may_read(found.insurer_id, found.breach_id):
        raise Http404
    return found


def _progress(found: AffectedList) -> dict[str, object]:
    return {"list": found, "is_live": found.state in UNFINISHED}
