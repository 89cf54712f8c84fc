"""Forms of notices and campaigns."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from insurers.models import AffectedList, DataCategory
from notifications.campaigns import channels_offered
from notifications.checklist import Unmet
from notifications.doubts import DoubtPolicy
from notifications.models import CampaignKind, Channel
from notifications.notices import NoticeContent, NoticeTexts
from notifications.sender_names import check_sender_name
from notifications.sms_cost import SmsText

TEXTS = ("subject", "nature", "consequences", "measures", "advice")
PLAIN = (
    "controller_name",
    "controller_address",
    "dpo_name",
    "contact_email",
    "contact_phone",
    "contact_address",
    "unreachable_plan",
)
LABELS = {
    "subject": _("Objet du message"),
    "nature": _("Ce qui s’est passé : nature de la violation, dates, opérateur"),
    "consequences": _("Les conséquences probables"),
    "measures": _("Les mesures prises ou proposées"),
    "advice": _("Ce que la personne peut faire"),
}


# Holds `notifications.checklist.ENOUGH`.
LONG_ENOUGH = _("Une phrase entière au moins (40 caractères).")


def _text(label: Any, *, required: bool = False, rows: int = 0, hint: Any = "") -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput()
    return forms.CharField(
        label=label, required=required, widget=widget, max_length=5000, help_text=hint
    )


class NoticeForm(forms.Form):
    """One field per element of Article 34(2). Anything may be saved; the checklist comes later."""

    exposed = forms.MultipleChoiceField(
        label=_("Données exposées"), required=False, widget=forms.CheckboxSelectMultiple
    )
    not_exposed = forms.MultipleChoiceField(
        label=_("Données non exposées"), required=False, widget=forms.CheckboxSelectMultiple
    )
    controller_name = _text(_("Responsable de traitement"))
    controller_address = _text(_("Adresse du responsable de traitement"), rows=2)
    dpo_name = _text(_("Délégué à la protection des données"))
    contact_email = forms.EmailField(label=_("Courriel de contact"), required=False)
    contact_phone = _text(_("Téléphone de contact"))
    contact_address = _text(_("Adresse postale de contact"), rows=2)
    unreachable_plan = _text(
        _("Comment seront informées les personnes injoignables"),
        rows=3,
        hint=_(
            "Lettre, communication publique… ; une phrase entière au moins (40 caractères)."
            " Ce texte reste au dossier, il n’est pas envoyé."
        ),
    )

    def __init__(
        self, *args: Any, content: NoticeContent, uncertain: Iterable[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **{"initial": _initial(content), **kwargs})
        self._content = content
        language = "en" if get_language() == "en" else "fr"
        choices = [
            (category.code, getattr(category, f"label_{language}"))
            for category in DataCategory.objects.all()
        ]
        for name in ("exposed", "not_exposed"):
            field = self.fields[name]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = choices
        if doubtful := [label for code, label in choices if code in set(uncertain)]:
            self.fields["exposed"].help_text = _(
                "Selon les sources, pour certains seulement ou sans certitude : %(labels)s. À vous"
                " de dire ce qu’il en est pour vos assurés."
            ) % {"labels": ", ".join(doubtful)}
        for code, suffix in (("fr", _("français")), ("en", _("anglais"))):
            for name in TEXTS:
                rows = 0 if name == "subject" else 5
                label = _("%(label)s (%(language)s)") % {"label": LABELS[name], "language": suffix}
                hint = LONG_ENOUGH if rows else ""
                self.fields[f"{code}_{name}"] = _text(label, rows=rows, hint=hint)
        for name, field in self.fields.items():
            # Not needed to save, but to submit: the page does not call it optional.
            field.checked_later = not name.startswith("en_")  # type: ignore[attr-defined]
        self.order_fields(
            [
                "fr_subject",
                "fr_nature",
                "exposed",
                "not_exposed",
                "fr_consequences",
                "fr_measures",
                "fr_advice",
                *PLAIN,
            ]
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if set(cleaned.get("exposed", ())) & set(cleaned.get("not_exposed", ())):
            self.add_error(
                "not_exposed",
                _(
                    "Une donnée ne peut pas être à la fois exposée et non exposée : décochez-la ici"
                    " ou au-dessus."
                ),
            )
        return cleaned

    def content(self) -> NoticeContent:
        """Return the content that the valid form describes."""
        data = self.cleaned_data
        plain: dict[str, Any] = {name: _lines(data[name]) for name in PLAIN}
        return NoticeContent(
            operators=self._content.operators,
            exposed=tuple(data["exposed"]),
            not_exposed=tuple(data["not_exposed"]),
            fr=_texts_from(data, "fr"),
            en=_texts_from(data, "en"),
            **plain,
        )

    def show_unmet(self, problems: Iterable[Unmet]) -> None:
        """Name each unmet point of the checklist beside its field."""
        for problem in problems:
            field = self.fields.get(problem.field)
            if field is not None:
                field.unmet = [*getattr(field, "unmet", []), problem]  # type: ignore[attr-defined]


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _texts_from(data: dict[str, Any], language: str) -> NoticeTexts:
    return NoticeTexts(**{name: _lines(data[f"{language}_{name}"]) for name in TEXTS})


def _initial(content: NoticeContent) -> dict[str, Any]:
    initial: dict[str, Any] = {name: getattr(content, name) for name in PLAIN}
    initial |= {"exposed": list(content.exposed), "not_exposed": list(content.not_exposed)}
    for code in ("fr", "en"):
        initial |= {f"{code}_{name}": getattr(getattr(content, code), name) for name in TEXTS}
    return initial


class ListChoiceField(forms.ModelChoiceField[AffectedList]):
    """Names a list by its number and size."""

    def label_from_instance(self, obj: AffectedList) -> str:
        return _("Liste n° %(number)d, %(people)d personnes") % {
            "number": obj.pk,
            "people": obj.members,
        }


class SubmitForm(forms.Form):
    """Which accepted list the notice goes to, and by which channels."""

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
    """The approver's word: each point was read, shared addresses are real or not."""

    read = forms.BooleanField(
        label=_("J’ai lu l’avis tel qu’il sera reçu et vérifié chaque point de la liste."),
    )
    shared_addresses_confirmed = forms.BooleanField(
        label=_("Les adresses partagées par plus de huit personnes sont de vraies adresses."),
        required=False,
        help_text=_("Sans cette confirmation, ces personnes sont comptées comme injoignables."),
    )


class LettersForm(forms.Form):
    """To whom a file of letters is encrypted."""

    recipient = forms.CharField(
        label=_("Clé publique age de votre organisme"),
        max_length=100,
        help_text=_(
            "Le fichier est chiffré pour elle : age-keygen fabrique la paire, et la clé privée"
            " reste chez vous (age-encryption.org)."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class ReturnForm(forms.Form):
    """Why a campaign goes back."""

    comment = forms.CharField(
        label=_("Ce qui est à corriger"), widget=forms.Textarea(attrs={"rows": 3}), max_length=2000
    )
