"""The fields by which staff and auditors ask about one person of an insurer."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from insurers.lists.person_form import MemberNumberField, PersonForm
from insurers.models import Insurer
from notifications.replies.staff_questions import PersonAsked


class StaffQuestionForm(PersonForm):
    """Whom the person on the phone is; the insurer only where there is a choice."""

    field_order: tuple[str, ...] = ("insurer", "member_number", "birth_date", "birth_rank")

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

    def __init__(self, *args: Any, insurers: QuerySet[Insurer], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        insurers = insurers.order_by("name")
        self.the_one = insurers[0] if len(insurers) == 1 else None
        if self.the_one:
            del self.fields["insurer"]
        else:
            self.fields["insurer"].queryset = insurers  # type: ignore[attr-defined]

    @property
    def insurer_meant(self) -> Insurer:
        """The insurer of a valid form."""
        found = self.the_one or self.cleaned_data["insurer"]
        assert isinstance(found, Insurer)
        return found

    @property
    def person(self) -> PersonAsked:
        """Whom a valid form asks about."""
        return PersonAsked(
            member_number=self.cleaned_data["member_number"],
            birth_date=self.cleaned_data["birth_date"],
            birth_rank=self.cleaned_data["birth_rank"],
        )
