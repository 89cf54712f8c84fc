"""The fields by which a person is asked about, cleaned as a list's cells are."""

from typing import TYPE_CHECKING, ClassVar

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from insurers.lists import identifiers, nir
from insurers.lists.problems import Problem

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

DATE_WORDS = {
    Problem.BIRTH_DATE_TWO_DIGIT_YEAR: _("Écrivez l’année en quatre chiffres, comme 12/03/1980."),
    Problem.BIRTH_DATE_IMPOSSIBLE: _("Cette date n’existe pas."),
    Problem.BIRTH_DATE_BEFORE_1900: _("Cette date est antérieure à 1900."),
    Problem.BIRTH_DATE_FUTURE: _("Cette date est dans l’avenir."),
}
DATE_AS_EXAMPLE = _("Écrivez la date de naissance comme 12/03/1980.")


def member_number_field(*, help_text: "_StrPromise", as_on_card: "_StrPromise") -> forms.CharField:
    """Return the field of a member number; `as_on_card` is said where none is typed."""
    return forms.CharField(
        label=_("Numéro d’adhérent"),
        help_text=help_text,
        max_length=100,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
        error_messages={"required": as_on_card},
    )


class PersonForm(forms.Form):
    """Whom somebody asks about: what identifies a person, and proves nothing.

    Cleaned values are normalised. Each form adds its `member_number` and its words about it.
    """

    number_characters: ClassVar["_StrPromise"]
    not_a_nir: ClassVar["_StrPromise"]

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
            raise forms.ValidationError(self.not_a_nir, code="nir")
        try:
            return identifiers.member_number(typed)
        except identifiers.BadValueError as error:
            words: object = self.fields["member_number"].error_messages["required"]
            if error.problem == Problem.MEMBER_NUMBER_CHARACTERS:
                words = self.number_characters
            raise forms.ValidationError(str(words), code=error.problem.value) from None

    def clean_birth_date(self) -> str:
        try:
            return identifiers.birth_date(self.cleaned_data["birth_date"], timezone.localdate())
        except identifiers.BadValueError as error:
            words = DATE_WORDS.get(error.problem, DATE_AS_EXAMPLE)
            raise forms.ValidationError(words, code=error.problem.value) from None
