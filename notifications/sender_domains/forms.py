"""What an approver says of a domain that fails: that the campaign starts all the same, and why."""

from django import forms
from django.utils.translation import gettext_lazy as _


class SenderOverrideForm(forms.Form):
    """Both are needed, and only where the domain fails (`campaigns.approve_campaign`)."""

    sender_accepted = forms.BooleanField(
        label=_("J’envoie quand même depuis ce domaine, bien qu’il ne soit pas conforme."),
        required=False,
    )
    sender_override = forms.CharField(
        label=_("Pourquoi envoyer quand même"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Votre motif reste au registre."),
    )

    def reason(self) -> str:
        """Return the reason, "" unless it is written and the box ticked."""
        if not self.is_valid() or not self.cleaned_data["sender_accepted"]:
            return ""
        return str(self.cleaned_data["sender_override"])
