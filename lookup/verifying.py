"""Check the reference of a message, and report a message that looks like a scam."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from insurers.models import Advice, Insurer
from insurers.throttle import Limit, is_over
from lookup.kept_pages import blank, render_filled
from lookup.kept_rows import breach_of, insurer_of
from lookup.public import public_form, public_page, too_often
from lookup.typed import read_typed
from notifications.models import ReportedChannel
from notifications.models.suspicious import AT_MOST
from notifications.references import Form, parse
from notifications.verifying.masking import masked
from notifications.verifying.sent import SentMessage, SentText, find_message
from notifications.verifying.suspicious import report_message

# Of one network: 60 bits cannot be guessed at any pace, this spares the database.
CHECKS = Limit("checked-references", at_most=60, seconds=60)
# A mobile carrier has many subscribers behind one network.
REPORTS = Limit("suspicious-messages", at_most=30, seconds=3600)

# What helps whoever holds a message that may be false, in this order.
ADVICE = (
    "no_click",
    "never_give_codes",
    "report_sms_33700",
    "report_mail_signalspam",
    "report_pharos",
    "complain_if_misused",
)


class ReferenceField(forms.CharField):
    """A reference as somebody types it; cleaned, in groups of four."""

    def clean(self, value: Any) -> str:
        typed = parse(super().clean(value))
        if typed.form == Form.MISTYPED:
            raise forms.ValidationError(
                _(
                    "Ce code contient une erreur : un caractère est faux, ou deux sont inversés."
                    " Comparez-le au message et tapez-le à nouveau."
                ),
                code="mistyped",
            )
        if typed.form == Form.NOT_A_REFERENCE:
            raise forms.ValidationError(
                _(
                    "Ce n’est pas un code de référence : il en faut treize lettres et chiffres."
                    " Recopiez-le en entier."
                ),
                code="not_a_reference",
            )
        return typed.reference


class ReferenceForm(forms.Form):
    """The reference as somebody types it."""

    reference = ReferenceField(
        label=_("Code de référence du message"),
        help_text=_(
            "Treize lettres et chiffres, comme BP7K-3F9M-Q2XD-7. Tirets, espaces et minuscules"
            " n’ont pas d’importance."
        ),
        max_length=1000,  # The words around it may be pasted too.
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "autocorrect": "off",
                "spellcheck": "false",
            }
        ),
        error_messages={"required": _("Tapez le code qui figure dans le message.")},
    )


class ReportForm(forms.Form):
    """A message as it was received, how, and from whom it claims to come."""

    text = forms.CharField(
        label=_("Texte du message"),
        help_text=_(
            "5 000 caractères au plus. Effacez d’abord ce qui parle de vous : votre nom, votre"
            " adresse, vos numéros. Ce qui ressemble à un numéro de Sécurité sociale, à une"
            " adresse e-mail, à une date de naissance, à des coordonnées bancaires ou à un code de"
            " référence est masqué avant d’être enregistré."
        ),
        widget=forms.Textarea(attrs={"rows": 8, "autocomplete": "off"}),
        error_messages={"required": _("Collez ou recopiez le texte du message.")},
    )
    channel = forms.ChoiceField(
        label=_("Comment l’avez-vous reçu ?"),
        required=False,
        choices=[("", _("Je préfère ne pas le dire")), *ReportedChannel.choices],
    )
    insurer = forms.ModelChoiceField(
        label=_("De quel organisme dit-il venir ?"),
        required=False,
        queryset=Insurer.objects.all(),
        empty_label=_("Aucun, ou un autre"),
        to_field_name="slug",
    )

    def clean_text(self) -> str:
        """Count as people do (browsers end a line by two characters); refuse what shows nothing."""
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        if not masked(text):
            raise forms.ValidationError(self.fields["text"].error_messages["required"], "required")
        if len(text) > AT_MOST:
            raise forms.ValidationError(
                _("Le texte est trop long : gardez-en l’essentiel, 5 000 caractères au plus."),
                code="too_long",
            )
        return text


@public_form
def verify(request: HttpRequest) -> HttpResponse:
    """Say what left with a reference; what is typed is in no address and is kept nowhere."""
    if request.method != "POST":
        return render(request, "lookup/verify.html", {"form": ReferenceForm()})
    if is_over(CHECKS, request):
        return too_often(request, CHECKS)
    typed = read_typed(ReferenceForm, request.POST)
    if typed is None:
        context = {"form": ReferenceForm(request.POST), "advice": _advice()}
        return render(request, "lookup/verify.html", context)
    reference = typed["reference"]
    # Everybody who checks a message of a campaign sees the same page, but for the reference.
    found = find_message(
        reference=reference,
        shown_as=blank("reference"),
        insurer_of=insurer_of,
        breach_of=breach_of,
    )
    return render_filled(
        request,
        "lookup/verify.html",
        lambda: {
            "form": ReferenceForm(),
            "advice": _advice(),
            "found": found,
            "texts": _in_order(found),
            "report_form": _short_report_form(found),
        },
        kept_by=found,
        texts={"reference": reference},
    )


@public_form
def report(request: HttpRequest) -> HttpResponse:
    """Take the text of a message that looks like a scam."""
    if request.method != "POST":
        return render(request, "lookup/report.html", {"report_form": _report_form()})
    form = ReportForm(request.POST, auto_id="report_%s")
    if not form.is_valid():
        return render(request, "lookup/report.html", {"report_form": form})
    if is_over(REPORTS, request):
        return too_often(request, REPORTS, report_form=form)
    report_message(
        text=form.cleaned_data["text"],
        channel=form.cleaned_data["channel"],
        insurer=form.cleaned_data["insurer"],
        today=timezone.localdate(),
    )
    return redirect("message_reported")


@public_page
def reported(request: HttpRequest) -> HttpResponse:
    """Thank, and say where else to report."""
    return render(request, "lookup/reported.html", {"advice": _advice()})


def _report_form(found: SentMessage | None = None) -> ReportForm:
    """Return an empty form, which names the insurer that a known reference was of."""
    # The two forms of a page must not share the ids of their fields.
    initial = {"channel": found.channel, "insurer": found.insurer.slug} if found else None
    return ReportForm(initial=initial, auto_id="report_%s")


def _short_report_form(found: SentMessage | None) -> ReportForm:
    """Return one to stand below an answer, without the names of all insurers."""
    form = _report_form(found)
    if found is None:
        del form.fields["insurer"]
    else:
        ours = Insurer.objects.filter(pk=found.insurer.pk)
        form.fields["insurer"].queryset = ours  # type: ignore[attr-defined]
    return form


def _in_order(found: SentMessage | None) -> list[SentText]:
    """Return the texts of a message, the reader's language first."""
    texts = list(found.texts) if found else []
    return sorted(texts, key=lambda text: text.language != get_language())


def _advice() -> list[Advice]:
    """Return the advice of the directory that fits, with its sources."""
    rows = Advice.objects.filter(code__in=ADVICE).prefetch_related("sources")
    return sorted(rows, key=lambda row: ADVICE.index(row.code))
