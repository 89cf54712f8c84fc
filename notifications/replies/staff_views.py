"""Insurer staff ask about the member on the phone; the worker answers, for five minutes."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from insurers.lists.person_form import MemberNumberField, PersonForm
from insurers.models import Insurer
from insurers.permissions import Refused, StaffScope, require_role, staff_of
from notifications.models import AskedOutcome, StaffAnswer, StaffQuestion
from notifications.replies.shown_answer import shown
from notifications.replies.staff_questions import (
    OF_INSURER,
    OF_PERSON,
    SHOWN_FOR,
    PersonAsked,
    ask_as_staff,
)


class StaffQuestionForm(PersonForm):
    """Whom the person on the phone is; the insurer only where there is a choice."""

    field_order = ("insurer", "member_number", "birth_date", "birth_rank")

    insurer = forms.ModelChoiceField(
        label=_("Organisme"),
        queryset=Insurer.objects.none(),
        to_field_name="slug",
        error_messages={
            "required": _("Choisissez l’organisme."),
            "invalid_choice": _("Choisissez un organisme de la liste."),
        },
    )
    member_number = MemberNumberField(
        help_text=_(
            "Sur la carte de tiers payant de la personne, ou dans vos dossiers. Espaces et tirets"
            " n’ont pas d’importance. Jamais le numéro de Sécurité sociale."
        ),
        error_messages={
            "required": _("Tapez le numéro d’adhérent tel qu’il figure sur la carte."),
            "characters": _(
                "Un numéro d’adhérent n’a que des lettres et des chiffres, 40 au plus. Faites-le"
                " relire sur la carte."
            ),
            "nir": _(
                "C’est un numéro de Sécurité sociale : ne le demandez pas, ne le tapez pas ici."
                " Demandez le numéro d’adhérent."
            ),
        },
    )

    def __init__(self, *args: Any, scope: StaffScope, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        insurers = Insurer.objects.filter(pk__in=scope.roles).order_by("name")
        self.the_one = insurers[0] if len(insurers) == 1 else None
        if self.the_one:
            del self.fields["insurer"]
        else:
            self.fields["insurer"].queryset = insurers  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
def staff_question(request: HttpRequest) -> HttpResponse:
    """Take a question and leave it, sealed, to the worker; its address holds a number alone."""
    scope = _staff(request)
    form = StaffQuestionForm(request.POST or None, scope=scope)
    if request.method == "POST" and form.is_valid():
        insurer: Insurer = form.the_one or form.cleaned_data["insurer"]
        require_role(scope, insurer.pk)
        number = ask_as_staff(
            insurer_id=insurer.pk,
            asked_by_id=scope.user_id,
            person=PersonAsked(
                member_number=form.cleaned_data["member_number"],
                birth_date=form.cleaned_data["birth_date"],
                birth_rank=form.cleaned_data["birth_rank"],
            ),
            now=timezone.now(),
        )
        return redirect("staff_answer", number)
    context = {"form": form, "of_person": OF_PERSON, "of_insurer": OF_INSURER}
    return render(request, "notifications/staff_question.html", context)


@require_safe
def staff_answer(request: HttpRequest, number: UUID) -> HttpResponse:
    """Show the answer to one's own question; until it is there the page asks for it again.

    What asks has nothing to show meanwhile: a screen reader hears of the answer alone.
    """
    scope = _staff(request)
    question = get_object_or_404(
        StaffQuestion.objects.select_related("insurer"),
        pk=number,
        asked_by=scope.user_id,
        insurer__in=scope.roles,
    )
    if question.taken_at is None and request.headers.get("HX-Request"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    answer = StaffAnswer.objects.filter(
        question=question, made_at__gt=timezone.now() - SHOWN_FOR
    ).first()
    listings = shown(answer.content["listings"]) if answer else []
    context = {
        "question": question,
        "is_live": question.taken_at is None,
        "is_refused": question.outcome not in ("", AskedOutcome.ANSWERED),
        "answer": answer,
        "listings": listings,
        "has_unconfirmed": any(
            message.is_unconfirmed for listing in listings for message in listing.messages
        ),
        "has_twins": len({listing.list_id for listing in listings}) < len(listings),
        "of_person": OF_PERSON,
        "of_insurer": OF_INSURER,
    }
    return render(request, "notifications/staff_answer.html", context)


def _staff(request: HttpRequest) -> StaffScope:
    scope = staff_of(request)
    if not scope.roles:
        raise Refused
    return scope
