"""What an approver answers a person who uses their rights, and what an auditor asks about one."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from insurers.models import Breach, Insurer, Role
from insurers.permissions import Refused, StaffScope, require_reader, require_role, staff_of
from notifications.models import Asked, AskedOutcome, StaffQuestion
from notifications.models.staff_questions import LONGEST_REASON
from notifications.replies.staff_forms import StaffQuestionForm
from notifications.replies.staff_questions import OF_INSURER, OF_PERSON, answer_shown, ask_as_staff
from notifications.rights.holding import Holding
from notifications.samples.shown_history import shown_history
from notifications.verifying.masking import masked

HELD = {
    "fingerprint": _("une empreinte du numéro d’adhérent et de la date de naissance"),
    "contact": _("le nom (chiffré)"),
    "email": _("l’adresse de courriel (chiffrée)"),
    "phone": _("le numéro de téléphone (chiffré)"),
    "address": _("l’adresse postale (chiffrée)"),
}


NO_REASON = _("Dites pourquoi vous cherchez cette personne.")


class RightsForm(StaffQuestionForm):
    """Which right somebody uses."""

    field_order = ("asked", *StaffQuestionForm.field_order)

    asked = forms.ChoiceField(
        label=_("Ce que la personne demande"),
        choices=[
            (Asked.ACCESS.value, _("savoir ce que le portail conserve d’elle (article 15)")),
            (Asked.ERASURE.value, _("faire effacer ses coordonnées (article 17)")),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choisissez ce que la personne demande.")},
    )


class MatchForm(StaffQuestionForm):
    """Whom an auditor looks for, and why."""

    reason = forms.CharField(
        label=_("Motif"),
        max_length=LONGEST_REASON,
        help_text=_(
            "Il est inscrit au journal de l’organisme, qui le lit : sans nom ni coordonnées."
        ),
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": NO_REASON},
    )

    def clean_reason(self) -> str:
        """Refuse signs that nobody sees: the insurer would read nothing."""
        reason = str(self.cleaned_data["reason"])
        if not masked(reason):
            raise forms.ValidationError(NO_REASON)
        return reason


@require_http_methods(["GET", "HEAD", "POST"])
def rights(request: HttpRequest) -> HttpResponse:
    """Take an access or erasure request of a person, for the worker to answer."""
    scope = staff_of(request)
    approved = [key for key in scope.roles if scope.has_role(key, Role.APPROVER)]
    if not approved:
        raise Refused
    form = RightsForm(request.POST or None, insurers=Insurer.objects.filter(pk__in=approved))
    if request.method == "POST" and form.is_valid():
        require_role(scope, form.insurer_meant.pk, Role.APPROVER)
        number = _ask(scope, form, Asked(form.cleaned_data["asked"]))
        return redirect("person_answer", number)
    status = 422 if form.errors else 200
    return render(request, "notifications/rights.html", {"form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def match(request: HttpRequest) -> HttpResponse:
    """Take an auditor's question whether a person is on a list, with its reason."""
    scope = staff_of(request)
    if scope.role != "auditor":
        raise Refused
    form = MatchForm(request.POST or None, insurers=Insurer.objects.filter(pk__in=scope.mandated))
    if request.method == "POST" and form.is_valid():
        require_reader(scope, form.insurer_meant.pk)
        number = _ask(scope, form, Asked.MATCH, reason=form.cleaned_data["reason"])
        return redirect("person_answer", number)
    status = 422 if form.errors else 200
    return render(request, "notifications/match.html", {"form": form}, status=status)


@require_safe
def person_answer(request: HttpRequest, number: UUID) -> HttpResponse:
    """Show what is held of the person; until it is there the page asks again for it."""
    scope = staff_of(request)
    if scope.role not in {"staff", "auditor"}:
        raise Refused
    question = get_object_or_404(
        StaffQuestion.objects.select_related("insurer").exclude(asked=Asked.STANDING),
        pk=number,
        asked_by=scope.user_id,
        insurer__in=scope.insurer_ids,
    )
    if question.taken_at is None and request.headers.get("HX-Request"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    answer = answer_shown(question, now=timezone.now())
    found = _shown(answer.content["listings"]) if answer else []
    context = {
        "question": question,
        "is_live": question.taken_at is None,
        "is_refused": question.outcome not in ("", AskedOutcome.ANSWERED),
        "answer": answer,
        "holdings": found,
        "has_twins": len({holding["list_id"] for holding in found}) < len(found),
        "of_person": OF_PERSON,
        "of_insurer": OF_INSURER,
    }
    return render(request, "notifications/person_answer.html", context)


def _ask(scope: StaffScope, form: StaffQuestionForm, asked: Asked, *, reason: str = "") -> UUID:
    return ask_as_staff(
        insurer_id=form.insurer_meant.pk,
        asked_by_id=scope.user_id,
        person=form.person,
        asked=asked,
        reason=reason,
        now=timezone.now(),
    )


def _shown(holdings: list[Holding]) -> list[dict[str, Any]]:
    breaches = Breach.objects.in_bulk({holding["breach_id"] for holding in holdings})
    return [
        {
            "list_id": holding["list_id"],
            "breach": breaches[holding["breach_id"]],
            "sha256": holding["sha256"],
            "held": [HELD[code] for code in holding["held"]],
            "gone": [HELD[code] for code in holding["gone"]],
            "row": shown_history(holding["history"]),
        }
        for holding in holdings
    ]
