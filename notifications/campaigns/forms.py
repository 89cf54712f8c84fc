"""Forms of a campaign: what is submitted, approved, returned, and to whom letters go."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from insurers.models import AffectedList
from notifications.campaigns.sms_cost import SmsText
from notifications.campaigns.submitting import channels_offered
from notifications.models import CampaignKind, Channel, LetterKind
from notifications.notices.checklist import citation, points_of
from notifications.senders.names import check_sender_name
from notifications.sending.doubts import DoubtPolicy


class ListChoiceField(forms.ModelChoiceField[AffectedList]):
    """Names a list by its number and size."""

    def label_from_instance(self, obj: AffectedList) -> str:
        return _("Liste n° %(number)d, %(people)d personnes") % {
            "number": obj.pk,
            "people": obj.members,
        }


class SubmitForm(forms.Form):
    """Which accepted list the notice goes to, and by which channels."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    affected_list = ListChoiceField(
        label=_("Liste acceptée"), queryset=AffectedList.objects.none(), empty_label=None
    )
    channels = forms.MultipleChoiceField(
        label=_("Canaux, dans l’ordre"), widget=forms.CheckboxSelectMultiple
    )
    kind = forms.ChoiceField(
        label=_("Nature de l’envoi"),
        choices=(
            (CampaignKind.NOTICE.value, _("avis : à qui n’est pas encore informé")),
            (CampaignKind.COMPLEMENT.value, _("complément : à qui est déjà informé")),
            (CampaignKind.CORRECTION.value, _("correction : à qui est déjà informé")),
        ),
        initial=CampaignKind.NOTICE.value,
        widget=forms.RadioSelect,
        required=False,
    )
    kind_reason = forms.CharField(
        label=_("Motif d’un complément ou d’une correction"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("L’approbateur le lira ; il reste au registre."),
    )

    starts_at = forms.DateTimeField(
        label=_("Pas avant le"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("À l’heure de Paris. Vide : dès l’approbation."),
    )
    in_doubt = forms.ChoiceField(
        label=_("Messages en doute"),
        choices=DoubtPolicy.choices,
        initial=DoubtPolicy.RETRY.value,
        widget=forms.RadioSelect,
        required=False,
        help_text=_(
            "Une coupure peut laisser un message dont personne ne sait s’il est parti. Le"
            " renvoyer, c’est risquer deux exemplaires ; ne pas le renvoyer, aucun."
        ),
    )

    sms_sender = forms.CharField(
        label=_("Expéditeur des SMS"),
        required=False,
        max_length=11,
        validators=[check_sender_name],
        help_text=_(
            "1 à 11 lettres sans accent ou chiffres, sans espace. Le nom doit être déclaré chez le"
            " prestataire SMS."
        ),
    )
    has_plain_sms = forms.BooleanField(
        label=_("Écrire les SMS sans les caractères qui les allongent"), required=False
    )

    def __init__(self, *args: Any, lists: Any, sms: Iterable[SmsText] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._say_what_sms_cost(tuple(sms))
        lists_field, channels = self.fields["affected_list"], self.fields["channels"]
        assert isinstance(lists_field, forms.ModelChoiceField)
        assert isinstance(channels, forms.MultipleChoiceField)
        lists_field.queryset = lists
        channels.choices = [(name.value, name.label) for name in channels_offered()]
        # Whoever wants letters printed says so.
        channels.initial = [n.value for n in channels_offered() if n != Channel.LETTER]

    def _say_what_sms_cost(self, sms: tuple[SmsText, ...]) -> None:
        if not settings.SMS_ACCOUNT:
            del self.fields["sms_sender"], self.fields["has_plain_sms"]
            return
        self.fields["sms_sender"].initial = settings.SMS_ACCOUNT["sender"]
        forcing = [symbol for text in sms for symbol in text.forcing]
        if sms and not forcing:
            del self.fields["has_plain_sms"]
            return
        self.fields["has_plain_sms"].help_text = _(
            "%(symbols)s n’existent pas dans l’alphabet court des SMS : %(parts)d parties par"
            " message, au lieu de %(plain)d avec leur forme simple (c, e, ')."
        ) % {
            "symbols": " ".join(dict.fromkeys(forcing)),
            "parts": max((text.parts for text in sms), default=0),
            "plain": max((text.plain_parts for text in sms), default=0),
        }

    def clean_kind(self) -> CampaignKind:
        """Return the kind; a form that names none sends a notice."""
        return CampaignKind(self.cleaned_data["kind"] or CampaignKind.NOTICE)

    def clean_in_doubt(self) -> DoubtPolicy:
        """Return the policy; a form that names none sends once more."""
        return DoubtPolicy(self.cleaned_data["in_doubt"] or DoubtPolicy.RETRY)

    def chosen_channels(self) -> list[Channel]:
        """Return the channels in the order of the plan."""
        return [Channel(name) for name in self.cleaned_data["channels"]]


class ApprovalForm(forms.Form):
    """The approver's word on each point of the checklist, and on shared addresses."""

    shared_addresses_confirmed = forms.BooleanField(
        label=_("Les adresses partagées par plus de huit personnes sont de vraies adresses."),
        required=False,
        help_text=_("Sans cette confirmation, ces personnes sont comptées comme injoignables."),
    )

    def __init__(self, *args: Any, channels: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._points = points_of(channels)
        for point in self._points:
            self.fields[f"point_{point.code}"] = forms.BooleanField(
                label=str(point.label),
                help_text=citation(point.article),
                error_messages={"required": _("Cochez ce point une fois vérifié.")},
            )
        self.order_fields([*(f"point_{point.code}" for point in self._points)])

    def checked_points(self) -> list[str]:
        """Return the codes of the points that the valid form vouches for."""
        return [p.code for p in self._points if self.cleaned_data[f"point_{p.code}"]]


class LettersForm(forms.Form):
    """What a file of letters holds, and to whom it is encrypted."""

    kind = forms.ChoiceField(
        label=_("Ce que le portail prépare"),
        choices=LetterKind.choices,
        initial=LetterKind.PDF,
        widget=forms.RadioSelect,
        help_text=_(
            "Le PDF s’imprime tel quel, recto verso, 500 lettres par fichier, pour enveloppes DL à"
            " fenêtre à droite. Les numéros de ligne se rapprochent de vos propres fichiers."
        ),
    )
    recipient = forms.CharField(
        label=_("Clé publique age de votre organisme"),
        max_length=100,
        help_text=_(
            "Le fichier est chiffré pour elle : age-keygen fabrique la paire, et la clé privée"
            " reste chez vous (age-encryption.org)."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, has_addresses: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_addresses:
            del self.fields["kind"]


class ReturnForm(forms.Form):
    """Why what somebody submitted goes back."""

    comment = forms.CharField(
        label=_("Ce qui est à corriger"), widget=forms.Textarea(attrs={"rows": 3}), max_length=2000
    )
