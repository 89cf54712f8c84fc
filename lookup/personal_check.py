"""« Am I concerned? »: take the question, seal it, and answer everybody the same page.

The page cannot know the answer: the worker sends it to the contact that the insurer supplied.
"""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from insurers.lists.person_form import MemberNumberField, PersonForm
from insurers.models import Insurer
from insurers.throttle import Limit, Room, room_for
from lookup.insurer_field import InsurerField
from lookup.kept_pages import render_filled
from lookup.public import public_form
from lookup.typed import read_typed
from notifications.replies.questions import Question, ask, new_code

# A mobile carrier has many subscribers behind one network.
OF_NETWORK = Limit("personal-checks", at_most=300, seconds=600)
# What the workers can answer in time; it depends on nothing secret.
OF_ALL = Limit("personal-checks", at_most=settings.PERSONAL_CHECKS_PER_MINUTE, seconds=60)


class CheckForm(PersonForm):
    """Whom somebody asks about, and of which insurer."""

    field_order = ("insurer", "member_number", "birth_date", "birth_rank")

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
    member_number = MemberNumberField(
        help_text=_(
            "Sur votre carte de tiers payant. Espaces et tirets n’ont pas d’importance. Ce n’est"
            " pas votre numéro de Sécurité sociale."
        ),
        error_messages={
            "required": _("Tapez le numéro d’adhérent tel qu’il figure sur votre carte."),
            "characters": _(
                "Un numéro d’adhérent n’a que des lettres et des chiffres, 40 au plus. Recopiez-le"
                " de votre carte."
            ),
            "nir": _(
                "C’est un numéro de Sécurité sociale : nous ne le demandons pas, ne le tapez pas"
                " ici. Tapez votre numéro d’adhérent."
            ),
        },
    )


@public_form
def personal_check(request: HttpRequest, slug: str = "") -> HttpResponse:
    """Ask whom about; what is typed is sealed, and everybody sees the same page."""
    chosen = get_object_or_404(Insurer, slug=slug) if slug else None
    if request.method != "POST":
        initial = {"insurer": chosen.slug} if chosen else None
        return render(request, "lookup/personal_check.html", {"form": CheckForm(initial=initial)})
    typed = read_typed(CheckForm, request.POST)
    if typed is None:
        form = CheckForm(request.POST)
        form.full_clean()
        return render(request, "lookup/personal_check.html", {"form": form})
    room = room_for(request, of_network=OF_NETWORK, of_all=OF_ALL)
    if room != Room.ENOUGH:
        return _no_room(request, room)
    insurer: Insurer = typed["insurer"]
    code = new_code()
    question = Question(
        insurer_id=insurer.pk,
        member_number=typed["member_number"],
        birth_date=typed["birth_date"],
        birth_rank=typed["birth_rank"],
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
