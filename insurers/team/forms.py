"""Forms of the team's pages: invite somebody, and answer an invitation."""

from typing import Any

from django import forms
from django.contrib.auth import get_user_model, password_validation
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from insurers.models import Role

NEW_PASSWORD = forms.PasswordInput(attrs={"autocomplete": "new-password"})


class InviteForm(forms.Form):
    """Whom to invite, and as what."""

    email = forms.EmailField(
        label=_("Courriel professionnel"),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        label=_("Rôle"),
        choices=Role.choices,
        widget=forms.RadioSelect,
        help_text=_(
            "Le préparateur envoie les listes et écrit l’avis ; l’approbateur relit, approuve et "
            "tient l’équipe ; le lecteur suit sans rien changer."
        ),
    )


class NewPersonForm(forms.Form):
    """The account of an invited person; the address is the invitation's."""

    email = forms.EmailField(
        label=_("Courriel"),
        disabled=True,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    name = forms.CharField(
        label=_("Nom et prénom"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label=_("Mot de passe"),
        strip=False,
        widget=NEW_PASSWORD,
        help_text=_("Au moins 12 caractères, sans rapport avec votre nom ou votre adresse."),
    )
    password_again = forms.CharField(
        label=_("Le même mot de passe"), strip=False, widget=NEW_PASSWORD
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        password = given.get("password")
        if not password:
            return given
        if given.get("password_again") not in (None, password):
            self.add_error(
                "password_again", _("Les deux mots de passe diffèrent : écrivez-les à nouveau.")
            )
        person = get_user_model()(email=self.initial["email"], name=given.get("name", ""))
        try:
            password_validation.validate_password(password, person)
        except ValidationError as error:
            self.add_error("password", error)
        return given
