"""The forms of an exemption: a ground with why it holds, and why it is to end."""

from django import forms
from django.utils.translation import gettext_lazy as _

from notifications.exemptions.deciding import LONGEST
from notifications.models import ExemptionGround

# Each ground in plain words, and what it demands.
GROUNDS = (
    (
        ExemptionGround.UNINTELLIGIBLE.value,
        _(
            "a) Les données prises sont incompréhensibles pour qui les a, par exemple chiffrées"
            " sans la clé. Dites comment elles étaient protégées, et pourquoi cette protection"
            " tient encore."
        ),
    ),
    (
        ExemptionGround.RISK_REMOVED.value,
        _(
            "b) Des mesures prises depuis ont écarté le risque élevé. Dites lesquelles, quand, et"
            " pourquoi ce risque ne peut plus se réaliser."
        ),
    ),
    (
        ExemptionGround.DISPROPORTIONATE.value,
        _(
            "c) Écrire à chacun exigerait des efforts disproportionnés. Dites pourquoi ; une"
            " communication publique faite à la place des messages doit être publiée avant"
            " l’approbation."
        ),
    ),
)


class ExemptionForm(forms.Form):
    """On which ground people need not be told one by one, and why it holds."""

    ground = forms.ChoiceField(label=_("Motif légal"), choices=GROUNDS, widget=forms.RadioSelect)
    justification = forms.CharField(
        label=_("En quoi ce motif est rempli, en fait"),
        widget=forms.Textarea(attrs={"rows": 6}),
        max_length=LONGEST,
        help_text=_(
            "Une phrase entière au moins. Votre texte reste au registre, et l’autorité le lit :"
            " n’y nommez personne, n’y mettez ni numéro ni adresse."
        ),
    )


class LiftForm(forms.Form):
    """Why an exemption is to end."""

    reason = forms.CharField(
        label=_("Pourquoi lever la dispense"),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=2000,
        help_text=_("Votre motif reste au registre : n’y nommez personne."),
    )
