"""The form of the record of Article 33(5): anything may be saved, what is missing shows."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from notifications.register.record import LABELS, Complement, Nature, RecordContent, Severity

LONG: dict[str, Any] = {
    "facts": _("Ce qui s’est passé, quand, comment vous l’avez appris."),
    "cause": _("Interne ou externe, accidentelle ou malveillante ; la faille, si elle est connue."),
    "people_categories": "",
    "data_categories": "",
    "effects": _("Ce que les personnes risquent, et ce qui est arrivé."),
    "measures": _("Par l’opérateur et par vous, pour y mettre fin et pour en réduire les effets."),
    "delay_reasons": _("Seulement si l’autorité n’a pas été notifiée dans le délai."),
}


class RecordForm(forms.Form):
    """What the portal cannot know."""

    nature = forms.MultipleChoiceField(
        label=LABELS["nature"],
        choices=Nature.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    people_number = forms.IntegerField(
        label=LABELS["people_number"], required=False, min_value=0, max_value=10**9
    )
    records_number = forms.IntegerField(
        label=LABELS["records_number"], required=False, min_value=0, max_value=10**11
    )
    severity = forms.ChoiceField(
        label=LABELS["severity"],
        choices=[("", _("à évaluer")), *Severity.choices],
        required=False,
    )

    def __init__(self, *args: Any, content: RecordContent, **kwargs: Any) -> None:
        initial = {name: getattr(content, name) for name in (*self.base_fields, *LONG)}
        super().__init__(*args, **{"initial": initial, **kwargs})
        for name, hint in LONG.items():
            self.fields[name] = forms.CharField(
                label=LABELS[name],
                required=False,
                max_length=5000,
                widget=forms.Textarea(attrs={"rows": 4}),
                help_text=hint,
            )
        self.order_fields([name for name in LABELS if name in self.fields])

    def content(self, complements: tuple[Complement, ...]) -> RecordContent:
        """Return the content that the valid form describes."""
        given = dict(self.cleaned_data)
        texts = {name: given.pop(name).replace("\r\n", "\n").strip() for name in LONG}
        return RecordContent(
            nature=tuple(given.pop("nature")), complements=complements, **texts, **given
        )


class ComplementForm(forms.Form):
    """One complement to the notification; emptied, it is taken out of the next version."""

    sent_on = forms.DateField(
        label=_("Envoyé à l’autorité le"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    reference = forms.CharField(label=_("Numéro de dossier"), required=False, max_length=60)
    text = forms.CharField(
        label=_("Ce qu’il ajoute"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        said = cleaned.get("reference") or cleaned.get("text")
        if said and not cleaned.get("sent_on") and "sent_on" not in self.errors:
            self.add_error("sent_on", _("Donnez la date de ce complément."))
        if cleaned.get("sent_on") and cleaned["sent_on"] > timezone.localdate():
            self.add_error("sent_on", _("Cette date est dans l’avenir : corrigez-la."))
        return cleaned


def complements_of(formset: forms.BaseFormSet[ComplementForm]) -> tuple[Complement, ...]:
    """Return what the valid forms describe, in the order of their dates."""
    given = [form.cleaned_data for form in formset.forms if form.cleaned_data.get("sent_on")]
    return tuple(
        Complement(one["sent_on"].isoformat(), one["reference"], one["text"].strip())
        for one in sorted(given, key=lambda one: one["sent_on"])
    )


# The complements there are, and room for one more.
Complements = forms.formset_factory(ComplementForm, extra=1, max_num=50, absolute_max=51)
