"""The exemption of a list: submitted by one person, decided by another, lifted the same way."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from insurers.models import AffectedList, Role
from insurers.permissions import readable, require_role, staff_of
from notifications.campaigns.forms import ReturnForm
from notifications.campaigns.refusals_shown import refusal_shown
from notifications.exemptions.deciding import (
    ExemptionRefused,
    approve_exemption,
    ask_to_lift,
    barred_from_approving,
    keep_exemption,
    lacks_statement,
    lift_exemption,
    people_covered,
    return_exemption,
    submit_exemption,
    what_hinders,
)
from notifications.exemptions.forms import ExemptionForm, LiftForm
from notifications.exemptions.refusals import last_refusals
from notifications.models import Exemption, ExemptionGround, ExemptionState
from notifications.models.exemptions import OPEN
from notifications.register.figures import list_figures

PREPARING = (Role.PREPARER, Role.APPROVER)


@require_http_methods(["GET", "HEAD", "POST"])
def exemption(request: HttpRequest, list_id: int) -> HttpResponse:
    """Show where a list's exemption stands, and submit one."""
    scope = staff_of(request)
    lists = AffectedList.objects.select_related("insurer", "breach")
    found = get_object_or_404(readable(scope, lists), pk=list_id)
    form = ExemptionForm(request.POST or None)
    if request.method == "POST":
        require_role(scope, found.insurer_id, *PREPARING)
        if form.is_valid() and _is_submitted(request, found, form):
            messages.success(request, _("Soumise. Une autre personne doit maintenant l’approuver."))
            return redirect("exemption", found.pk)
    context = {"list": found, "form": form, **_shown(request, found)}
    return render(
        request, "notifications/exemption.html", context, status=422 if form.errors else 200
    )


def _is_submitted(request: HttpRequest, found: AffectedList, form: ExemptionForm) -> bool:
    """Submit what a valid form says; a refusal stands beside the field, and the text stays."""
    try:
        submit_exemption(
            affected_list=found,
            ground=ExemptionGround(form.cleaned_data["ground"]),
            justification=form.cleaned_data["justification"].replace("\r\n", "\n"),
            submitted_by_id=staff_of(request).user_id,
            now=timezone.now(),
        )
    except ExemptionRefused as refusal:
        form.add_error("justification", str(refusal.message))
        return False
    return True


@require_POST
def exemption_approve(request: HttpRequest, exemption_id: int) -> HttpResponse:
    """Put it in force."""
    found = _exemption_of(request, exemption_id, Role.APPROVER)
    with refusal_shown(request, found, "exemption.approved"):
        approve_exemption(
            exemption_id=found.pk, approver_id=staff_of(request).user_id, now=timezone.now()
        )
        messages.success(request, _("Approuvée : la dispense est en vigueur."))
    return redirect("exemption", found.affected_list_id)


@require_POST
def exemption_return(request: HttpRequest, exemption_id: int) -> HttpResponse:
    """Send it back for correction."""
    found = _exemption_of(request, exemption_id, Role.APPROVER)
    with refusal_shown(request, found, "exemption.returned"):
        return_exemption(
            exemption_id=found.pk,
            approver_id=staff_of(request).user_id,
            comment=request.POST.get("comment", "")[:2000],
        )
        messages.success(request, _("Renvoyée avec votre commentaire."))
    return redirect("exemption", found.affected_list_id)


@require_POST
def exemption_ask_to_lift(request: HttpRequest, exemption_id: int) -> HttpResponse:
    """Ask that it ends."""
    found = _exemption_of(request, exemption_id, *PREPARING)
    with refusal_shown(request, found, "exemption.lift_asked"):
        ask_to_lift(
            exemption_id=found.pk,
            person_id=staff_of(request).user_id,
            reason=request.POST.get("reason", "")[:2000],
            now=timezone.now(),
        )
        messages.success(
            request, _("Levée demandée. Une autre personne doit maintenant l’approuver.")
        )
    return redirect("exemption", found.affected_list_id)


@require_POST
def exemption_lift(request: HttpRequest, exemption_id: int) -> HttpResponse:
    """End it."""
    found = _exemption_of(request, exemption_id, Role.APPROVER)
    with refusal_shown(request, found, "exemption.lifted"):
        lift_exemption(
            exemption_id=found.pk, approver_id=staff_of(request).user_id, now=timezone.now()
        )
        messages.success(request, _("Levée : ces personnes sont de nouveau à prévenir."))
    return redirect("exemption", found.affected_list_id)


@require_POST
def exemption_keep(request: HttpRequest, exemption_id: int) -> HttpResponse:
    """Leave it in force though its end was asked for."""
    found = _exemption_of(request, exemption_id, Role.APPROVER)
    with refusal_shown(request, found, "exemption.lift_returned"):
        keep_exemption(exemption_id=found.pk, approver_id=staff_of(request).user_id)
        messages.success(request, _("La dispense reste en vigueur."))
    return redirect("exemption", found.affected_list_id)


def _exemption_of(request: HttpRequest, exemption_id: int, *roles: Role) -> Exemption:
    mine = Exemption.objects.filter(insurer__in=staff_of(request).insurer_ids)
    found = get_object_or_404(mine, pk=exemption_id)
    require_role(staff_of(request), found.insurer_id, *roles)
    return found


def _shown(request: HttpRequest, found: AffectedList) -> dict[str, object]:
    """Return what is decided, or waits, for a list, and what the person may do about it."""
    scope = staff_of(request)
    exemptions = list(Exemption.objects.filter(affected_list=found))
    current = next((one for one in exemptions if one.state in OPEN), None)
    if current is not None:
        current.affected_list = found
    latest, refusals = exemptions[0] if exemptions else None, last_refusals(exemptions)
    figures = list_figures(found)
    return {
        "exemption": current,
        "refused": refusals.get(current.pk) if current else None,
        "returned": latest if latest and latest.state == ExemptionState.RETURNED else None,
        "past": [(one, refusals.get(one.pk)) for one in exemptions if one is not current],
        "figures": figures,
        "covered": people_covered(figures),
        "hinders": what_hinders(found, figures),
        "lacks_statement": current is not None and lacks_statement(current),
        "is_barred": current is not None and scope.user_id in _barred(current),
        "may_prepare": scope.has_role(found.insurer_id, *PREPARING),
        "may_approve": scope.has_role(found.insurer_id, Role.APPROVER),
        "comment_form": ReturnForm(),
        "lift_form": LiftForm(),
    }


def _barred(current: Exemption) -> set[int | None]:
    """Return who may not decide what waits."""
    if current.state == ExemptionState.LIFT_ASKED:
        return {current.lift_asked_by_id}
    return {*barred_from_approving(current)}
