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
from insurers.lists.states import UNFINISHED, WrongStateError
from insurers.lists.uploads import SealingUploadHandler
from insurers.models import AffectedList, Breach, Insurer, ListState, Role
from insurers.permissions import (
    Refused,
    StaffScope,
    opens_its_own_transactions,
    require_role,
    staff_of,
    within,
)
from insurers.queueing import enqueue
from insurers.tasks import accept_list, erase_list, ingest_list

PREPARING = (Role.PREPARER, Role.APPROVER)
PROBLEMS_SHOWN = 20


# Django reads the body to find the token, so the handler is put in place before the check.
@opens_its_own_transactions
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def list_upload(request: HttpRequest) -> HttpResponseBase:
    """Take a file for one insurer and breach (in the query: `organisme` and `violation`)."""
    scope = staff_of(request)
    with within(scope):
        choices = _choices(scope)
    asked = (request.GET.get("organisme"), request.GET.get("violation"))
    chosen = [choice for choice in choices if (choice[0].slug, choice[1].slug) == asked]
    if asked == (None, None) and len(choices) == 1:
        chosen = choices
    if not chosen:
        if asked != (None, None):
            raise Http404
        return render(request, "insurers/list_choice.html", {"choices": choices})
    insurer, breach = chosen[0]
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
                upload=handler.upload,
                uploaded_by=_person(request),
                now=timezone.now(),
            )
        except OperatorsNotAffiliatedError:
            form.add_error("operators", _("Votre organisme n’est pas rattaché à cet opérateur."))
            return _upload_page(request, form, insurer, breach, status=422)
        enqueue(ingest_list, list_id=affected_list.pk)
    handler.keep()
    return redirect("list_detail", affected_list.pk)


def _choices(scope: StaffScope) -> list[tuple[Insurer, Breach]]:
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
    ]


def _upload_page(
    request: HttpRequest, form: UploadForm, insurer: Insurer, breach: Breach, status: int = 200
) -> HttpResponse:
    context = {"form": form, "insurer": insurer, "breach": breach}
    return render(request, "insurers/list_upload.html", context, status=status)


@require_safe
def list_detail(request: HttpRequest, list_id: int) -> HttpResponse:
    """Show where a list is: its reading, its counts, the decision."""
    found = _list(request, list_id)
    context = _progress(found) | {
        "refusal": why_refused(found),
        "sha256": bytes(found.sha256 or b"").hex(),
        "may_decide": found.state == ListState.REVIEW
        and staff_of(request).has_role(found.insurer_id, *PREPARING),
        "may_prepare": staff_of(request).has_role(found.insurer_id, *PREPARING),
        "problems": [
            (problem.row, column_name(problem.column), explain_problem(problem.code))
            for problem in found.problems.order_by("row", "pk")[:PROBLEMS_SHOWN]
        ],
    }
    return render(request, "insurers/list_detail.html", context)


@require_safe
def list_progress(request: HttpRequest, list_id: int) -> HttpResponse:
    """Return the part of the page that htmx renews; the whole page once there is news."""
    found = _list(request, list_id)
    if found.state not in UNFINISHED:
        return HttpResponseClientRefresh()
    return render(request, "insurers/_list_progress.html", _progress(found))


@require_safe
def list_errors(request: HttpRequest, list_id: int) -> StreamingHttpResponse:
    """Stream the error file."""
    found = _list(request, list_id)
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
    found = _list(request, list_id)
    require_role(staff_of(request), found.insurer_id, *PREPARING)
    try:
        decide_to_accept(affected_list=found, decided_by=_person(request), now=timezone.now())
    except WrongStateError:
        messages.error(request, _("Cette liste n’attend plus de décision."))
    else:
        enqueue(accept_list, list_id=found.pk)
        messages.success(request, _("La liste est acceptée ; ses personnes sont mises en place."))
    return redirect("list_detail", found.pk)


@require_POST
def list_refuse(request: HttpRequest, list_id: int) -> HttpResponse:
    """Refuse, and have the worker erase."""
    found = _list(request, list_id)
    require_role(staff_of(request), found.insurer_id, *PREPARING)
    try:
        refuse_list(
            affected_list=found,
            code=Refusal.BY_STAFF,
            decided_by=_person(request),
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


def _person(request: HttpRequest) -> AbstractBaseUser:
    assert isinstance(request.user, AbstractBaseUser)
    return request.user


def _list(request: HttpRequest, list_id: int) -> AffectedList:
    """Return a list that the person may read; another insurer's does not exist."""
    scope = staff_of(request)
    mine = AffectedList.objects.filter(insurer_id__in=scope.insurer_ids)
    found = get_object_or_404(mine.select_related("insurer", "breach", "population"), pk=list_id)
    if not scope.may_read(found.insurer_id, found.breach_id):
        raise Http404
    return found


def _progress(found: AffectedList) -> dict[str, object]:
    return {"list": found, "is_live": found.state in UNFINISHED}
