"""The fields by which a person is asked about, cleaned as a list's cells are."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from insurers.lists import identifiers, nir
from insurers.lists.problems import Problem

DATE_WORDS = {
    Problem.BIRTH_DATE_TWO_DIGIT_YEAR: _("Écrivez l’année en quatre chiffres, comme 12/03/1980."),
    Problem.BIRTH_DATE_IMPOSSIBLE: _("Cette date n’existe pas."),
    Problem.BIRTH_DATE_BEFORE_1900: _("Cette date est antérieure à 1900."),
    Problem.BIRTH_DATE_FUTURE: _("Cette date est dans l’avenir."),
}
DATE_AS_EXAMPLE = _("Écrivez la date de naissance comme 12/03/1980.")


class MemberNumberField(forms.CharField):
    """A member number as somebody types it; cleaned as a list's cells are.

    Its messages: `required` (it is also said of what is no member number), `characters`, `nir`.
    """

    widget = forms.TextInput(
        attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(label=_("Numéro d’adhérent"), max_length=100, **options)

    def clean(self, value: Any) -> str:
        typed = super().clean(value)
        if nir.has_valid_key(typed):
            raise forms.ValidationError(self.error_messages["nir"], code="nir")
        try:
            return identifiers.member_number(typed)
        except identifiers.BadValueError as error:
            is_odd = error.problem == Problem.MEMBER_NUMBER_CHARACTERS
            words = self.error_messages["characters" if is_odd else "required"]
            raise forms.ValidationError(words, code=error.problem.value) from None


class BirthDateField(forms.CharField):
    """A birth date as somebody types it; cleaned, as lists store it."""

    widget = forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"})

    def clean(self, value: Any) -> str:
        try:
            return identifiers.birth_date(super().clean(value), timezone.localdate())
        except identifiers.BadValueError as error:
            words = DATE_WORDS.get(error.problem, DATE_AS_EXAMPLE)
            raise forms.ValidationError(words, code=error.problem.value) from None


class PersonForm(forms.Form):
    """Whom somebody asks about: what identifies a person, and proves nothing.

    Cleaned values are normalised. Each form adds its `member_number` and its words about it. All
    rules are in the fields, so that `lookup/typed.py` can do without the form.
    """

    birth_date = BirthDateField(
        label=_("Date de naissance"),
        help_text=_("Jour, mois, année : 12/03/1980."),
        max_length=30,
        error_messages={"required": DATE_AS_EXAMPLE},
    )
    birth_rank = forms.ChoiceField(
        label=_("Rang de naissance"),
        help_text=_("Pour des jumeaux nés le même jour : il figure sur la carte (1, 2…)."),
        required=False,
        choices=[("", _("Sans objet")), *((str(rank), str(rank)) for rank in range(1, 10))],
    )

    def clean(self) -> None:
        """Show nobody a social security number again, not even whoever typed it."""
        self.data = {
            name: "" if nir.holds_one(str(typed)) else typed for name, typed in self.data.items()
        }
