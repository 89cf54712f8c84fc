from django import forms
from django.utils.translation import gettext_lazy as _

from insurers.lists import identifiers


class WaitingForm(forms.Form):
    """One address, and nothing else about anybody."""

    email = forms.CharField(
        label=_("Votre adresse e-mail"),
        max_length=254,
        widget=forms.EmailInput(
            attrs={
                "autocomplete": "email",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
        error_messages={"required": _("Tapez votre adresse e-mail.")},
    )

    def clean_email(self) -> str:
        try:
            address = identifiers.email(self.cleaned_data["email"])
        except identifiers.BadValueError:
            address = ""
        if not address:
            raise forms.ValidationError(
                _("Cette adresse n’est pas complète. Il en faut une comme nom@exemple.fr."),
                code="not_an_address",
            )
        return address
