"""The form that goes with a file: which operators and people it is about."""

from django import forms
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from insurers.lists.ingestion import operators_for
from insurers.lists.uploads import SealingUploadHandler
from insurers.models import Breach, Insurer, Operator, Population


class PopulationField(forms.ModelChoiceField[Population]):
    """Names populations in the page's language."""

    def label_from_instance(self, obj: Population) -> str:
        return obj.label_en if get_language() == "en" else obj.label_fr


class SealedFileField(forms.Field):
    """A required file that never comes: `UploadForm.clean_file` asks the upload handler."""

    def validate(self, value: object) -> None:
        pass


class UploadForm(forms.Form):
    """The file itself never reaches the form: the upload handler has sealed it by then."""

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
    file = SealedFileField(
        label=gettext_lazy("Fichier CSV"),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv"}),
    )

    def __init__(
        self,
        *args: object,
        breach: Breach,
        insurer: Insurer,
        handler: SealingUploadHandler | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.handler = handler
        operators = operators_for(breach=breach, insurer=insurer)
        choices = Operator.objects.filter(pk__in=[operator.pk for operator in operators])
        self.fields["operators"].queryset = choices  # type: ignore[attr-defined]
        insured_people = Population.objects.filter(code="insured_people").first()
        self.initial = {"operators": operators, "population": insured_people}
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
