"""The form of a notice: a field for each element of Article 34."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from insurers.lists import identifiers
from insurers.models import DataCategory
from notifications.campaigns.sms_cost import SmsText
from notifications.notices.checklist import BAD_ADDRESS, Unmet
from notifications.notices.content import NoticeContent, NoticeTexts

TEXTS = ("subject", "nature", "dates", "consequences", "measures", "advice", "sms")
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
    "nature": _("Ce qui s’est passé : nature de la violation, opérateur"),
    "dates": _("Les dates : quand, et quand on l’a découvert"),
    "consequences": _("Les conséquences probables"),
    "measures": _("Les mesures prises ou proposées"),
    "advice": _("Ce que la personne peut faire"),
    "sms": _("Le SMS"),
}


ROWS = {"subject": 0, "dates": 2, "sms": 3}
HINTS = {
    "dates": _("Avec le mois et l’année ; une date que personne ne connaît se dit aussi."),
    "sms": _(
        "Ce que reçoit, faute de courriel, qui n’a qu’un mobile : qui écrit, et où lire l’avis."
    ),
}
# Holds `notifications.notices.visible_text.ENOUGH` and `ENOUGH_WORDS`.
LONG_ENOUGH = _("Une phrase entière au moins (six mots, 40 caractères).")


_SAVED_MEANWHILE = _(
    "Quelqu’un a enregistré la version %(number)d pendant que vous écriviez. Comparez les versions,"
    " puis enregistrez de nouveau : votre texte prendra sa place."
)


def _text(label: Any, *, required: bool = False, rows: int = 0, hint: Any = "") -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput()
    return forms.CharField(
        label=label, required=required, widget=widget, max_length=5000, help_text=hint
    )


class AddressField(forms.EmailField):
    """An e-mail address as a header takes it: a dot-atom, its domain in IDNA."""

    def clean(self, value: Any) -> str:
        """Return the address normalised, or "" where none is given."""
        given: str = super().clean(value)
        try:
            return identifiers.email(given)
        except identifiers.BadValueError:
            raise forms.ValidationError(BAD_ADDRESS) from None


class NoticeForm(forms.Form):
    """One field per element of Article 34(2). Anything may be saved; the checklist comes later."""

    changes = forms.IntegerField(widget=forms.HiddenInput)
    exposed = forms.MultipleChoiceField(
        label=_("Données exposées"), required=False, widget=forms.CheckboxSelectMultiple
    )
    not_exposed = forms.MultipleChoiceField(
        label=_("Données non exposées"), required=False, widget=forms.CheckboxSelectMultiple
    )
    controller_name = _text(_("Responsable de traitement"))
    controller_address = _text(_("Adresse du responsable de traitement"), rows=2)
    dpo_name = _text(_("Délégué à la protection des données"))
    contact_email = AddressField(label=_("Courriel de contact"), required=False)
    contact_phone = _text(_("Téléphone de contact"))
    contact_address = _text(_("Adresse postale de contact"), rows=2)
    unreachable_plan = _text(
        _("Comment seront informées les personnes injoignables"),
        rows=3,
        hint=_(
            "Lettre, communication publique… ; une phrase entière au moins (six mots, 40"
            " caractères). Ce texte reste au dossier, il n’est pas envoyé."
        ),
    )

    def __init__(
        self,
        *args: Any,
        content: NoticeContent,
        number: int,
        uncertain: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        """`content` is the version `number`: what the person sees, and what they change."""
        initial = {**_initial(content), "changes": number}
        super().__init__(*args, **{"initial": initial, **kwargs})
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
                rows = ROWS.get(name, 5)
                label = _("%(label)s (%(language)s)") % {"label": LABELS[name], "language": suffix}
                hint = LONG_ENOUGH if rows == 5 else HINTS.get(name, "")
                self.fields[f"{code}_{name}"] = _text(label, rows=rows, hint=hint)
        for name, field in self.fields.items():
            # Not needed to save, but to submit: the page does not call it optional.
            field.checked_later = not name.startswith("en_")  # type: ignore[attr-defined]
            # What the checklist says of a field stands before its hint.
            field.is_sms = name.endswith("_sms")  # type: ignore[attr-defined]
            described = f"unmet-{name}" + (f" id_{name}_helptext" if field.help_text else "")
            field.widget.attrs["aria-describedby"] = described
        self.order_fields(
            [
                "fr_subject",
                "fr_nature",
                "fr_dates",
                "exposed",
                "not_exposed",
                "fr_consequences",
                "fr_measures",
                "fr_advice",
                *PLAIN,
                "fr_sms",
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
        """Return the content that the form describes, without what is not valid in it."""
        data = self.cleaned_data
        plain: dict[str, Any] = {name: _lines(data.get(name, "")) for name in PLAIN}
        return NoticeContent(
            operators=self._content.operators,
            exposed=tuple(data.get("exposed", ())),
            not_exposed=tuple(data.get("not_exposed", ())),
            fr=_texts_from(data, "fr"),
            en=_texts_from(data, "en"),
            **plain,
        )

    def say_saved_meanwhile(self, number: int) -> None:
        """Tell that another version stands by now; whoever saves again knows it."""
        sent = MultiValueDict(dict(cast(MultiValueDict[str, Any], self.data).lists()))
        sent["changes"] = str(number)
        self.data = sent
        self.add_error(None, _SAVED_MEANWHILE % {"number": number})

    def show_unmet(self, problems: Iterable[Unmet]) -> None:
        """Name each unmet point of the checklist beside its field."""
        for problem in problems:
            field = self.fields.get(problem.field)
            if field is not None:
                field.unmet = [*getattr(field, "unmet", []), problem]  # type: ignore[attr-defined]

    def show_sms(self, texts: Mapping[str, SmsText]) -> None:
        """Show under each SMS how it reads, and how many parts it takes."""
        for name, text in texts.items():
            self.fields[name].sms_text = text  # type: ignore[attr-defined]


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _texts_from(data: dict[str, Any], language: str) -> NoticeTexts:
    return NoticeTexts(**{name: _lines(data.get(f"{language}_{name}", "")) for name in TEXTS})


def _initial(content: NoticeContent) -> dict[str, Any]:
    initial: dict[str, Any] = {name: getattr(content, name) for name in PLAIN}
    initial |= {"exposed": list(content.exposed), "not_exposed": list(content.not_exposed)}
    for code in ("fr", "en"):
        initial |= {f"{code}_{name}": getattr(getattr(content, code), name) for name in TEXTS}
    return initial
