"""The page of a list's columns: see how they are read, say which is which, forget a choice."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from insurers.lists.column_forms import ColumnsForm, column_label
from insurers.lists.columns import choose_columns, forget_column, why_unclear
from insurers.lists.problems import column_name
from insurers.lists.states import AWAITING, WrongStateError
from insurers.lists.views import PREPARING, person_of, readable_list
from insurers.models import AffectedList, RememberedColumn
from insurers.permissions import require_role, staff_of
from insurers.queueing import enqueue
from insurers.tasks import ingest_list


@require_http_methods(["GET", "HEAD", "POST"])
def list_columns(request: HttpRequest, list_id: int) -> HttpResponse:
    """Show the columns; those who prepare see shapes of values, and choose while it awaits."""
    found = readable_list(request, list_id)
    if request.method != "POST":
        form = ColumnsForm(columns=found.columns.all()) if _may_choose(request, found) else None
        return _page(request, found, form)
    require_role(staff_of(request), found.insurer_id, *PREPARING)
    if found.state not in AWAITING:
        return _too_late(request, found)
    form = ColumnsForm(request.POST, columns=found.columns.all())
    if not form.is_valid():
        return _page(request, found, form, status=422)
    try:
        choose_columns(
            affected_list=found,
            columns=form.chosen(),
            chosen_by=person_of(request),
            now=timezone.now(),
        )
    except WrongStateError:
        return _too_late(request, found)
    enqueue(ingest_list, list_id=found.pk)
    messages.success(request, _("Les colonnes sont indiquées ; le fichier est lu avec elles."))
    return redirect("list_detail", found.pk)


@require_POST
def column_forget(request: HttpRequest, list_id: int, remembered_id: int) -> HttpResponse:
    """Forget what a header means for the insurer of the list."""
    found = readable_list(request, list_id)
    require_role(staff_of(request), found.insurer_id, *PREPARING)
    kept = RememberedColumn.objects.filter(insurer_id=found.insurer_id)
    forget_column(
        remembered=get_object_or_404(kept, pk=remembered_id), forgotten_by=person_of(request)
    )
    messages.success(
        request, _("Ce choix est oublié ; les prochains fichiers n’en tiendront pas compte.")
    )
    return redirect("list_columns", found.pk)


def _may_prepare(request: HttpRequest, found: AffectedList) -> bool:
    return staff_of(request).has_role(found.insurer_id, *PREPARING)


def _may_choose(request: HttpRequest, found: AffectedList) -> bool:
    return found.state in AWAITING and _may_prepare(request, found)


def _too_late(request: HttpRequest, found: AffectedList) -> HttpResponse:
    messages.error(request, _("Cette liste n’attend plus que ses colonnes soient indiquées."))
    return redirect("list_detail", found.pk)


def _page(
    request: HttpRequest, found: AffectedList, form: ColumnsForm | None, status: int = 200
) -> HttpResponse:
    columns = list(found.columns.all())
    remembered = RememberedColumn.objects.none()
    if _may_prepare(request, found):
        remembered = RememberedColumn.objects.filter(insurer_id=found.insurer_id)
    unclear = why_unclear(found) if form else None
    context = {
        "list": found,
        "missing": [column_name(code) for code in unclear.missing] if unclear else [],
        "ambiguous": [field.label for field in unclear.ambiguous] if unclear else [],
        "form": form,
        "columns": [(column_label(column), column_name(column.field)) for column in columns],
        "has_masked": any(column.is_masked for column in columns),
        "remembered": [(one.pk, one.header, column_name(one.field)) for one in remembered],
    }
    return render(request, "insurers/list_columns.html", context, status=status)
