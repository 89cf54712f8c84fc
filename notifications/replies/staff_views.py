"""Insurer staff ask about the member on the phone; the worker answers, for five minutes."""

from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from insurers.models import Insurer
from insurers.permissions import Refused, StaffScope, require_role, staff_of
from notifications.models import Asked, AskedOutcome, StaffQuestion
from notifications.replies.shown_answer import shown
from notifications.replies.staff_forms import StaffQuestionForm
from notifications.replies.staff_questions import (
    OF_INSURER,
    OF_PERSON,
    answer_shown,
    ask_as_staff,
)


@require_http_methods(["GET", "HEAD", "POST"])
def staff_question(request: HttpRequest) -> HttpResponse:
    """Take a question and leave it, sealed, to the worker; its address holds a number alone."""
    scope = _staff(request)
    form = StaffQuestionForm(
        request.POST or None, insurers=Insurer.objects.filter(pk__in=scope.roles)
    )
    if request.method == "POST" and form.is_valid():
        require_role(scope, form.insurer_meant.pk)
        number = ask_as_staff(
            insurer_id=form.insurer_meant.pk,
            asked_by_id=scope.user_id,
            person=form.person,
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
        asked=Asked.STANDING,
        asked_by=scope.user_id,
        insurer__in=scope.roles,
    )
    if question.taken_at is None and request.headers.get("HX-Request"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    answer = answer_shown(question, now=timezone.now())
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
