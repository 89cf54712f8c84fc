"""The form of a public statement: a field for each thing that it must say."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from notifications.models import StatementGround
from notifications.notices.checklist import Unmet
from notifications.notices.forms import LONG_ENOUGH, AddressField
from notifications.statements.content import StatementContent, StatementTexts

TEXTS = {
    "happened": _("Ce qui s’est passé"),
    "measures": _("Les mesures prises"),
    "reason": _("Pourquoi pas de message à chacun"),
}
CONTACT = ("contact_name", "contact_phone", "contact_email", "contact_address")


class StatementForm(forms.Form):
    """Anything may be saved; the checklist comes later."""

    ground = forms.ChoiceField(
        label=_("Cette communication est faite"),
        choices=StatementGround.choices,
        widget=forms.RadioSelect,
    )
    contact_name = forms.CharField(label=_("À qui s’adresser"), required=False, max_length=150)
    contact_phone = forms.CharField(label=_("Téléphone"), required=False, max_length=30)
    contact_email = AddressField(label=_("Courriel"), required=False)
    contact_address = forms.CharField(
        label=_("Adresse postale"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, content: StatementContent, **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": _initial(content), **kwargs})
        for code, language in (("fr", _("français")), ("en", _("anglais"))):
            for name, label in TEXTS.items():
                self.fields[f"{code}_{name}"] = forms.CharField(
                    label=_("%(label)s (%(language)s)") % {"label": label, "language": language},
                    required=False,
                    max_length=5000,
                    widget=forms.Textarea(attrs={"rows": 5}),
                    help_text=_HINTS.get(name, LONG_ENOUGH),
                )
        for name, field in self.fields.items():
            # Not needed to save, but to submit: the page does not call it optional.
            later = name in {"fr_happened", "fr_measures", "contact_name"}
            field.checked_later = later  # type: ignore[attr-defined]
        self.order_fields(["ground", "fr_happened", "fr_measures", "fr_reason", *CONTACT])

    def content(self) -> StatementContent:
        """Return the content that the valid form describes."""
        given = {name: _lines(value) for name, value in self.cleaned_data.items()}
        texts = {
            code: StatementTexts(**{name: given[f"{code}_{name}"] for name in TEXTS})
            for code in ("fr", "en")
        }
        contact = {name: given[name] for name in CONTACT}
        return StatementContent(ground=given["ground"], **texts, **contact)  # type: ignore[arg-type]

    def show_unmet(self, problems: Iterable[Unmet]) -> None:
        """Name each unmet point beside its field."""
        for problem in problems:
            field = self.fields[problem.field]
            field.unmet = [*getattr(field, "unmet", []), problem]  # type: ignore[attr-defined]


class WithdrawalForm(forms.Form):
    """Why a published version is withdrawn."""

    reason = forms.CharField(
        label=_("Pourquoi la retirer"),
        widget=forms.Textarea(attrs={"rows": 2}),
        max_length=1000,
        help_text=_("Votre motif reste au registre."),
    )


_HINTS = {
    "reason": _(
        "Seulement à la place de messages individuels : en quoi ils exigeraient des efforts"
        " disproportionnés (RGPD, art. 34, § 3, c)."
    )
}


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _initial(content: StatementContent) -> dict[str, Any]:
    initial: dict[str, Any] = {name: getattr(content, name) for name in ("ground", *CONTACT)}
    for code in ("fr", "en"):
        texts = getattr(content, code)
        initial |= {f"{code}_{name}": getattr(texts, name) for name in TEXTS}
    return initial
