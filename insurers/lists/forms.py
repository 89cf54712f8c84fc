"""The form that goes with a file: which operators and people it is about."""

from typing import Any

from django import forms
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from insurers.lists.ingestion import operators_for
from insurers.lists.rejected import correctable_lists
from insurers.lists.uploads import SealingUploadHandler
from insurers.models import AffectedList, Breach, Insurer, ListEffect, Operator, Population
from insurers.numbers import spaced

ACCEPTED = ".csv,.tsv,.txt,.xlsx,.xls,.ods,.gz,.zip,text/csv"


class PopulationField(forms.ModelChoiceField[Population]):
    """Names populations in the page's language."""

    def label_from_instance(self, obj: Population) -> str:
        return obj.label_en if get_language() == "en" else obj.label_fr


class CorrectedListField(forms.ModelChoiceField[AffectedList]):
    """Names a list by its number, date and rejected rows."""

    def label_from_instance(self, obj: AffectedList) -> str:
        return _("la liste n° %(number)s du %(date)s (%(rows)s lignes rejetées)") % {
            "number": obj.pk,
            "date": f"{timezone.localtime(obj.uploaded_at):%d/%m/%Y}",
            "rows": spaced(obj.rows_rejected),
        }


class SealedFileField(forms.Field):
    """A required file that never comes: `UploadForm.clean_file` asks the upload handler."""

    def validate(self, value: object) -> None:
        pass


class ListForm(forms.Form):
    """Which operators and people a list is about."""

    operators = forms.ModelMultipleChoiceField(
        Operator.objects.none(),
        label=gettext_lazy("Opérateurs dont les données de ces personnes venaient"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Cochez au moins un opérateur.")},
    )
    population = PopulationField(
        Population.objects.all(),
        label=gettext_lazy("Ces personnes sont"),
        empty_label=None,
    )
    effect = forms.ChoiceField(
        label=gettext_lazy("Cette liste doit"),
        choices=(
            (
                ListEffect.ADD.value,
                gettext_lazy(
                    "ajouter des personnes ou corriger des contacts : le reste ne change pas"
                ),
            ),
            (
                ListEffect.REPLACE.value,
                gettext_lazy(
                    "remplacer la liste précédente : qui n’y est plus et n’a pas encore été informé"
                    " ne le sera pas"
                ),
            ),
            (
                ListEffect.WITHDRAW.value,
                gettext_lazy(
                    "retirer des personnes listées à tort : on ne leur écrit pas, sauf si c’est"
                    " déjà fait"
                ),
            ),
        ),
        initial=ListEffect.ADD.value,
        widget=forms.RadioSelect,
        required=False,
    )
    corrects = CorrectedListField(
        AffectedList.objects.none(),
        label=gettext_lazy("Elle corrige les lignes rejetées de"),
        required=False,
        empty_label=gettext_lazy("aucune liste"),
    )

    def __init__(self, *args: Any, breach: Breach, insurer: Insurer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        operators = operators_for(breach=breach, insurer=insurer)
        choices = Operator.objects.filter(pk__in=[operator.pk for operator in operators])
        self.fields["operators"].queryset = choices  # type: ignore[attr-defined]
        insured_people = Population.objects.filter(code="insured_people").first()
        self.initial = {"operators": operators, "population": insured_people}
        rejecting = correctable_lists(breach=breach, insurer=insurer)
        self.fields["corrects"].queryset = rejecting  # type: ignore[attr-defined]
        if not rejecting.exists():
            del self.fields["corrects"]
        # It has a choice from the start, which a form that names none keeps.
        self.fields["effect"].checked_later = True  # type: ignore[attr-defined]

    def clean_effect(self) -> ListEffect:
        """Return the effect; a form that names none adds."""
        return ListEffect(self.cleaned_data["effect"] or ListEffect.ADD)


class AnnouncedForm(ListForm):
    """What the page's script says of a file that it is about to send in parts."""

    size = forms.IntegerField(min_value=0, max_value=2**62)
    modified = forms.IntegerField(required=False, max_value=2**62)


class UploadForm(ListForm):
    """The file itself never reaches the form: the upload handler has sealed it by then."""

    file = SealedFileField(
        label=gettext_lazy("Fichier"),
        widget=forms.FileInput(attrs={"accept": ACCEPTED}),
    )

    def __init__(
        self, *args: Any, handler: SealingUploadHandler | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.handler = handler
        self.fields["file"].help_text = _("Jusqu’à %(size)s.") % {
            "size": filesizeformat(settings.UPLOAD_MAX_BYTES)
        }

    def clean_file(self) -> None:
        """Say why no file was kept."""
        assert self.handler is not None
        if self.handler.too_large:
            raise forms.ValidationError(
                _("Le fichier dépasse %(size)s. Découpez-le en plusieurs fichiers.")
                % {"size": filesizeformat(settings.UPLOAD_MAX_BYTES)}
            )
        if self.handler.storage_failed:
            raise forms.ValidationError(
                _("Le portail n’a plus la place de recevoir ce fichier. Réessayez plus tard.")
            )
        if self.handler.upload is None:
            raise forms.ValidationError(_("Choisissez le fichier à envoyer."))
        if self.handler.upload.size_bytes == 0:
            raise forms.ValidationError(_("Ce fichier est vide. Faites un nouvel export."))
