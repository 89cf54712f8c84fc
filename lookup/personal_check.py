"""« Am I concerned? »: take the question, seal it, and answer everybody the same page.

The page cannot know the answer: the worker sends it to the contact that the insurer supplied.
"""

from datetime import date
from http import HTTPStatus

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from insurers.lists import identifiers, nir
from insurers.lists.problems import Problem
from insurers.models import Insurer
from insurers.throttle import Limit, Room, room_for
from lookup.insurer_field import InsurerField
from lookup.kept_pages import render_filled
from lookup.public import public_form
from notifications.replies.questions import Question, ask, new_code

# A mobile carrier has many subscribers behind one network.
OF_NETWORK = Limit("personal-checks", at_most=300, seconds=600)
# What the workers can answer in time; it depends on nothing secret.
OF_ALL = Limit("personal-checks", at_most=settings.PERSONAL_CHECKS_PER_MINUTE, seconds=60)

WORDS = {
    Problem.MEMBER_NUMBER_CHARACTERS: _(
        "Un numéro d’adhérent n’a que des lettres et des chiffres, 40 au plus. Recopiez-le de"
        " votre carte."
    ),
    Problem.BIRTH_DATE_TWO_DIGIT_YEAR: _("Écrivez l’année en quatre chiffres, comme 12/03/1980."),
    Problem.BIRTH_DATE_IMPOSSIBLE: _("Cette date n’existe pas."),
    Problem.BIRTH_DATE_BEFORE_1900: _("Cette date est antérieure à 1900."),
    Problem.BIRTH_DATE_FUTURE: _("Cette date est dans l’avenir."),
}
NUMBER_AS_ON_CARD = _("Tapez le numéro d’adhérent tel qu’il figure sur votre carte.")
DATE_AS_EXAMPLE = _("Écrivez la date de naissance comme 12/03/1980.")
NOT_A_NIR = _(
    "C’est un numéro de Sécurité sociale : nous ne le demandons pas, ne le tapez pas ici. Tapez"
    " votre numéro d’adhérent."
)


class CheckForm(forms.Form):
    """Whom somebody asks about: what identifies a person, and proves nothing."""

    insurer = InsurerField(
        label=_("Votre organisme complémentaire"),
        queryset=Insurer.objects.all(),
        empty_label=_("Choisissez dans la liste"),
        to_field_name="slug",
        error_messages={
            "required": _("Choisissez votre organisme."),
            "invalid_choice": _("Choisissez un organisme de la liste."),
        },
    )
    member_number = forms.CharField(
        label=_("Numéro d’adhérent"),
        help_text=_(
            "Sur votre carte de tiers payant. Espaces et tirets n’ont pas d’importance. Ce n’est"
            " pas votre numéro de Sécurité sociale."
        ),
        max_length=100,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
        error_messages={"required": NUMBER_AS_ON_CARD},
    )
    birth_date = forms.CharField(
        label=_("Date de naissance"),
        help_text=_("Jour, mois, année : 12/03/1980."),
        max_length=30,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
        error_messages={"required": DATE_AS_EXAMPLE},
    )
    birth_rank = forms.ChoiceField(
        label=_("Rang de naissance"),
        help_text=_("Pour des jumeaux nés le même jour : il figure sur la carte (1, 2…)."),
        required=False,
        choices=[("", _("Sans objet")), *((str(rank), str(rank)) for rank in range(1, 10))],
    )

    def clean_member_number(self) -> str:
        typed = self.cleaned_data["member_number"]
        if nir.has_valid_key(typed):
            raise forms.ValidationError(NOT_A_NIR, code="nir")
        try:
            return identifiers.member_number(typed)
        except identifiers.BadValueError as error:
            words = WORDS.get(error.problem, NUMBER_AS_ON_CARD)
            raise forms.ValidationError(words, code=error.problem.value) from None

    def clean_birth_date(self) -> str:
        try:
            return identifiers.birth_date(self.cleaned_data["birth_date"], _today())
        except identifiers.BadValueError as error:
            words = WORDS.get(error.problem, DATE_AS_EXAMPLE)
            raise forms.ValidationError(words, code=error.problem.value) from None


@public_form
def personal_check(request: HttpRequest, slug: str = "") -> HttpResponse:
    """Ask whom about; what is typed is sealed, and everybody sees the same page."""
    if request.method != "POST":
        initial = {"insurer": get_object_or_404(Insurer, slug=slug).slug} if slug else None
        return render(request, "lookup/personal_check.html", {"form": CheckForm(initial=initial)})
    form = CheckForm(request.POST)
    if not form.is_valid():
        return render(request, "lookup/personal_check.html", {"form": form})
    room = room_for(request, of_network=OF_NETWORK, of_all=OF_ALL)
    if room != Room.ENOUGH:
        return _no_room(request, room)
    insurer: Insurer = form.cleaned_data["insurer"]
    code = new_code()
    question = Question(
        insurer_id=insurer.pk,
        member_number=form.cleaned_data["member_number"],
        birth_date=form.cleaned_data["birth_date"],
        birth_rank=form.cleaned_data["birth_rank"],
        language=get_language() or "fr",
        code=code,
    )
    ask(question, now=timezone.now())
    return render_filled(
        request,
        "lookup/personal_check_asked.html",
        lambda: {"insurer": insurer},
        kept_by=insurer.slug,
        texts={"code": code},
    )


def _no_room(request: HttpRequest, room: Room) -> HttpResponse:
    """Say that the question was not taken: nobody may think that silence is the answer."""
    is_busy = room == Room.NONE_FOR_THIS_NETWORK
    limit = OF_NETWORK if is_busy else OF_ALL
    response = render(
        request,
        "lookup/personal_check_no_room.html",
        {"is_network": is_busy, "minutes": -(-limit.seconds // 60)},
        status=HTTPStatus.TOO_MANY_REQUESTS if is_busy else HTTPStatus.SERVICE_UNAVAILABLE,
    )
    response.headers["Retry-After"] = str(limit.seconds)
    return response


def _today() -> date:
    return timezone.localdate()
