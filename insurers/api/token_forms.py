"""The form of a new token."""

from datetime import timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from insurers.models import TokenScope


class TokenForm(forms.Form):
    """What the token is for, what it may do, and for how long."""

    name = forms.CharField(
        label=_("Nom"),
        max_length=80,
        help_text=_("Le programme qui s’en servira, par exemple « export de nuit »."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("Droits"),
        choices=TokenScope.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=TokenScope.values,
        error_messages={"required": _("Cochez au moins un droit.")},
    )
    days = forms.TypedChoiceField(
        label=_("Durée"),
        coerce=int,
        choices=((30, _("30 jours")), (90, _("90 jours")), (365, _("un an"))),
        initial=90,
        widget=forms.RadioSelect,
    )

    def lasts(self) -> timedelta:
        """Return how long the token is asked for."""
        return timedelta(days=self.cleaned_data["days"])
